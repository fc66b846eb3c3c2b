"""tune/schedule: decay schedules, counted in steps, against the constant rate."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, at_least, practice, skip
from recipe.settings.strict import Positive, Strict
from recipe.training.comparison import (
    Change,
    Comparison,
    best_of,
    compare_all,
    finding,
)
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training
from recipe.tuning.favourite import around_favourite, at_rate, can_be_scheduled
from recipe.tuning.search import best_at_the_rung, losses_at_the_rung

AT_HAND = "the schedule at hand"
SHAPES = {
    "a linear decay": Component("scheduler", "torch.optim.lr_scheduler.PolynomialLR"),
    "a cosine decay": Component("scheduler", "torch.optim.lr_scheduler.CosineAnnealingLR"),
    "one cycle": Component("scheduler", "recipe.schedules.one_cycle"),
    "a warm-up and a cosine decay": Component("scheduler", "recipe.schedules.warmup_cosine"),
}


class Settings(Strict):
    peaks: tuple[Positive, ...] = Field(min_length=1)
    go_on: int = Field(ge=1)


class Limits(Strict):
    min_gain: float


@practice("tune/schedule")
def schedule(exp: Experiment) -> Finding:
    """A learning rate that decays over the steps of the training is better than the constant one that was tuned.

    Linear, cosine (Loshchilov and Hutter 2017), one cycle (Smith and Topin 2019), and a warm-up before a cosine (Goyal
    et al. 2017), down to zero at the last step, however long the training is. The peak is a nuisance setting: a rate
    that decays may start higher, so for each the better of a few multiples of the present rate on a short training of
    one seed, after which the best shape goes on. All else is as the search's favourite has it, with seeds that it has
    not seen. What leads is a candidate of tune/confirm. Source: the recipe, 3, "do not trust learning rate decay
    defaults": now, and not before.
    """
    around = around_favourite(exp)
    if around.training.scheduler is not None:
        return skip("A schedule is on already.")
    if not can_be_scheduled(around):
        return skip(f"{around.training.optimizer.name} is no optimizer with an lr that torch's schedules could move.")
    compared = _compared(around)
    best = best_of(compared)
    own = [one for one in compared if one.name == _at_hand(around)]
    found = finding(
        around,
        compared,
        advice="The schedule at hand makes it worse: leave it out (scheduler=none), or count its steps anew.",
        requirements=tuple(at_least(one.gain.high, "min_gain", otherwise="warn") for one in own),
        remark=f" {_what_goes_on(best)} Of {len(SHAPES)} shapes the best after a short training went on, around the "
        f"search's favourite: {', '.join(_in_short(around, one) for one in compared)}. Scientific: the schedule; "
        "nuisance: its peak; fixed: all else.",
        control="the constant rate",
        expected="above 0 where a decay helps",
        more=lambda one: {"peak": _peak(around, one)},
    )
    return replace(found, figures={**found.figures, "rates": _rates(around, compared)})


@dataclass(frozen=True)
class Leading:
    """The schedule that leads, the optimizer at its peak, and that peak, times the constant rate."""

    scheduler: Component
    optimizer: Component
    peak: float


def leading_schedule(exp: Experiment) -> Leading | None:
    """The schedule that is best around the favourite; None where its loss is no lower than at the constant rate."""
    around = around_favourite(exp)
    if around.training.scheduler is not None or not can_be_scheduled(around):
        return None
    best = best_of(_compared(around))
    scheduler = best.training.scheduler
    if not _leads(best) or scheduler is None:
        return None
    return Leading(scheduler, best.training.optimizer, _peak(around, best))


def _compared(around: Experiment) -> list[Comparison]:
    own = {AT_HAND: around.scheduler} if around.scheduler and _at_hand(around) == AT_HAND else {}
    shapes = {**SHAPES, **own}
    rate = around.training.optimizer.default_of("lr")
    peaks = [factor * rate for factor in around.stages.tune.schedule.peaks]
    trainings = [
        [at_rate(around.training.having(scheduler=shape), peak) for peak in (peaks if name in SHAPES else [rate])]
        for name, shape in shapes.items()
    ]
    best = dict(zip(shapes, best_at_the_rung(around, trainings), strict=True))
    changes = [Change(name, functools.partial(_scheduled, best[name])) for name in _going_on(around, best)]
    return compare_all(around, changes)


def _going_on(around: Experiment, best: Mapping[str, Training]) -> list[str]:
    """The shapes that are the best at the rung, and the schedule at hand whatever it is there."""
    losses = dict(zip(best, losses_at_the_rung(around, list(best.values())), strict=True))
    few = sorted(SHAPES, key=losses.__getitem__)[: around.stages.tune.schedule.go_on]
    return [name for name in best if name in few or name == _at_hand(around)]


def _at_hand(around: Experiment) -> str:
    """What the schedule at hand is called: by its shape, where it is one of those that are tried anyway."""
    own = around.scheduler
    return next((name for name, shape in SHAPES.items() if own and own.does_as(shape)), AT_HAND)


def _scheduled(under: Training, training: Training) -> Training:
    return training.having(scheduler=under.scheduler, optimizer=under.optimizer)


def _leads(best: Comparison) -> bool:
    """Whether its mean loss is lower: that is enough, since most published work trains under a decay."""
    return best.gain.value > 0


def _peak(around: Experiment, one: Comparison) -> float:
    """Times the constant rate."""
    return float(one.training.optimizer.default_of("lr") / around.training.optimizer.default_of("lr"))


def _what_goes_on(best: Comparison) -> str:
    return "It is one of the candidates that are confirmed." if _leads(best) else "The rate stays constant."


def _in_short(around: Experiment, one: Comparison) -> str:
    return f"{one.name} from {_peak(around, one):g} times the rate ({one.answer})"


def _rates(around: Experiment, compared: Sequence[Comparison]) -> object:
    """The learning rate at every step of each."""
    constant = around.training.optimizer.default_of("lr")
    total = around.steps_of(around.training)
    lines = {one.name: _rate_curve(around, one.training) for one in compared}
    lines["the constant rate"] = drawing.Curve([0, total], [constant, constant])
    return drawing.curves(lines, "step", "learning rate", "The schedules")


def _rate_curve(around: Experiment, training: Training) -> drawing.Curve:
    """By torch's own schedule, which an optimizer of one weight is led through."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = training.optimizer.build([weight])
    scheduler = around.new_scheduler(optimizer, training)
    assert isinstance(optimizer, torch.optim.Optimizer) and scheduler is not None
    rates = []
    for _ in range(around.steps_of(training)):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return drawing.Curve(range(len(rates)), rates)
