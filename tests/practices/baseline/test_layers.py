"""Faults of single layers: each is named with the layer, and sound nets of the same kind are left alone."""

import copy

import pytest
import torch
from torch import Tensor, nn

from recipe.diagnostics.modes import compare_modes
from recipe.diagnostics.probes import constant_units, stir
from recipe.models import Cnn, Linear, Mlp, ResNet
from recipe.practices.baseline.gradients import gradients
from recipe.practices.baseline.overfit_one_batch import overfit_one_batch
from recipe.practices.baseline.whole_test_set import whole_test_set
from tests.faults.models import BatchNormed, NormalisesOneNumber
from tests.practices.baseline.conftest import Make


class NormalisesEverything(NormalisesOneNumber):
    """The same, with nothing beside the branch."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.norm(self.body(inputs.flatten(1)).unsqueeze(-1)).squeeze(-1))


class Frozen(Mlp):
    """A branch that is frozen where it starts, at zero: it adds nothing, as meant."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        self.side = nn.Linear(64, 64)
        for parameter in self.side.parameters():
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.body(inputs.flatten(1))
        return self.head(hidden + self.side(hidden))


def test_a_layer_norm_over_one_number_is_named(on_digits: Make) -> None:
    finding = on_digits(NormalisesOneNumber).examine(gradients)
    assert finding.verdict == "fail"
    assert "100% of the units behind norm never vary" in finding.summary


def test_overfitting_one_batch_names_it_too(on_digits: Make) -> None:
    finding = on_digits(NormalisesEverything).examine(overfit_one_batch)
    assert finding.verdict == "fail"
    assert "behind norm never vary" in finding.summary


@pytest.mark.parametrize("model", [Linear, Mlp, Cnn, ResNet, Frozen])
def test_no_unit_of_a_sound_net_is_constant(on_digits: Make, model: type) -> None:
    experiment = on_digits(model)
    inputs = experiment.train.inputs[:64]
    assert not any(one.share for one in constant_units(stir(experiment.new_model().eval()), inputs))


def test_a_pixel_that_is_always_empty_makes_no_unit_constant(on_digits: Make) -> None:
    experiment = on_digits(Mlp)
    images = experiment.train.inputs[:64].clone()
    images[..., 2:] = 0
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)).eval()
    assert not any(one.share for one in constant_units(model, images))


@pytest.mark.fault(
    "baseline/whole_test_set",
    "fail: batch statistics in evaluation; warn: evaluation far from training mode, a batch norm whose "
    "momentum is not torch's",
)
@pytest.mark.parametrize(
    ("momentum", "words"),
    [
        (0.99, "one batch replaces 99% of the running statistics of body.1"),
        (0.001, "body.1 the furthest: its running statistics are not those of the examples"),
        (0.0, "body.1 the furthest: its running statistics are not those of the examples"),
    ],
)
def test_a_momentum_that_is_not_torchs_is_named_by_its_layer(on_digits: Make, momentum: float, words: str) -> None:
    finding = on_digits(BatchNormed, model_settings={"momentum": momentum}).examine(whole_test_set)
    assert finding.verdict == "warn"
    assert words in finding.summary


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_evaluation_is_close_to_training_mode_in_a_sound_net_with_dropout_too(on_digits: Make, dropout: float) -> None:
    finding = on_digits(BatchNormed, model_settings={"dropout": dropout}).examine(whole_test_set)
    assert finding.verdict == "pass", finding.summary
    assert "away from those in training mode" in finding.summary


def test_a_net_without_running_statistics_has_one_mode(on_digits: Make) -> None:
    experiment = on_digits(Mlp)
    assert compare_modes(experiment.new_model(), experiment.train.inputs[:64]) is None


def test_the_momentum_is_measured_and_not_read(on_digits: Make) -> None:
    experiment = on_digits(BatchNormed, model_settings={"momentum": 0.3})
    model = experiment.new_model()
    known = copy.deepcopy(model)
    modes = compare_modes(model, experiment.train.inputs[:64])
    assert modes is not None
    assert modes.hastiest.replaced == pytest.approx(0.3, abs=1e-4)
    assert torch.equal(known.head.weight, model.head.weight)
