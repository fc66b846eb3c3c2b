"""The models that ship take any small input, and do what their settings say."""

import pytest
import torch
from torch import nn

from recipe.models import Cnn, Linear, Mlp, ResNet, count_parameters, last_layer, set_last_bias


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 7, 13)])
@pytest.mark.parametrize("model", [Linear, Mlp, Cnn, ResNet])
def test_every_image_model_gives_one_row_of_outputs_an_example(model: type[nn.Module], shape: tuple[int, ...]) -> None:
    outputs = model(shape, 10)(torch.randn(4, *shape))
    assert outputs.shape == (4, 10)


@pytest.mark.parametrize("model", [Linear, Mlp])
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


def test_the_last_bias_is_set_where_there_is_one() -> None:
    model = Mlp((4,), 3)
    assert set_last_bias(model, torch.tensor([1.0, 2.0, 3.0]))
    layer = last_layer(model)
    assert layer is not None
    assert layer.bias.tolist() == [1.0, 2.0, 3.0]
    assert not set_last_bias(nn.Sequential(nn.Flatten()), torch.zeros(3))
