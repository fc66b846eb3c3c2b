"""A member is left training: what that bought, and whether to go on."""

from dataclasses import replace

import pytest
from torch import Tensor

from recipe.error_budget.length import as_long_as_it_pays
from recipe.models import Cnn, Mlp
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.extended import extended
from recipe.statistics.trend import falls
from recipe.training.components import Component
from recipe.training.ensemble import ensemble_trainings, extended_training
from recipe.training.experiment import Budget, Experiment, make_experiment
from recipe.training.fit import fit

FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3, "fused": True})


@pytest.fixture
def experiment(digits: tuple[Tensor, Tensor]) -> Experiment:
    """Digits, and members that have hardly begun when they end."""
    images, labels = digits
    made = make_experiment(
        Cnn, (images[:900], labels[:900]), (images[900:1500], labels[900:1500]), optimizer=FAST, epochs=1
    )
    return replace(made, budget=Budget(members=1))


@pytest.fixture
def memorised(digits: tuple[Tensor, Tensor]) -> Experiment:
    """A hundred digits, which a member has memorised long before its end."""
    images, labels = digits
    made = make_experiment(Mlp, (images[:100], labels[:100]), (images[900:], labels[900:]), optimizer=FAST, epochs=60)
    return replace(made, budget=Budget(members=1))


@pytest.mark.fault("squeeze/extended", "warn: members that end while they still learn")
def test_a_length_that_ends_while_the_member_still_learns_is_warned_of(experiment: Experiment) -> None:
    finding = experiment.examine(extended)
    assert finding.verdict == "warn"
    assert finding.interval is not None and finding.interval[0] > 0
    assert "for 3 epochs in place of 2" in finding.summary
    assert "set budget.epochs=2" in finding.advice
    assert "All members are trained as long." in finding.summary


def test_members_are_trained_as_long_where_that_surely_pays(experiment: Experiment) -> None:
    longer = as_long_as_it_pays(experiment)
    assert [one.epochs for one in ensemble_trainings(experiment)] == [2]
    assert [one.epochs for one in ensemble_trainings(longer)] == [3]
    assert extended_training(longer) is None


def test_the_one_that_was_left_training_is_the_first_of_the_long_members(experiment: Experiment) -> None:
    assert ensemble_trainings(as_long_as_it_pays(experiment))[0] == extended_training(experiment)


def test_members_keep_their_length_where_going_on_gains_nothing(memorised: Experiment) -> None:
    assert as_long_as_it_pays(memorised) == memorised


def test_a_long_training_that_diverges_makes_no_member_longer(experiment: Experiment) -> None:
    wild = experiment.training.having(optimizer=FAST.having(lr=1e38))
    diverging = replace(experiment, training=wild)
    assert as_long_as_it_pays(diverging) == diverging


def test_a_member_that_has_learnt_all_it_can_is_left_alone_and_ended_early(memorised: Experiment) -> None:
    finding = memorised.examine(extended)
    assert finding.verdict == "pass"
    assert "without a lower one it was ended: do not go on" in finding.summary


def test_members_stand_beside_one_that_was_ended_before_it_had_trained_as_long(memorised: Experiment) -> None:
    finding = replace(memorised, budget=Budget(members=2)).examine(ensemble)
    assert "was to train as long as all 2, 180 epochs, and was ended after" in finding.summary


def test_going_on_from_the_same_seed_passes_through_the_usual_length(experiment: Experiment) -> None:
    usual, longer = ensemble_trainings(experiment)[0], extended_training(experiment)
    assert longer is not None
    first, whole = fit(experiment, usual).history, fit(experiment, longer).history
    assert whole.validation_loss[: usual.epochs] == first.validation_loss
    assert len(whole.validation_loss) == longer.epochs == 3


def test_a_factor_that_makes_nothing_longer_is_skipped(experiment: Experiment) -> None:
    stages = experiment.stages
    squeeze = stages.squeeze.model_copy(update={"extended": stages.squeeze.extended.model_copy(update={"factor": 2.0})})
    finding = replace(experiment, stages=stages.model_copy(update={"squeeze": squeeze})).examine(extended)
    assert finding.verdict == "skip" and "raise stages.squeeze.extended.factor" in finding.summary


def test_a_regression_is_left_training_too(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(Mlp, (rows[:300], targets[:300]), (rows[300:], targets[300:]), optimizer=FAST, epochs=20)
    finding = made.examine(extended)
    assert finding.verdict == "pass"
    assert "R2 from" in finding.summary


def test_a_trend_is_told_from_noise() -> None:
    assert falls([4.0, 3.0, 2.0, 1.0])
    assert falls([1.0, 0.9, 0.92, 0.8, 0.7, 0.72, 0.6])
    assert not falls([3.0, 2.0, 1.0])  # too few to tell
    assert not falls([1.0, 0.9, 1.1, 0.95, 1.0, 1.05])
    assert not falls([1.0, 2.0, 3.0, 4.0, 5.0])
