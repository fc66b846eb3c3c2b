"""squeeze/extended: leave it training, far past the plateau."""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.error_budget.length import Outcome, outcome_of, pays, usual_and_left
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.trend import falls
from recipe.training.ensemble import ensemble_trainings, extended_training
from recipe.training.evaluation import share_of_loss
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained

LAST = 0.25  # share of the epochs in which a training that is worth going on with still improves


class Settings(Strict):
    factor: float = Field(gt=0)
    worthwhile: float = Field(ge=0, lt=1)
    patience: float = Field(gt=0)


class Limits(Strict):
    max_gain: float = Field(ge=0)


@practice("squeeze/extended")
def extended(exp: Experiment) -> Finding:
    """A member is trained for long enough: going on far past its usual length gains next to nothing.

    One member goes on, unless it has found no new lowest validation loss for long. Its gain is the fall of the
    validation loss against the same member at its usual length, each example at the epoch that is best for other
    examples, with the interval over new examples; it is held to a share of the loss. A schedule of the learning rate is
    stretched to the new length. Where the gain is surely worth it, all members are trained as long. Source: the recipe,
    6, "leave it training".
    """
    usual, longer = ensemble_trainings(exp)[0], extended_training(exp)
    if longer is None:
        return skip(
            f"{exp.stages.squeeze.extended.factor:g} times a training's epochs are no longer than the {usual.epochs} "
            "of a member: raise stages.squeeze.extended.factor."
        )
    member, long = usual_and_left(exp, longer)
    outcome = outcome_of(exp, member, long)
    return Finding(
        summary=_in_words(exp, member, long, outcome),
        measured=outcome.gain,
        interval=outcome.interval,
        expected="next to nothing, or what chance explains",
        advice=f"Where going on gains, the usual length is too short, also for what was compared and chosen: set "
        f"budget.epochs={_epochs_due(exp, long)}, and run from regularize on.",
        requirements=(at_most(outcome.share, "max_gain", otherwise="warn"),),
        figures={"curves": _drawn(usual.epochs, long)},
    )


def _in_words(exp: Experiment, member: Trained, long: Trained, outcome: Outcome) -> str:
    low, high = outcome.interval
    share = share_of_loss(outcome.gain, outcome.usual_loss)
    members = " All members are trained as long." if pays(exp, outcome) else ""
    return (
        f"Left training for {long.history.epochs} epochs in place of {member.history.epochs}, a member's validation "
        f"loss at its best epoch goes from {outcome.usual_loss:.4g} to {outcome.loss:.4g}, a gain of "
        f"{outcome.gain:.3g} [{low:.3g}, {high:.3g}], {share:.1%} of it, {exp.objective.metric.title} from "
        f"{outcome.usual_metric:.4f} to {outcome.metric:.4f}. {_whether_to_go_on(long)}{members}"
    )


def _whether_to_go_on(long: Trained) -> str:
    history, most = long.history, long.training.epochs
    if history.diverged:
        return f"It diverged in epoch {history.epochs}."
    found = f"The lowest loss came in epoch {history.best_epoch}"
    if history.epochs < most:
        return f"{found}, and after {long.training.patience} more without a lower one it was ended: do not go on."
    last = math.ceil(LAST * history.epochs)
    if history.best_epoch > history.epochs - last and falls(history.validation_loss[-last:]):
        return f"{found}; the loss still falls in the last {last} epochs, beyond noise: go on."
    return f"{found}; in the last {last} epochs it does not fall beyond noise: nothing says to go on."


def _epochs_due(exp: Experiment, long: Trained) -> int:
    """A training's epochs by which a member is as long as the best epoch asks for."""
    return max(exp.training.epochs + 1, math.ceil(long.history.best_epoch / exp.stages.squeeze.ensemble.epochs_factor))


def _drawn(usual: int, long: Trained) -> object:
    history = long.history
    curves = {"validation": torch.tensor(history.validation_loss), "training": history.epoch_loss()}
    lines = {name: _line(losses) for name, losses in curves.items()}
    positive = all(bool((losses > 0).all()) for losses in curves.values())
    marks = {"usual length": float(usual), "left training": float(history.epochs)}
    return drawing.curves(lines, "epoch", "loss", "Left training", log_y=positive, marks=marks)


def _line(losses: Tensor) -> drawing.Curve:
    return drawing.Curve(np.arange(1, len(losses) + 1), losses.numpy())
