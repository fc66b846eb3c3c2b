"""Nothing is wrong with these models and data sets, and no practice says that anything is."""

from dataclasses import replace

import pytest
import torch

from recipe.diagnostics.bounds import contradictory
from recipe.diagnostics.probes import same_inputs
from recipe.models import Cnn, Linear, Mlp, ResNet
from recipe.practices.baseline.input_independent import input_independent
from recipe.practices.baseline.overfit_one_batch import overfit_one_batch
from recipe.training.experiment import Experiment, make_experiment
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


def test_a_batch_of_rows_that_are_alike_with_different_labels_is_no_bug_of_the_net(on_breast_cancer: Make) -> None:
    """Tables of few columns have many such rows, and no net can memorise both."""
    healthy = on_breast_cancer(Mlp)
    coarse, labels = (healthy.train.inputs[:, 9:10] > 0).float(), healthy.train.targets
    few = make_experiment(Mlp, (coarse, labels), (coarse[:50], labels[:50]))
    assert contradictory(labels, same_inputs(few.train)).all()
    assert few.examine(overfit_one_batch).verdict == "pass"
