"""A net of another architecture joins the ensemble where as many with it are better, and only there."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recipe.inference.export import Ensemble, write_program
from recipe.inference.safe_loading import load_program
from recipe.models import Cnn, Linear, Mlp
from recipe.practices.squeeze.distill import distill
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.error_budget import error_budget
from recipe.practices.squeeze.final_test import final_test
from recipe.settings import Stages
from recipe.training.components import Component
from recipe.training.distillation import student_training
from recipe.training.ensemble import ensemble_trainings, other_training, train_candidates, train_members
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


def models_of(experiment: Experiment) -> list[Component]:
    return [one.training.model for one in train_members(experiment)]


def test_another_architecture_takes_the_place_of_a_seed_where_that_gains_beyond_chance(mixed: Experiment) -> None:
    finding = mixed.examine(ensemble)

    assert models_of(mixed) == [LINEAR, LINEAR, CNN]
    assert "Cnn is among them, which gains 0." in finding.summary
    assert finding.table["taken"].tolist() == [True, True, False, True]
    assert finding.table["seed"].tolist() == [0, 1, 2, 3]
    assert finding.table["loss"][3] < finding.table["loss"][:3].min()


def test_one_that_is_worse_stays_out(experiment: Experiment) -> None:
    alike = beside(experiment, CNN, experiment.training.having(model=LINEAR, epochs=1))
    finding = alike.examine(ensemble)

    assert models_of(alike) == [CNN] * 3
    assert "Linear is not among them: in the place of one it would gain -" in finding.summary
    assert "which is a loss." in finding.summary
    assert finding.table["taken"].tolist() == [True, True, True, False]


def test_one_that_is_the_same_stays_out_and_chance_may_explain_what_it_gains(experiment: Experiment) -> None:
    alike = beside(experiment, CNN, experiment.training.having(model=CNN))
    gain = train_candidates(alike).gain

    assert gain is not None and gain.low < 0 < gain.high
    assert "Cnn is not among them: in the place of one it would gain " in alike.examine(ensemble).summary
    assert "which chance may explain." in alike.examine(ensemble).summary


def test_one_that_diverges_stays_out(experiment: Experiment) -> None:
    wild = experiment.training.having(model=LINEAR, optimizer=FAST.having(lr=1e38))
    finding = beside(experiment, CNN, wild).examine(ensemble)

    assert "Linear is not among them: it, or one of them, has diverged." in finding.summary
    assert finding.table["taken"].tolist() == [True, True, True, False]


def test_where_members_are_left_training_one_that_gains_nothing_at_their_usual_length_gets_no_longer(
    experiment: Experiment,
) -> None:
    left = replace(beside(experiment, CNN, experiment.training.having(model=LINEAR)), long_members=True)
    finding = left.examine(ensemble)

    assert finding.table["epochs"].tolist() == [12, 12, 12, 6]
    assert finding.table["taken"].tolist() == [True, True, True, False]
    assert finding.summary.count("at a member's usual length, and was trained no longer.") == 1


def test_where_members_are_left_training_one_that_gains_is_left_training_too(mixed: Experiment) -> None:
    finding = replace(mixed, long_members=True).examine(ensemble)

    assert finding.table["epochs"].tolist() == [12, 12, 12, 12]
    assert finding.table["taken"].tolist() == [True, True, False, True]
    assert "no longer" not in finding.summary


def test_in_a_regression_another_architecture_joins_too(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(Mlp, (rows[:300], targets[:300]), (rows[300:], targets[300:]), optimizer=FAST, epochs=30)
    still = made.training.having(optimizer=FAST.having(lr=1e-7))
    mixed = replace(made, budget=Budget(members=2), training=still, others=(made.training.having(model=LINEAR),))

    assert models_of(mixed)[1] == LINEAR


def test_another_has_the_members_length_and_a_seed_of_its_own(mixed: Experiment) -> None:
    other = other_training(mixed)

    assert other is not None and (other.epochs, other.keep_best) == (6, True)
    assert len({one.seed for one in (*ensemble_trainings(mixed), other, student_training(mixed))}) == 5


@pytest.mark.parametrize(("members", "wanted"), [(1, True), (3, False)])
def test_none_is_trained_where_there_is_one_member_or_none_is_wanted(
    mixed: Experiment, members: int, wanted: bool
) -> None:
    stages = Stages.default(squeeze={"ensemble": {"other_architecture": wanted}})
    assert other_training(replace(mixed, budget=Budget(members=members), stages=stages)) is None


def test_the_error_that_is_split_is_that_of_the_mixed_ensemble(mixed: Experiment) -> None:
    finding, tested = mixed.examine(error_budget), mixed.examine(final_test)

    assert finding.measured == pytest.approx(1 - tested.table["figure"][0])
    assert finding.measured != pytest.approx(1 - replace(mixed, others=()).examine(final_test).table["figure"][0])


def test_the_student_stands_beside_nets_of_its_own_architecture(mixed: Experiment) -> None:
    alone = sum(one.history.validation_loss[one.history.best_epoch - 1] for one in train_members(mixed)[:2]) / 2
    assert f"The validation loss is {alone:.4f} for one net" in mixed.examine(distill).summary


def test_a_mixed_ensemble_is_exported_as_one_program(mixed: Experiment, tmp_path: Path) -> None:
    nets = [one.model(mixed) for one in train_members(mixed)]
    net = Ensemble(nets, None, {"task": "classification"}, temperature=1.0).eval()
    inputs = mixed.validation.batch(torch.arange(5))[0]

    assert len({type(one) for one in nets}) == 2
    program = load_program(write_program(net, inputs[:2], tmp_path))
    assert torch.allclose(program(inputs), net(inputs), atol=1e-5)
