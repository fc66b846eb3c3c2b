"""Nothing is wrong with these models and data sets, and no practice says that anything is."""

from dataclasses import replace

import pytest
import torch

from recipe.models import Cnn, Linear, Mlp, ResNet
from recipe.practices.baseline.input_independent import input_independent
from recipe.training.experiment import Experiment
from recipe.training.split import Split
from tasks.baseline import PRACTICES
from tests.practices.baseline.conftest import Make


def complaints(experiment: Experiment) -> list[str]:
    findings = [experiment.examine(practice) for practice in PRACTICES]
    return [f"{one.practice}: {one.summary}" for one in findings if one.verdict not in ("pass", "skip")]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("model", [Linear, Mlp, Cnn])
def test_no_practice_complains_about_a_healthy_net_on_digits(on_digits: Make, model: type, seed: int) -> None:
    assert complaints(on_digits(model, seed=seed).checked()) == []


def test_no_practice_complains_about_a_residual_net_with_batch_norm(on_digits: Make) -> None:
    assert complaints(on_digits(ResNet, model_settings={"width": 8, "blocks": [1, 1, 1]}).checked()) == []


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("model", [Linear, Mlp])
def test_no_practice_complains_about_a_healthy_net_on_a_table(on_breast_cancer: Make, model: type, seed: int) -> None:
    assert complaints(on_breast_cancer(model, seed=seed).checked()) == []


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("model", [Linear, Mlp])
def test_no_practice_complains_about_a_healthy_regression(on_diabetes: Make, model: type, seed: int) -> None:
    assert complaints(on_diabetes(model, seed=seed).checked()) == []


def mostly_copies(split: Split, distinct: int, copies: int) -> Split:
    """The first `distinct` examples, and one of them so many times more."""
    places = torch.cat([torch.arange(distinct), torch.zeros(copies, dtype=torch.long)])
    return replace(split.at(places), groups=places)


def test_a_net_that_learns_is_not_said_to_be_ignorant_where_most_of_the_validation_split_is_copies(
    on_digits: Make,
) -> None:
    healthy = on_digits(Mlp)
    copied = healthy.variant("copies", validation=mostly_copies(healthy.validation, 40, 400))
    assert copied.examine(input_independent).verdict == "pass"
    few = healthy.variant("few", validation=mostly_copies(healthy.validation, 8, 400))
    assert few.examine(input_independent).verdict != "fail"
