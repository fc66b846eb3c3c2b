"""overfit/adam: a learning rate that is about right."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from recipe import drawing
from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Positive, Strict
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all

RECOMMENDED = "torch.optim.Adam at 0.0003"
MARGIN = 1  # steps of the range test below the rate that falls furthest, which is close to where it breaks (Smith 2017)
LAST = 0.2  # of the steps: their mean loss is where a short training has come to


class Settings(Strict):
    factors: tuple[Positive, ...] = Field(min_length=3)
    steps: int = Field(ge=20)
    enough: float = Field(gt=0, le=1)


class Limits(Strict):
    max_factor: float = Field(ge=1)


@practice("overfit/adam")
def adam(exp: Experiment) -> Finding:
    """Adam at 3e-4, unless told otherwise, is within a factor of ten of a rate that brings the loss down well.

    A range test: short trainings at constant rates around the present one. A rate does well whose loss falls by nearly
    as much as that of the best; the number is the factor from the present rate to the nearest such one, 1 where it does
    well itself. Few steps favour higher rates, which `enough` allows for. Source: the recipe, 3, "adam is safe"; Smith
    2017 for range tests.
    """
    optimizer = exp.training.optimizer
    rate = optimizer.declared("lr")
    if not rate:
        return skip(f"{optimizer.name} declares no lr, so there is no range to test.")
    settings: Settings = exp.stages.overfit.adam
    factors, reached, steps = _range_test(exp, float(rate))
    start = exp.objective.prior_loss(exp.train.targets.cpu())
    worst = start + to_learn(start, floor_of(exp.objective, exp.train.targets))
    falls = start - reached
    well = factors[falls >= settings.enough * falls.max()] if falls.max() > 0 else np.array([])
    nearest = min(well, key=lambda factor: abs(math.log(factor)), default=math.nan)
    off = max(nearest, 1 / nearest)
    present = f"{optimizer.name} at {float(rate):g}"
    return Finding(
        summary=f"{present}{'' if present == RECOMMENDED else ', as told,'} " + _in_words(float(rate), nearest, steps),
        measured=off,
        expected="below 10",
        advice=f"Where the present rate is far off, try optimizer.lr={float(rate) * nearest:.1g}."
        if well.size
        else "No rate around this one brings the loss down: look for a fault before looking for a rate.",
        requirements=(at_most(off, "max_factor", otherwise="warn"),),
        figures={"range_test": _figure(float(rate), factors, reached, start, worst)},
    )


def steady_rate(exp: Experiment) -> float | None:
    """The rate that goes on to the next stage: the present one, unless the range test says otherwise.

    Where nobody has named another than 3e-4, it is one step of the test below the rate whose loss falls furthest, but
    never lower than 3e-4: what memorises sooner leaves more of the budget to see what comes after. None where the
    optimizer has no rate.
    """
    optimizer = exp.training.optimizer
    rate = optimizer.declared("lr")
    if not rate or f"{optimizer.name} at {float(rate):g}" != RECOMMENDED:
        return rate and float(rate)
    factors, reached, _ = _range_test(exp, float(rate))
    furthest = int(np.argmin(reached))
    return float(f"{float(rate) * max(1.0, float(factors[max(0, furthest - MARGIN)])):.3g}")


def _range_test(exp: Experiment, rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """The factors that were tried, the loss that each came to, and after how many steps."""
    factors = np.array(sorted({*exp.stages.overfit.adam.factors, 1.0}))
    trained = fit_all(exp, [_short(exp, rate * factor) for factor in factors])
    return factors, np.array([_reached(run) for run in trained]), len(trained[0].history.train_loss)


def _short(exp: Experiment, rate: float) -> Training:
    """A training of about as many steps as the setting says, on a share of the data where one epoch has more."""
    training = exp.training
    steps = exp.stages.overfit.adam.steps
    share = min(1.0, steps * training.batch_size / len(exp.train))
    steps_per_epoch = math.ceil(math.ceil(share * len(exp.train)) / training.batch_size)
    return training.having(
        optimizer=training.optimizer.having(lr=float(f"{rate:.3g}")),
        share=share,
        epochs=math.ceil(steps / steps_per_epoch),
    )


def _reached(run: Trained) -> float:
    """The mean loss of the last steps; infinite where it diverged."""
    losses = run.history.train_loss
    last = losses[-max(1, int(LAST * len(losses))) :].double().mean()
    return float(torch.nan_to_num(last, math.inf, math.inf))


def _in_words(rate: float, nearest: float, steps: int) -> str:
    if math.isnan(nearest):
        return f"does not bring the loss below a constant guess in {steps} steps, and no rate around it does."
    if nearest == 1:
        return f"brings the loss down about as well in {steps} steps as any rate around it."
    direction = "low" if nearest > 1 else "high"
    return f"is {max(nearest, 1 / nearest):.3g} times too {direction}: {rate * nearest:.1g} does well in {steps} steps."


def _figure(
    rate: float, factors: NDArray[np.float64], reached: NDArray[np.float64], start: float, worst: float
) -> object:
    shown = np.minimum(reached, worst)  # a diverged training is drawn at the top
    return drawing.curves(
        {"after the short training": drawing.Curve(rate * factors, shown)},
        "learning rate",
        "training loss",
        "Range test",
        references={"a constant guess": start},
        log_x=True,
        marks={"present": rate},
    )
