"""regularize/early_stopping: the control overfits, and is stopped where its validation loss is lowest."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_least, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.trend import LEAST, falls
from recipe.training.comparison import (
    Change,
    compare_all,
    control_seeds,
    curve_of_seeds,
    finding,
    train_seeds,
)
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained
from recipe.training.loop import steps_per_epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LONGER = 1.5  # times, where a control has not turned
LAST = 1 / 3  # of its epochs, in which its loss must not still fall


class Settings(Strict):
    past_memorising: float = Field(ge=1)


class Limits(Strict):
    min_past: float = Field(ge=0, lt=1)


@practice("regularize/early_stopping")
def early_stopping(exp: Experiment) -> Finding:
    """The control overfits: its validation loss has turned, and the weights of its best epoch are better than the last.

    What gives up training loss for validation loss can only be told on a net that overfits, so a control that has not
    turned is a warning for the whole stage. Costs no training: the control's own way is looked back on. The epoch for
    each example is chosen by the other folds of the validation split, because the best of many looks better on what
    chose it. Source: the recipe, 4, "early stopping", and 3, "overfit" first.
    """
    changes = early_stopping_changes(exp)
    if not changes:
        return skip("Every training here keeps its best epoch already.")
    [stopped] = compare_all(exp, changes)
    runs = _control(exp)
    best = [run.history.best_epoch for run in runs]
    past, diverged = _past(runs), sum(run.history.diverged for run in runs)
    turned = past >= exp.thresholds.regularize.early_stopping.min_past
    found = finding(
        exp,
        [stopped],
        advice=_advice(exp, best, diverged),
        requirements=(at_least(0.0 if diverged else past, "min_past", otherwise="warn"),),
        remark=f" The best epochs are {_range(best)} of {exp.training.epochs}"
        + ("." if turned else ": its loss has not turned, so the gains of this stage say little of overfitting."),
    )
    return replace(found, figures={"control": _figure(_sound(runs))})


def past_the_turn(exp: Experiment) -> Experiment:
    """The experiment whose control is trained until its validation loss has turned, or as long as the budget allows."""
    steps = steps_per_epoch(len(exp.train), exp.training.batch_size)
    most = math.ceil(exp.budget.most_steps / steps)
    while exp.training.epochs < most and early_stopping_changes(exp) and not _is_long_enough(exp):
        epochs = min(most, math.ceil(LONGER * exp.training.epochs))
        exp = replace(exp, training=exp.training.having(epochs=epochs))
    return exp


def _is_long_enough(exp: Experiment) -> bool:
    """Whether the control's loss has turned, or all of it diverged, which no length mends."""
    runs = _control(exp)
    turned = _past(runs) >= exp.thresholds.regularize.early_stopping.min_past
    return turned or all(run.history.diverged for run in runs)


def _control(exp: Experiment) -> list[Trained]:
    [runs] = train_seeds(exp, [(exp.training, control_seeds(exp))])
    return runs


def _past(runs: list[Trained]) -> float:
    """The share of the control's epochs after the lowest of its validation loss, the mean over its trainings.

    One training's lowest is noise as much as a turn; the mean over several is less. 0 where the last of it still falls.
    """
    curve = _validation_losses(_sound(runs)).mean(0)
    if not curve.isfinite().all() or falls(curve[-max(LEAST, math.ceil(LAST * len(curve))) :].tolist()):
        return 0.0
    return 1 - (int(curve.argmin()) + 1) / len(curve)


def _sound(runs: list[Trained]) -> list[Trained]:
    """Those that have not diverged, where there are any."""
    return [run for run in runs if not run.history.diverged] or runs


def _validation_losses(runs: list[Trained]) -> Tensor:
    """By training and epoch, as far as all have gone."""
    length = min(len(run.history.validation_loss) for run in runs)
    return torch.tensor([run.history.validation_loss[:length] for run in runs])


def early_stopping_changes(exp: Experiment) -> list[Change]:
    """Keeping the best epoch, where that is not on already."""
    if exp.training.keep_best:
        return []
    return [Change("early stopping", lambda training: training.having(keep_best=True), looked_at=True)]


def _advice(exp: Experiment, best: list[int], diverged: int) -> str:
    if diverged:
        return f"{diverged} of the control's trainings diverged: lower the learning rate (optimizer.lr)."
    where = "The best epoch is the last" if max(best) >= exp.training.epochs else "The loss falls to the end"
    return f"{where}: train on (budget.most_steps, budget.epochs), or make the model wider, so that it overfits."


def _range(epochs: list[int]) -> str:
    low, high = min(epochs), max(epochs)
    return str(low) if low == high else f"{low} to {high}"


def _figure(runs: list[Trained]) -> Figure:
    """Training and validation loss of the control, mean and range of its seeds, and where the latter turns."""
    validation = _validation_losses(runs)
    training = torch.stack([run.history.epoch_loss()[: validation.shape[1]] for run in runs])
    lines = {"training loss": curve_of_seeds(training), "validation loss": curve_of_seeds(validation)}
    turn = int(validation.mean(0).argmin()) + 1
    return drawing.curves(
        lines,
        "epoch",
        "loss",
        "The control, past the turn of its validation loss",
        log_y=bool((training > 0).all() and (validation > 0).all()),
        marks={"the turn": float(turn)},
    )
