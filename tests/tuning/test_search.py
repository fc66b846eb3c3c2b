import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recipe.executors.loky import Processes
from recipe.models import Linear, Mlp
from recipe.settings import Stages
from recipe.settings.tune import Range, Space
from recipe.training.components import Component
from recipe.training.experiment import Budget, Experiment, make_experiment
from recipe.training.fit import MEMORY, fit_all
from recipe.tuning.pilot import losses_of_the_search, pilot, search_from_pilot
from recipe.tuning.search import Trial, mean_loss, new_seeds, rungs, search
from recipe.tuning.space import space_of

SGD = Component("optimizer", torch.optim.SGD, {"lr": 0.1})


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Each test trains for itself, and the trainings of other tests are left as they were."""
    before = dict(MEMORY)
    MEMORY.clear()
    yield
    MEMORY.clear()
    MEMORY.update(before)


@pytest.fixture
def table(breast_cancer: tuple[Tensor, Tensor]) -> Experiment:
    """A small MLP on breast_cancer that searches ten times."""
    rows, labels = breast_cancer
    made = make_experiment(Mlp, (rows[:300], labels[:300]), (rows[300:], labels[300:]), epochs=4)
    return replace(made, budget=Budget(trials=10))


def figures(trials: list[Trial]) -> list[tuple[object, object]]:
    return [(dict(trial.point), dict(trial.losses)) for trial in trials]


def test_trial_0_is_the_start_itself_and_goes_to_the_end(table: Experiment) -> None:
    first = search(table)[0]

    assert first.training == table.training
    assert first.finished


def test_the_best_is_never_worse_than_the_start_and_the_worse_of_a_batch_are_stopped_early(table: Experiment) -> None:
    trials = search(table)

    assert len(trials) == 10
    assert min(trial.loss for trial in trials if trial.finished) <= trials[0].loss
    assert any(not trial.finished for trial in trials)
    assert all(set(trial.losses) <= set(rungs(table)) for trial in trials)
    first = rungs(table)[0]
    for batch in (trials[:4], trials[4:8], trials[8:]):
        best = min(batch, key=lambda trial: trial.losses[first])
        assert best.finished


def test_every_trial_has_its_own_seed_and_confirming_has_others(table: Experiment) -> None:
    searched = {trial.training.seed for trial in search(table)}

    assert len(searched) == 10
    assert searched.isdisjoint({training.seed for training in new_seeds(table, table.training)})


def test_two_workers_find_what_one_finds(table: Experiment) -> None:
    alone = figures(search(table))
    MEMORY.clear()

    assert figures(search(replace(table, executor=Processes(2), fingerprint="side by side"))) == alone


def test_a_search_that_was_killed_ends_as_if_it_had_not_been(table: Experiment, tmp_path: Path) -> None:
    kept = replace(table, folder=str(tmp_path / "trainings"))
    undisturbed = figures(search(kept))
    every_training = set(MEMORY)
    finished = sorted((tmp_path / "trainings").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for path in finished[len(finished) // 2 :]:
        path.unlink()
    MEMORY.clear()

    assert figures(search(kept)) == undisturbed
    assert set(MEMORY) == every_training


def test_finished_trials_are_read_and_not_trained_again(
    table: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = replace(table, folder=str(tmp_path / "trainings"))
    undisturbed, every_training = figures(search(kept)), set(MEMORY)
    MEMORY.clear()
    monkeypatch.setattr("recipe.training.fit.fit", lambda *_: pytest.fail("a training was carried out again"))

    assert figures(search(kept)) == undisturbed
    assert set(MEMORY) == every_training


def test_a_trial_that_diverges_does_not_stop_the_search(diabetes: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    rows, targets = diabetes
    wild = Space(optimizer={"lr": Range(times=(1, 1e30))}, model={}, training={}, augment={})
    made = make_experiment(Linear, (rows[:300], targets[:300]), (rows[300:], targets[300:]), optimizer=SGD, epochs=4)
    made = replace(
        made, budget=Budget(trials=8), stages=Stages.default(tune={"space": wild}), folder=str(tmp_path / "trainings")
    )

    trials = search(made)

    assert any(math.isinf(trial.loss) for trial in trials)
    assert math.isfinite(trials[0].loss)
    assert figures(search(made)) == figures(trials)


def test_what_the_parts_do_not_declare_is_left_out_by_name(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(Linear, (rows[:300], targets[:300]), (rows[300:], targets[300:]))

    space = space_of(made)

    assert [axis.name for axis in space.axes] == ["optimizer.lr", "optimizer.weight_decay", "batch_size"]
    assert space.left_out == (
        "model.dropout (recipe.models.Linear does not declare it)",
        "model.width (recipe.models.Linear does not declare it)",
    )


def test_a_setting_of_ones_own_is_searched_among_its_choices(table: Experiment) -> None:
    own = Space(optimizer={}, training={}, model={"depth": Range(choices=(1, 2, 3))}, augment={})

    trials = search(replace(table, stages=Stages.default(tune={"space": own})))

    depths = {trial.training.model.settings.get("depth", 2) for trial in trials}
    assert depths <= {1, 2, 3}
    assert len(depths) > 1


def test_weight_decay_is_decoupled_where_the_optimizer_can(table: Experiment) -> None:
    space = space_of(table)

    training = space.training({"optimizer.weight_decay": 0.1}, number=1)

    assert training.optimizer.settings["decoupled_weight_decay"] is True
    assert training.optimizer.settings["weight_decay"] == 0.1


def test_a_start_outside_the_ranges_lies_at_their_nearest_place(table: Experiment) -> None:
    space = space_of(table)

    assert space.point(space.start)["optimizer.weight_decay"] == 0.001
    assert space.point(space.start)["optimizer.lr"] == 3e-4
    assert space.point(table.training.having(batch_size=1000))["batch_size"] == 128


def test_numbers_stay_whole_and_logarithmic_axes_are_even_in_the_logarithm(table: Experiment) -> None:
    axes = {axis.name: axis for axis in space_of(table).axes}

    assert [axes["batch_size"].at(share) for share in (0, 0.5, 1)] == [32, 64, 128]
    assert axes["optimizer.lr"].at(0.5) == pytest.approx(3e-4 * math.sqrt(0.3 * 20))
    assert axes["model.dropout"].at(0.5) == 0.25


def test_adams_other_settings_are_searched_only_where_there_are_trials_enough(table: Experiment) -> None:
    many = space_of(replace(table, budget=Budget(trials=25)))

    assert {axis.name for axis in many.axes} - {axis.name for axis in space_of(table).axes} == {
        "optimizer.beta1",
        "optimizer.beta2",
        "optimizer.eps",
    }
    assert many.point(many.start)["optimizer.beta1"] == 0.9
    training = many.training({"optimizer.beta1": 0.8, "optimizer.eps": 1e-5}, number=1)
    assert training.optimizer.settings["betas"] == [0.8, 0.999]
    optimizer = table.new_optimizer(table.new_model(training=training), training)
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.defaults["eps"] == 1e-5
    assert many.settings(training)["optimizer.beta1"] == 0.8
    by_sgd = many.settings(training.having(optimizer=SGD))
    assert by_sgd["optimizer.beta1"] is None and by_sgd["optimizer.lr"] == 0.1


def test_the_first_trials_leave_no_gap_as_chance_would(table: Experiment) -> None:
    rate = Space(optimizer={"lr": Range(times=(0.1, 10))}, model={}, training={}, augment={})
    only = replace(table, stages=Stages.default(tune={"space": rate}), budget=Budget(trials=4))
    [axis] = space_of(only).axes

    shares = [axis.share_of(trial.point[axis.name]) for trial in search(only)[1:]]

    assert len({int(share * 4) for share in shares}) == 3  # of the quarters; the start has no say in it


def test_the_search_begins_with_the_best_random_trials(table: Experiment) -> None:
    tried = pilot(table)
    assert tried is not None
    best = min(tried.random, key=lambda trial: trial.loss)

    trials = search_from_pilot(table)

    assert trials[1].point["optimizer.lr"] == best.point["optimizer.lr"]
    assert trials[1].point["batch_size"] == best.point["batch_size"]


def test_the_loss_of_a_training_is_that_of_an_epoch_chosen_on_other_examples(table: Experiment) -> None:
    [run] = fit_all(table, [table.training.having(epochs=30)])

    assert mean_loss(run) >= min(run.history.validation_loss)
    assert mean_loss(run) == pytest.approx(min(run.history.validation_loss), rel=0.2)


def test_a_batch_of_one_and_a_single_rung_are_a_plain_search(table: Experiment) -> None:
    plain = {"bayesian": {"batch": 1, "rung": 1}}

    trials = search(replace(table, stages=Stages.default(tune=plain), budget=Budget(trials=5)))

    assert all(trial.finished for trial in trials)


def test_what_the_trials_came_to_is_told_of_the_first_rung_and_of_nothing_where_nothing_is_searched(
    table: Experiment,
) -> None:
    first = rungs(table)[0]
    assert losses_of_the_search(table) == [trial.losses[first] for trial in search_from_pilot(table)]
    nothing = Stages.default(tune={"space": {"optimizer": {}, "training": {}, "model": {}, "augment": {}}})
    assert losses_of_the_search(replace(table, stages=nothing)) == []
