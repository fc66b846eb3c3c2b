"""What a search may change about a training: one axis for each setting, and the space that they span."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from recipe.settings.tune import Range
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str
Point = Mapping[str, Value]  # an axis's name to its value

MARGIN = 0.05  # of an axis, drawn beyond either end
BETAS = {"beta1": 0, "beta2": 1}  # of the setting `betas`, which Adam has for both


@dataclass(frozen=True)
class Axis:
    """One setting that is searched: `role` is the part of the training that declares it.

    A number lies between `low` and `high`, ends included; where there are `choices`, the value is one of them.
    """

    role: str
    setting: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def name(self) -> str:
        """As tables and pictures call it."""
        return self.setting if self.role == "training" else f"{self.role}.{self.setting}"

    def at(self, share: float) -> int | float:
        """The value at `share`, 0 to 1, of the way from low to high."""
        return round(self.between(share)) if self.integer else self.between(share)

    def of_share(self, share: float) -> Value:
        """The same, or the choice that lies there."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        return self.at(share)

    def share_of(self, value: Value) -> float:
        """How far along the axis `value` lies, 0 at its low end to 1 at its high one; of choices, by their place."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        if self.log:
            return math.log(float(value) / self.low) / math.log(self.high / self.low)
        return (float(value) - self.low) / (self.high - self.low)

    def between(self, share: float) -> float:
        """The same, whole or not."""
        if self.log:
            return self.low * (self.high / self.low) ** share
        return self.low + share * (self.high - self.low)

    def nearest(self, value: Value) -> Value:
        """`value`, or what is nearest to it of what the axis holds."""
        if self.choices:
            return value if value in self.choices else self.choices[0]
        inside = min(max(float(value), self.low), self.high)
        return round(inside) if self.integer else inside

    def distribution(self) -> BaseDistribution:
        """The axis as Optuna takes it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.integer:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Space:
    """What is searched, around `start`; `left_out` says in words which settings could not be."""

    start: Training
    axes: tuple[Axis, ...]
    left_out: tuple[str, ...]

    def point(self, training: Training) -> Point:
        """Where `training` lies; outside the ranges, the nearest place inside."""
        return {axis.name: axis.nearest(_current(training, axis.role, axis.setting)) for axis in self.axes}

    def settings(self, training: Training) -> Mapping[str, Value | None]:
        """What `training` has for each axis, whether inside its range or, as the start may be, outside.

        None where the part that it has does not declare it, as another optimizer may not.
        """
        return {axis.name: _current(training, axis.role, axis.setting) for axis in self.axes}

    def training(self, point: Point, number: int) -> Training:
        """The start with the values of `point`, and with the seed of trial `number`."""
        training = self.start.having(seed=self.start.seed + number)
        for axis in self.axes:
            if axis.name in point:
                training = _with(training, axis, point[axis.name])
        return training


def space_of(experiment: Experiment) -> Space:
    """The settings that are searched, around the experiment's own training.

    Which epoch is kept changes nothing on the way, so what is trained is the whole way, as in every comparison: the
    start has been trained before.
    """
    start = experiment.training.having(keep_best=False)
    axes, left_out = [], []
    for role, ranges in _declared_ranges(experiment):
        for setting, limits in ranges.items():
            axis = _axis(start, role, setting, limits)
            if isinstance(axis, Axis):
                axes.append(axis)
            else:
                left_out.append(axis)
    return Space(start, tuple(axes), tuple(left_out))


def draw_scale(chart: Axes, axis: Axis, along: Literal["x", "y"] = "x") -> None:
    """Give one side of `chart` the range of `axis`, marked at its ends and in the middle."""
    from matplotlib.ticker import NullLocator

    if axis.choices:
        return
    side = chart.xaxis if along == "x" else chart.yaxis
    set_scale, set_limits = (chart.set_xscale, chart.set_xlim) if along == "x" else (chart.set_yscale, chart.set_ylim)
    set_scale("log" if axis.log else "linear")
    set_limits(axis.between(-MARGIN), axis.between(1 + MARGIN))
    marks = [axis.at(share) for share in (0, 0.5, 1)]
    side.set_minor_locator(NullLocator())
    names = [f"{mark:.2g}" if isinstance(mark, float) else str(mark) for mark in marks]
    side.set_ticks([float(mark) for mark in marks], names)


def _declared_ranges(experiment: Experiment) -> list[tuple[str, Mapping[Any, Range]]]:
    space, more = experiment.stages.tune.space, experiment.stages.tune.with_many_trials
    declared = [(role, getattr(space, role)) for role in ("optimizer", "training", "model", "augment")]
    return [*declared, *([("optimizer", more.optimizer)] if experiment.budget.trials >= more.trials else [])]


def _axis(start: Training, role: str, setting: str, limits: Range) -> Axis | str:
    """The axis of one setting, or why there is none."""
    if role != "training":
        part: Component | None = getattr(start, role)
        if part is None:
            return f"{role}.{setting} (no {role} is used)"
        if not _declares(part, setting):
            return f"{role}.{setting} ({part.name} does not declare it)"
    current = _current(start, role, setting)
    if limits.choices:
        return Axis(role, setting, choices=limits.choices)
    if isinstance(current, bool) or not isinstance(current, int | float) or (limits.times and current <= 0):
        return f"{role}.{setting} ({current} is no number to search around)"
    integer = isinstance(current, int)
    if limits.times:
        low, high, log = current * limits.times[0], current * limits.times[1], True
    else:
        low, high, log = float(limits.low or 0), float(limits.high or 0), limits.log
        integer = integer and low.is_integer() and high.is_integer()
    if integer:
        low, high = max(1, round(low)) if log else round(low), round(high)
    if low >= high:
        return f"{role}.{setting} (only {low:g} is in its range)"
    return Axis(role, setting, low, high, log, integer)


def _current(training: Training, role: str, setting: str) -> Any:
    if role == "training":
        return getattr(training, setting)
    part: Component = getattr(training, role)
    if not _declares(part, setting):
        return None
    return part.default_of("betas")[BETAS[setting]] if _is_beta(part, setting) else part.default_of(setting)


def _declares(part: Component, setting: str) -> bool:
    return part.declares(setting) or _is_beta(part, setting)


def _is_beta(part: Component, setting: str) -> bool:
    return setting in BETAS and not part.declares(setting) and part.declares("betas")


def _with(training: Training, axis: Axis, value: Value) -> Training:
    if axis.role == "training":
        return training.having(**{axis.setting: value})
    part: Component = getattr(training, axis.role)
    if _is_beta(part, axis.setting):
        betas = list(part.default_of("betas"))
        betas[BETAS[axis.setting]] = value
        return training.having(**{axis.role: part.having(betas=betas)})
    part = part.having(**{axis.setting: value})
    if axis.setting == "weight_decay" and part.declares("decoupled_weight_decay"):
        part = part.having(decoupled_weight_decay=True)  # Loshchilov and Hutter 2019: Adam's own decay hardly decays
    return training.having(**{axis.role: part})
