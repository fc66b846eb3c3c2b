"""A net of another architecture joins the ensemble where as many with it are better, and only there."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recipe.inference.export import Ensemble, write_program
from recipe.inference.safe_loading import load_program
from recipe.models import Cnn, Linear
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.error_budget import error_budget
from recipe.settings import Stages
from recipe.training.components import Component
from recipe.training.ensemble import other_trainings, train_members
from recipe.training.experiment import Budget, Experiment, HeldOut, Training, make_experiment
from recipe.training.split import Split

FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3, "fused": True})
LINEAR, CNN = Component("model", Linear), Component("model", Cnn)


@pytest.fixture(scope="module")
def experiment(digits: tuple[Tensor, Tensor]) -> Experiment:
    images, labels = digits
    made = make_experiment(
        Cnn, (images[:600], labels[:600]), (images[600:1000], labels[600:1000]), optimizer=FAST, epochs=4
    )
    return replace(made, budget=Budget(members=3), test=HeldOut(lambda reader: Split(images[1000:], labels[1000:])))


def beside(experiment: Experiment, model: Component, *others: Training) -> Experiment:
    """Members of `model`, and others that may take a place among them."""
    return replace(experiment, training=experiment.training.having(model=model), others=others)


@pytest.fixture(scope="module")
def mixed(experiment: Experiment) -> Experiment:
    """Linear members beside a CNN, which is better than they are."""
    return beside(experiment, LINEAR, experiment.training.having(model=CNN))


def test_another_architecture_takes_the_place_of_a_seed_where_that_gains_beyond_chance(mixed: Experiment) -> None:
    finding = mixed.examine(ensemble)

    assert [one.training.model for one in train_members(mixed)] == [LINEAR, LINEAR, CNN]
    assert "Cnn is among them, which gains" in finding.summary
    assert finding.table["taken"].tolist() == [True, True, False, True]
    assert finding.table["seed"].tolist() == [0, 1, 2, 3]
    assert finding.table["loss"][3] < finding.table["loss"][:3].min()


def test_one_that_is_no_better_stays_out(experiment: Experiment) -> None:
    alike = beside(experiment, CNN, experiment.training.having(model=LINEAR))
    finding = alike.examine(ensemble)

    assert [one.training.model for one in train_members(alike)] == [CNN] * 3
    assert "Linear in the place of one of them would gain -" in finding.summary
    assert finding.table["taken"].tolist() == [True, True, True, False]


def test_one_that_diverges_stays_out(experiment: Experiment) -> None:
    wild = experiment.training.having(model=LINEAR, optimizer=FAST.having(lr=1e38))
    finding = beside(experiment, CNN, wild).examine(ensemble)

    assert "Linear diverged, so all are of one architecture." in finding.summary
    assert finding.table["taken"].tolist() == [True, True, True, False]


def test_another_has_the_members_length_and_a_seed_of_its_own(mixed: Experiment) -> None:
    [other] = other_trainings(mixed)

    assert (other.epochs, other.seed, other.keep_best) == (6, 3, True)


@pytest.mark.parametrize(("members", "others", "expected"), [(1, 1, 0), (2, 1, 1), (2, 5, 1), (3, 2, 2), (3, 0, 0)])
def test_one_member_at_least_has_the_chosen_architecture(
    experiment: Experiment, members: int, others: int, expected: int
) -> None:
    training = experiment.training
    several = replace(
        beside(experiment, CNN, *(training.having(model=LINEAR, epochs=count) for count in range(1, 6))),
        budget=Budget(members=members),
        stages=Stages.default(squeeze={"ensemble": {"others": others}}),
    )
    assert len(other_trainings(several)) == expected


def test_the_error_of_a_mixed_ensemble_is_split_whole(mixed: Experiment) -> None:
    finding = mixed.examine(error_budget)

    parts = finding.table[finding.table["kind"] == "part"]["error"].sum()
    assert parts == pytest.approx(finding.measured)


def test_a_mixed_ensemble_is_exported_as_one_program(mixed: Experiment, tmp_path: Path) -> None:
    nets = [one.model(mixed) for one in train_members(mixed)]
    net = Ensemble(nets, None, {"task": "classification"}, temperature=1.0).eval()
    inputs = mixed.validation.batch(torch.arange(5))[0]

    program = load_program(write_program(net, inputs[:2], tmp_path))
    assert torch.allclose(program(inputs), net(inputs), atol=1e-5)
