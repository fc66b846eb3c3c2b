"""The models that ship take any small input, and do what their settings say."""

import pytest
import torch
from torch import nn

from recipe.models import Cnn, ConvNet, Linear, Mlp, ResMlp, ResNet, count_parameters, last_layer, set_last_bias


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 7, 13)])
@pytest.mark.parametrize("model", [Linear, Mlp, ResMlp, Cnn, ConvNet, ResNet])
def test_every_image_model_gives_one_row_of_outputs_an_example(model: type[nn.Module], shape: tuple[int, ...]) -> None:
    outputs = model(shape, 10)(torch.randn(4, *shape))
    assert outputs.shape == (4, 10)


@pytest.mark.parametrize("model", [Linear, Mlp, ResMlp])
def test_every_table_model_gives_one_row_of_outputs_an_example(model: type[nn.Module]) -> None:
    assert model((5,), 1)(torch.randn(4, 5)).shape == (4, 1)


def test_resnet_50_has_the_parameters_of_the_paper_but_for_its_stem() -> None:
    model = ResNet((3, 64, 64), 1000, width=64, blocks=(3, 4, 6, 3), bottleneck=True)
    published = 25_557_032  # torchvision's resnet50
    stem = 3 * 64 * 7 * 7 - 3 * 64 * 3 * 3
    assert count_parameters(model) == published - stem


def test_more_width_is_more_capacity_and_hidden_0_pools_instead() -> None:
    assert count_parameters(Cnn((1, 8, 8), 10, width=32)) > count_parameters(Cnn((1, 8, 8), 10, width=16))
    assert count_parameters(Cnn((1, 28, 28), 10, hidden=0)) < count_parameters(Cnn((1, 28, 28), 10, hidden=128))


def test_a_conv_net_has_as_many_weights_as_its_layers_say() -> None:
    convolutions = 3 * 3 * (1 * 16 + 16 * 16 + 16 * 32 + 32 * 32)
    norms = 2 * (16 + 16 + 32 + 32)
    head = 32 * 7 * 7 * 10 + 10
    model = ConvNet((1, 28, 28), 10, width=16, depth=2, convs=2)
    assert count_parameters(model) == convolutions + norms + head


def test_a_residual_mlp_of_no_blocks_is_nearly_linear_and_blocks_add_what_the_paper_says() -> None:
    bare, deep = ResMlp((5,), 3, width=8, depth=0), ResMlp((5,), 3, width=8, depth=2)
    assert count_parameters(bare) == (5 * 8 + 8) + 2 * 8 + (8 * 3 + 3)
    block = 2 * 8 + (8 * 16 + 16) + (16 * 8 + 8)
    assert count_parameters(deep) == count_parameters(bare) + 2 * block


def test_the_last_bias_is_set_where_there_is_one() -> None:
    model = Mlp((4,), 3)
    assert set_last_bias(model, torch.tensor([1.0, 2.0, 3.0]))
    layer = last_layer(model)
    assert layer is not None
    assert layer.bias.tolist() == [1.0, 2.0, 3.0]
    assert not set_last_bias(nn.Sequential(nn.Flatten()), torch.zeros(3))
