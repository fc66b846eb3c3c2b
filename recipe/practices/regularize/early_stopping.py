"""regularize/early_stopping: the control overfits, and is stopped where its validation loss is lowest."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, at_least, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.gains import gain_in_parts
from recipe.training.comparison import (
    Change,
    compare_all,
    control_seeds,
    curve_of_seeds,
    finding,
    train_seeds,
)
from recipe.training.evaluation import share_of_loss
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained
from recipe.training.loop import steps_per_epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LONGER = 1.5  # times, where a control has not turned


class Settings(Strict):
    past_memorising: float = Field(ge=1)


class Limits(Strict):
    min_rise: float


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
    [runs] = train_seeds(exp, [(exp.training, control_seeds(exp))])
    best = [run.history.best_epoch for run in runs]
    rise = _rise(exp)
    turned = rise >= exp.thresholds.regularize.early_stopping.min_rise
    found = finding(
        exp,
        [stopped],
        advice=_advice(exp, best),
        requirements=(at_least(rise, "min_rise", otherwise="warn"),),
        remark=f" The best epochs are {_range(best)} of {exp.training.epochs}"
        + (
            "."
            if turned
            else ": the control has not turned beyond chance, so the gains of this stage say little of overfitting."
        ),
    )
    return replace(found, figures={"control": _figure(runs)})


def past_the_turn(exp: Experiment) -> Experiment:
    """The experiment whose control is trained until its validation loss has turned, or as long as the budget allows."""
    steps = steps_per_epoch(len(exp.train), exp.training.batch_size)
    most = math.ceil(exp.budget.most_steps / steps)
    while exp.training.epochs < most and early_stopping_changes(exp) and not _has_turned(exp):
        epochs = min(most, math.ceil(LONGER * exp.training.epochs))
        exp = replace(exp, training=exp.training.having(epochs=epochs))
    return exp


def _has_turned(exp: Experiment) -> bool:
    return _rise(exp) >= exp.thresholds.regularize.early_stopping.min_rise


def _rise(exp: Experiment) -> float:
    """By how much the control's validation loss rises at least from its best epoch to the last, as a share of it.

    Each of its trainings is a draw of its own, also where two share the part that they hold out: asked is whether these
    nets overfit, not how large the rise would be on other examples.
    """
    [runs] = train_seeds(exp, [(exp.training, control_seeds(exp))])
    homes = exp.replicates or (exp,)
    rises = [(run.history.end_losses - run.history.best_losses).double() for run in runs]
    groups = [homes[number % len(homes)].validation.groups for number in range(len(runs))]
    loss = torch.cat([run.history.end_losses for run in runs]).double().mean().item()
    return share_of_loss(gain_in_parts(rises, groups).low, loss)


def early_stopping_changes(exp: Experiment) -> list[Change]:
    """Keeping the best epoch, where that is not on already."""
    if exp.training.keep_best:
        return []
    return [Change("early stopping", lambda training: training.having(keep_best=True), looked_at=True)]


def _advice(exp: Experiment, best: list[int]) -> str:
    if max(best) >= exp.training.epochs:
        return "The best epoch is the last: train on (budget.most_steps), or make the model wider."
    return (
        "The loss rises too little to tell it from chance: train on (budget.most_steps), make the model wider, or take "
        "a larger validation split."
    )


def _range(epochs: list[int]) -> str:
    low, high = min(epochs), max(epochs)
    return str(low) if low == high else f"{low} to {high}"


def _figure(runs: list[Trained]) -> Figure:
    """Training and validation loss of the control, mean and range of its seeds, and where the latter turns."""
    validation = torch.tensor([run.history.validation_loss for run in runs])
    training = torch.stack([run.history.epoch_loss() for run in runs])
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
