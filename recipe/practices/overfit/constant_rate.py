"""overfit/constant_rate: no decay schedule before its time."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch.optim.lr_scheduler import LRScheduler

from recipe import drawing
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment

SCHEDULED = "initial_lr"  # what torch's schedulers write into an optimizer's groups


class Settings(Strict):
    steps: int = Field(ge=2)


class Limits(Strict):
    max_schedules: float = Field(ge=0)


@practice("overfit/constant_rate")
def constant_rate(exp: Experiment) -> Finding:
    """The learning rate stays the same from the first step to the last: no decay schedule is on at this stage.

    The optimizer takes as many steps as a training has, with gradients of zero, and its rates are watched; a schedule
    that is attached counts as on even where it has not moved yet. Source: the recipe, 3, "do not trust learning rate
    decay defaults".
    """
    model = exp.new_model()
    optimizer = exp.new_optimizer(model)
    if not getattr(optimizer, "param_groups", None):
        return skip(f"{exp.training.optimizer.name} shows no param_groups, so its rate cannot be watched.")
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    training = exp.training.epochs * math.ceil(len(exp.train) / exp.training.batch_size)
    steps = min(exp.stages.overfit.constant_rate.steps, training)
    rates = [_rates(optimizer)]
    for _ in range(steps):
        optimizer.step()
        rates.append(_rates(optimizer))
    by_group = list(zip(*rates, strict=True))
    moved = [group for group, along in enumerate(by_group) if len(set(along)) > 1]
    attached = _is_attached(optimizer)
    first, last = rates[0], rates[-1]
    seen = "; ".join(f"group {group} goes from {first[group]:g} to {last[group]:g}" for group in moved)
    return Finding(
        summary=f"The learning rate moves within {steps} steps: {seen}."
        if moved
        else f"The learning rate stays at {', '.join(f'{rate:g}' for rate in first)} over {steps} steps"
        + (", but a schedule is attached to the optimizer." if attached else "."),
        measured=float(len(moved)),
        advice="Where the rate moves, take the schedule out of the optimizer: one taken over from elsewhere decays "
        "too early or too late for these data. The time for it comes when all else is tuned.",
        requirements=(at_most(max(len(moved), int(attached)), "max_schedules"),),
        figures={
            "rate": drawing.curves(
                {f"group {group}": drawing.Curve(range(len(along)), along) for group, along in enumerate(by_group)},
                "step",
                "learning rate",
                "The rate, step by step",
            )
        },
    )


def _rates(optimizer: object) -> tuple[float, ...]:
    return tuple(float(group.get("lr", 0.0)) for group in getattr(optimizer, "param_groups", ()))


def _is_attached(optimizer: object) -> bool:
    """Whether a scheduler has marked the optimizer's groups, or is kept by it."""
    marked = any(SCHEDULED in group for group in getattr(optimizer, "param_groups", ()))
    return marked or any(isinstance(value, LRScheduler) for value in vars(optimizer).values())
