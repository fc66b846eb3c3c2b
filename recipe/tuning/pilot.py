"""Cheap trials on two axes before the search: some drawn at random, as many on a grid."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from recipe.training.experiment import Experiment, Training
from recipe.training.fit import fit_all
from recipe.tuning.search import Trial, mean_loss, rungs, search
from recipe.tuning.space import Axis, Point, Space, space_of


@dataclass(frozen=True)
class PilotTrial:
    """One cheap trial: where it lies on the two axes, what it trained, and its validation loss."""

    point: Point
    training: Training
    loss: float


@dataclass(frozen=True)
class Pilot:
    """The trials of both kinds, equally many, on the axes `x` and `y`; each in the order in which it was made."""

    space: Space
    x: Axis
    y: Axis
    random: tuple[PilotTrial, ...]
    grid: tuple[PilotTrial, ...]

    def best_random(self, count: int) -> list[Point]:
        """The places of the best of the random trials, on every axis of the space."""
        best = sorted(self.random, key=lambda trial: trial.loss)[:count]
        return [self.whole(trial) for trial in best]

    def whole(self, trial: PilotTrial) -> Point:
        """Where `trial` lies on every axis of the space: on the others it is where the start is."""
        return {**self.space.point(self.space.start), **trial.point}


def pilot(experiment: Experiment) -> Pilot | None:
    """The pilot trials, on part of the training examples and up to the search's first rung; None without two axes.

    The grid's values are the middles of equal parts of each axis, so that neither kind has the ends to itself.
    """
    space = space_of(experiment)
    axes = pilot_axes(experiment, space)
    if axes is None:
        return None
    x, y = axes
    side = experiment.stages.tune.random_over_grid.side
    draw = random.Random(experiment.training.seed)
    scattered = [(draw.random(), draw.random()) for _ in range(side**2)]
    middles = [(part + 0.5) / side for part in range(side)]
    squared = [(across, up) for across in middles for up in middles]
    shares = [*scattered, *squared]
    points: list[Point] = [{x.name: x.at(across), y.name: y.at(up)} for across, up in shares]
    trials = _carry_out(experiment, space, points)
    return Pilot(space, x, y, tuple(trials[: side**2]), tuple(trials[side**2 :]))


def search_from_pilot(experiment: Experiment) -> list[Trial]:
    """The search's trials; after the start it tries the best of the random pilot trials, so that none was in vain."""
    tried = pilot(experiment)
    return search(experiment, tried.best_random(experiment.stages.tune.bayesian.warm) if tried else [])


def losses_of_the_search(experiment: Experiment) -> list[float]:
    """The validation loss of each trial of the search at its first rung, as far as it is finite; none without axes."""
    if not space_of(experiment).axes:
        return []
    first = rungs(experiment)[0]
    losses = (trial.losses[first] for trial in search_from_pilot(experiment))
    return [loss for loss in losses if math.isfinite(loss)]


def pilot_axes(experiment: Experiment, space: Space) -> tuple[Axis, Axis] | None:
    """The two axes that the settings name, where they are searched; else the first that hold numbers."""
    numeric = {axis.name: axis for axis in space.axes if not axis.choices}
    named = [numeric[name] for name in experiment.stages.tune.random_over_grid.axes if name in numeric]
    others = [axis for axis in numeric.values() if axis not in named]
    chosen = [*named, *others][:2]
    return (chosen[0], chosen[1]) if len(chosen) == 2 else None


def _carry_out(experiment: Experiment, space: Space, points: Sequence[Point]) -> list[PilotTrial]:
    settings = experiment.stages.tune.random_over_grid
    trainings = [
        space.training(point, number).having(epochs=rungs(experiment)[0], share=settings.share)
        for number, point in enumerate(points, 1)
    ]
    runs = fit_all(experiment, trainings)
    return [PilotTrial(point, run.training, mean_loss(run)) for point, run in zip(points, runs, strict=True)]
