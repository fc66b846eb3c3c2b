"""How long the stages will take on this machine, by timing a few steps of the net."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from recipe.training.cross_validation import in_part
from recipe.training.ensemble import PAIR
from recipe.training.experiment import Experiment, Training

WARM, MOST_STEPS, MOST_SECONDS = 2, 20, 0.5  # steps before the clock runs, and what is timed at most
EVALUATED = 0.4  # of a step's time: an example that is evaluated alone, against one that is trained on
# Seconds of a stage without its trainings, mostly imports and pictures: default run, two cores, 2026-11-30.
BESIDE = {"baseline": 5.0, "overfit": 3.0, "regularize": 4.0, "tune": 5.0, "squeeze": 5.0}
MEMORISING = 5  # trainings' worth of epochs that memorising took, in the mean of six image folders
CHANGES = {True: 16, False: 9}  # what regularize tries beside its control, of images and of tables
GOING_ON = 0.4  # of them, in the mean: the others lose with their first seed, clearly or to another way to do the same
PAST_TURN = 2.0  # times the budget's steps, of trainings that go on until the validation loss has turned
FAVOURITES = 2  # candidates of tune/confirm beside those that the settings count: the start, and one augmented
ARCHITECTURES, OPTIMIZERS, SCHEDULES = 4, 2, 4  # that tune compares; only of architectures the present one too
SEEN_THROUGH = 0.5  # of what is compared; the others clearly lose with their first seed


def expected_seconds(experiment: Experiment, workers: int, handed_over: bool = False) -> dict[str, float]:
    """By stage, about how many seconds it will take here with so many trainings side by side.

    Nothing where a step raises: what is wrong with it is for the practices to say.

    Args:
        handed_over: the training is as long as the stages after overfit have it; else that is not known yet.
    """
    try:
        step = seconds_per_step(experiment)
    except Exception:  # whatever the user's net, loss or optimizer raises
        return {}
    return seconds_by_stage(experiment, workers, step, handed_over)


def seconds_by_stage(experiment: Experiment, workers: int, step: float, handed_over: bool = False) -> dict[str, float]:
    """The same where a step takes `step` seconds."""
    whole = _seconds(experiment, experiment.training, step)
    compared = _seconds(in_part(experiment), experiment.training, step)
    longer = 1.0 if handed_over else PAST_TURN
    length = {
        "baseline": whole,
        "overfit": compared,
        "regularize": compared * longer,
        "tune": compared * longer,
        "squeeze": whole * longer,
    }
    return {
        stage: BESIDE[stage] + length[stage] * count / (1 if stage == "baseline" else workers)
        for stage, count in _trainings(experiment, workers).items()
    }


def seconds_of(experiment: Experiment, training: Training) -> float:
    """About how long one training takes here, by timing a few of its steps."""
    return _seconds(experiment, training, seconds_per_step(replace(experiment, training=training)))


def _seconds(experiment: Experiment, training: Training, step: float) -> float:
    """Of `training`, where a step takes `step` seconds; each epoch the validation split is evaluated too."""
    validated = training.epochs * len(experiment.validation) / training.batch_size
    return step * (experiment.steps_of(training) + EVALUATED * validated)


def _trainings(experiment: Experiment, workers: int) -> dict[str, float]:
    """By stage, how many trainings' worth of steps it takes; what has no other beside it counts for each worker."""
    budget, stages, folds = experiment.budget, experiment.stages, max(1, experiment.budget.folds or 1)
    pilot, search = stages.tune.random_over_grid, stages.tune.bayesian
    tried = 2 * pilot.side**2 * pilot.share * search.rung
    searched = budget.trials * (search.rung + 1 / search.reduction) + 1
    changes = CHANGES[experiment.gets_images]
    confirmed = budget.seeds * (stages.tune.confirm.candidates + FAVOURITES)
    return {
        "baseline": 3.0,
        "overfit": 3.0 * budget.seeds + MEMORISING,
        "regularize": folds * _compared(budget.controls, budget.seeds, changes, stages.regularize.more_data.shares),
        "tune": folds * (tried + searched + _compared_in_tune(experiment) + confirmed),
        "squeeze": _squeezed(experiment, workers),
    }


def _compared(controls: int, seeds: int, changes: int, shares: Sequence[float]) -> float:
    """The control, what is tried beside it, and parts of the data, which are seen more often."""
    return controls * seeds + changes * (1 + GOING_ON * (seeds - 1)) + seeds * sum(map(math.sqrt, shares))


def _squeezed(experiment: Experiment, workers: int) -> float:
    """The members beside one that goes far past their length, then the student beside the error budget's nets.

    Those are two of each half, seen more often, and a wider one.
    """
    settings, members = experiment.stages.squeeze, experiment.budget.members
    usual, long = settings.ensemble.epochs_factor, settings.extended.factor
    default = experiment.training.model.name in experiment.stages.tune.architecture.replaced or experiment.others
    other = bool(settings.ensemble.other_architecture and members > 1 and default)
    trained = (members + other) * usual
    if experiment.long_members:  # of which another architecture rarely is one
        trained = members * long + (min(members, PAIR) + other) * usual
    elif long > usual:
        trained = max(trained + long, workers * long)
    length = long if experiment.long_members else usual
    student = length * (1 + EVALUATED * members * (experiment.augment is not None)) if members > 1 else 0.0
    budget = usual * (2 * math.sqrt(2) + settings.error_budget.width**2)
    return trained + max(student + budget, workers * student)


def _compared_in_tune(experiment: Experiment) -> float:
    """Architectures, optimizers and schedules: short trainings for the rates, then all seeds of those that may win."""
    tune, seeds = experiment.stages.tune, experiment.budget.seeds
    each = SEEN_THROUGH * seeds + (1 - SEEN_THROUGH)
    architectures = ARCHITECTURES * (len(tune.architecture.rates) * tune.bayesian.rung + each) + seeds
    rates = len(tune.optimizer.adam) + len(tune.optimizer.sgd) + SCHEDULES * len(tune.schedule.peaks)
    changes = min(OPTIMIZERS, tune.optimizer.go_on) + min(SCHEDULES, tune.schedule.go_on)
    return float(architectures * tune.architecture.share + rates * tune.bayesian.rung + changes * each)


def seconds_per_step(experiment: Experiment) -> float:
    """The time of a step of the loop, on the experiment's device; nothing that is trained here is kept."""
    device, training = experiment.device, experiment.training
    model = experiment.new_model()
    optimizer = experiment.new_optimizer(model)
    placed, placed_optimizer, backward = device.place(model, optimizer)
    few = experiment.train.head(max(2, training.batch_size)).to(device.torch)
    index = torch.arange(len(few), device=few.device)
    placed.train()

    def step() -> float:
        began = time.perf_counter()
        inputs, targets = few.batch(index)
        placed_optimizer.zero_grad()
        loss = experiment.objective(placed(inputs), targets)
        loss.backward() if backward is None else backward(loss)
        placed_optimizer.step()
        loss.item()  # an accelerator is waited for
        return time.perf_counter() - began

    warm = sum(step() for _ in range(WARM))
    count = max(1, min(MOST_STEPS, math.floor(MOST_SECONDS * WARM / max(warm, 1e-9))))
    return sorted(step() for _ in range(count))[count // 2]
