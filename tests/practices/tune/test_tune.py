"""The tune stage on real tables: what its practices say, and that tuning never ends below its start."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recipe.models import Mlp
from recipe.practices.tune.bayesian import bayesian
from recipe.practices.tune.confirm import chosen, confirm
from recipe.practices.tune.importance import importance
from recipe.practices.tune.random_over_grid import random_over_grid
from recipe.settings import Stages
from recipe.settings.tune import Range, Space
from recipe.training.components import Component
from recipe.training.experiment import Budget, Experiment, Training, make_experiment
from recipe.training.fit import fit_all
from recipe.tuning.search import new_seeds, validation_losses

NOTHING = Space(optimizer={}, training={}, model={}, augment={})


@pytest.fixture(scope="module")
def slow_start(breast_cancer: tuple[Tensor, Tensor]) -> Experiment:
    """An MLP whose learning rate is far too low for its few epochs; shared, so that its trainings are."""
    rows, labels = breast_cancer
    made = make_experiment(Mlp, (rows[:350], labels[:350]), (rows[350:], labels[350:]), epochs=4)
    return replace(made, budget=Budget(trials=8))


@pytest.fixture(scope="module")
def worse_trials(breast_cancer: tuple[Tensor, Tensor]) -> Experiment:
    """An MLP with a good learning rate, beside which only lower ones are tried, and trained to the end."""
    rows, labels = breast_cancer
    good = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3})
    made = make_experiment(Mlp, (rows[:350], labels[:350]), (rows[350:], labels[350:]), optimizer=good, epochs=8)
    worse = Space(optimizer={"lr": Range(times=(1e-4, 1e-3))}, training={}, model={}, augment={})
    trained_anyway = {"space": worse, "bayesian": {"reduction": 1.5}}
    return replace(made, budget=Budget(trials=4), stages=Stages.default(tune=trained_anyway))


def searching(experiment: Experiment, space: Space) -> Experiment:
    return replace(experiment, stages=Stages.default(tune={"space": space}))


def test_random_search_and_a_grid_get_equally_many_trials(slow_start: Experiment) -> None:
    finding = slow_start.examine(random_over_grid)

    kinds = finding.table.groupby("kind")
    assert kinds.size().to_dict() == {"grid": 9, "random": 9}
    assert kinds["optimizer.lr"].nunique().to_dict() == {"grid": 3, "random": 9}
    assert finding.interval is not None and finding.interval[0] <= finding.measured <= finding.interval[1]
    assert set(finding.figures) == {"tried", "best_so_far"}


def test_one_number_to_search_is_no_picture_and_says_so(slow_start: Experiment) -> None:
    finding = searching(slow_start, NOTHING.model_copy(update={"optimizer": {"lr": Range(times=(0.1, 10))}}))

    assert finding.examine(random_over_grid).verdict == "skip"
    assert finding.examine(bayesian).verdict == "pass"


def test_the_search_finds_a_better_rate_than_one_that_is_too_low(slow_start: Experiment) -> None:
    finding = slow_start.examine(bayesian)

    assert finding.verdict == "pass"
    assert finding.interval is not None
    assert finding.interval[0] > 0
    best = finding.table.iloc[0]
    assert best["optimizer.lr"] > 2 * 3e-4
    assert finding.table["trial"].tolist() != sorted(finding.table["trial"])
    assert set(finding.figures) == {"history", "slices"}
    assert "Of 7 other trials" in finding.summary


def test_how_the_curve_of_the_best_ends_is_told(slow_start: Experiment) -> None:
    def with_rates(low: float, high: float) -> str:
        rates = Space(optimizer={"lr": Range(times=(low, high))}, training={}, model={}, augment={})
        return searching(slow_start, rates).examine(bayesian).summary

    assert "lowest after epoch 4 of 4, still improving at its end: more epochs may help" in with_rates(0.9, 1.1)
    assert "which a decay of the rate would calm" in with_rates(200, 400)


def test_the_rate_matters_more_than_the_decay(slow_start: Experiment) -> None:
    finding = slow_start.examine(importance)

    assert finding.table["setting"].iloc[0] == "optimizer.lr"
    assert finding.table["share"].sum() == pytest.approx(1)
    assert (finding.table["share_low"] <= finding.table["share_high"]).all()


def test_the_rate_matters_more_than_the_decay_under_a_loss_below_zero_too(slow_start: Experiment) -> None:
    def shifted(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets) - 5

    below = slow_start.variant("below zero", objective=replace(slow_start.objective, loss=shifted))
    assert below.examine(importance).table["setting"].iloc[0] == "optimizer.lr"


def test_too_few_trials_say_nothing_of_importance(slow_start: Experiment) -> None:
    finding = replace(slow_start, stages=Stages.default(tune={"importance": {"min_trials": 100}})).examine(importance)

    assert finding.verdict == "skip"
    assert "26 trials are too few" in finding.summary


def test_what_is_chosen_is_no_worse_than_the_start_over_new_seeds(slow_start: Experiment) -> None:
    finding = slow_start.examine(confirm)
    training = chosen(slow_start)

    def confirmed(trainings: list[Training]) -> float:
        return torch.stack([validation_losses(run) for run in fit_all(slow_start, trainings)]).mean().item()

    assert training.seed == slow_start.training.seed
    assert training.keep_best
    again = new_seeds(slow_start, training.having(keep_best=False))
    assert confirmed(again) <= confirmed(new_seeds(slow_start, slow_start.training))
    assert confirmed(again) == pytest.approx(finding.table["confirmed_loss"].min())
    assert finding.table["chosen"].sum() == 1
    assert finding.table["confirmed_loss"].is_monotonic_increasing
    assert (finding.table["seeds"] == slow_start.budget.seeds).all()
    assert (finding.verdict, finding.answer) == ("pass", "holds")
    assert "where the best was not chosen it gains" in finding.summary
    assert "between seeds of the start" in finding.summary
    assert finding.interval is not None and finding.interval[0] > 0


def test_the_tables_say_what_was_trained_and_not_the_nearest_that_was_searched(slow_start: Experiment) -> None:
    assert slow_start.training.optimizer.default_of("weight_decay") == 0  # outside the range of the search
    for practice, start in ((bayesian, 0), (confirm, 0)):
        table = slow_start.examine(practice).table.set_index("trial")
        assert table["optimizer.weight_decay"][start] == 0


@pytest.mark.fault("tune/confirm", "warn: trained again, the best of the search is not better than the start")
def test_a_start_that_nothing_beats_is_kept(worse_trials: Experiment) -> None:
    usual = searching(worse_trials, worse_trials.stages.tune.space)
    assert chosen(usual).optimizer.settings["lr"] >= 3e-3
    finding = worse_trials.examine(confirm)
    assert finding.verdict == "warn"
    assert finding.answer == "refuted"
    assert finding.measured is not None and finding.measured < 0
    assert "the best trial beside the start, trial" in finding.summary
    assert not finding.table.set_index("trial").loc[1:, "chosen"].any()


def test_a_trial_that_gains_nothing_with_its_first_new_seed_gets_no_others(worse_trials: Experiment) -> None:
    finding = worse_trials.examine(confirm)
    assert finding.table["seeds"].tolist() == [worse_trials.budget.seeds, 1]
    assert "With its first new seed, which gains nothing and so gets no others, the best trial" in finding.summary
    assert finding.interval is not None and finding.interval[1] < 0


def test_a_model_with_nothing_to_search_skips_and_keeps_its_training(slow_start: Experiment) -> None:
    bare = searching(slow_start, NOTHING)

    assert [bare.examine(one).verdict for one in (random_over_grid, bayesian, importance)] == ["skip"] * 3
    assert chosen(bare).having(optimizer=bare.training.optimizer, scheduler=None) == bare.training.having(
        keep_best=True
    )


@pytest.mark.fault("tune/bayesian", "warn: most trials diverge")
def test_most_trials_diverging_is_a_warning(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(
        Mlp,
        (rows[:300], targets[:300]),
        (rows[300:], targets[300:]),
        optimizer=Component("optimizer", "torch.optim.SGD", {"lr": 0.1}),
        epochs=4,
    )
    wild = Space(optimizer={"lr": Range(times=(1e6, 1e9))}, training={}, model={}, augment={})

    finding = searching(replace(made, budget=Budget(trials=6)), wild).examine(bayesian)

    assert finding.verdict == "warn"
    assert finding.table["trial"].iloc[0] == 0  # the start


@pytest.mark.parametrize("rate", [0.1, 1e9], ids=["beside a sound start", "as the start does"])
def test_trials_that_diverge_after_epochs_of_finite_losses_count_as_diverged(
    diabetes: tuple[Tensor, Tensor], rate: float
) -> None:
    rows, _ = diabetes
    sums = rows @ torch.linspace(-1, 1, rows.shape[1])[:, None]  # told by a linear model, so that a rate of 1 blows up
    start = Component("optimizer", "torch.optim.SGD", {"lr": rate})
    made = make_experiment(Mlp, (rows[:300], sums[:300]), (rows[300:], sums[300:]), optimizer=start, epochs=8)
    high = Space(optimizer={"lr": Range(low=1.0, high=10.0, log=True)}, training={}, model={}, augment={})
    finding = searching(replace(made, budget=Budget(trials=6)), high).examine(bayesian)
    assert finding.verdict == "warn"
    assert not np.isfinite(finding.table.set_index("trial")["loss"].drop(0)).any()
