"""squeeze/ensemble: independent members averaged."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_least, practice
from recipe.settings.strict import Strict
from recipe.statistics.clusters import mean_interval
from recipe.training.best_epochs import folds_of
from recipe.training.ensemble import (
    Candidates,
    average,
    ensemble_trainings,
    extended_training,
    other_training,
    stacked_outputs,
    train_candidates,
)
from recipe.training.evaluation import evaluate_outputs, share_of_loss
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained, fit_all

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SAME = 1e-5  # of the loss: members that differ by less differ by rounding, which has 1e-7
MOST_WAYS = 50  # to choose members of a size; all of them up to seven members


class Settings(Strict):
    epochs_factor: float = Field(gt=0)
    other_architecture: bool


class Limits(Strict):
    min_gain: float
    min_difference: float = Field(ge=0)


@practice("squeeze/ensemble")
def ensemble(exp: Experiment) -> Finding:
    """Several nets trained from other seeds are different nets, and averaged they are no worse than the best of them.

    Against the mean of its members an average cannot lose (Jensen); it can against the best, where one of the others
    has diverged, and it gains nothing where all are one net, whatever their seed. The gain is the fall of the
    validation loss, example by example, against the member that is best on other examples. How different the members
    are is the fall against their mean, as a share of it (Krogh and Vedelsby 1995, the ambiguity). A net of another
    architecture is wrong elsewhere: it takes the place of one of them where as many with it have less loss, beyond
    chance. Source: the recipe, 6, "ensembles are a pretty much guaranteed way to gain"; Lakshminarayanan et al. 2017;
    Gontijo-Lopes et al. 2022 for other architectures.
    """
    candidates = train_candidates(exp)
    members = candidates.members
    outputs, targets, groups = stacked_outputs(members), exp.validation.targets.cpu(), exp.validation.groups
    singles = [evaluate_outputs(one, targets, exp.objective) for one in outputs]
    joint = evaluate_outputs(average(outputs, exp.task), targets, exp.objective)
    losses = torch.stack([one.losses.double() for one in singles])
    best = _of_the_best(losses)
    gains = best - joint.losses
    low, high = mean_interval(gains, groups)
    single = sum(one.metric for one in singles) / len(singles)
    difference = share_of_loss((losses.mean() - joint.loss).item(), losses.mean().item())
    return Finding(
        summary=f"{len(members)} members take the validation loss from {losses.mean():.4f} for one, {best.mean():.4f} "
        f"for the one that is best on other examples, to {joint.loss:.4f} together, and {joint.name} from {single:.4f} "
        f"to {joint.metric:.4f}{_trouble(difference, high)}.{_with_the_other(exp, candidates)}"
        f"{_against_one_as_long(exp, candidates, targets)}",
        measured=gains.mean().item(),
        interval=(low, high),
        expected="not below 0 beyond chance",
        advice="Members that are the same gain nothing together: build the model from the seed that is set, and do not "
        "set one in it. Where one member is far worse than the others, lower the learning rate until none diverges. "
        "Where neither helps, use the best member alone.",
        requirements=(
            at_least(high, "min_gain", otherwise="warn"),
            at_least(difference, "min_difference", otherwise="warn"),
        ),
        figures={"members": _by_size(exp, outputs, targets)},
        table=_table(exp, candidates),
    )


def _of_the_best(losses: Tensor) -> Tensor:
    """For each of N examples the loss under the member that is best on the others; `losses` is (M, N)."""
    best = torch.empty_like(losses[0])
    for fold in folds_of(losses.shape[1]):
        member = losses[:, fold.others].mean(1).nan_to_num(math.inf).argmin()
        best[fold.members] = losses[member, fold.members]
    return best


def _trouble(difference: float, high: float) -> str:
    if math.isnan(high):
        return "; a member has diverged to numbers that are not finite"
    if abs(difference) < SAME:
        return "; the members are the same net, whatever their seed"
    return "; the best member alone is better than all together, beyond chance" if high < 0 else ""


def _with_the_other(exp: Experiment, candidates: Candidates) -> str:
    """What another architecture in the place of a seed gains, as a sentence; empty where none was tried."""
    if candidates.other is None:
        return ""
    name, gain = candidates.other.training.model.name, candidates.gain
    if gain is None:
        return f" {name} is not among them: it, or one of them, has diverged."
    what = f"{gain.value:.3g} [{gain.low:.3g}, {gain.high:.3g}] of validation loss over as many of one architecture"
    if candidates.takes_a_place:
        return f" {name} is among them, which gains {what}."
    why = "which is a loss" if gain.high < 0 else "which chance may explain"
    short = candidates.other.training != other_training(exp)
    length = ", at a member's usual length, and was trained no longer" if short else ""
    return f" {name} is not among them: in the place of one it would gain {what}, {why}{length}."


def _table(exp: Experiment, candidates: Candidates) -> pd.DataFrame:
    """A row for each net that was trained to be a member; `taken` says whether it is one."""
    import pandas as pd

    targets = exp.validation.targets.cpu()
    rows = []
    for net in [*candidates.seeds, *([candidates.other] if candidates.other else [])]:
        alone = evaluate_outputs(net.outputs, targets, exp.objective)
        rows.append(
            {
                "model": net.training.model.name,
                "seed": net.training.seed,
                "epochs": net.history.epochs,
                "best_epoch": net.history.best_epoch,
                "loss": alone.loss,
                "metric": alone.metric,
                "taken": any(net is member for member in candidates.members),
            }
        )
    return pd.DataFrame(rows)


def _against_one_as_long(exp: Experiment, candidates: Candidates, targets: Tensor) -> str:
    """Several members against one net of the same compute, trained as long as all of them, as a sentence."""
    usual, longer = ensemble_trainings(exp)[0], extended_training(exp)
    outputs, size = stacked_outputs(candidates.seeds), round(longer.epochs / usual.epochs) if longer else 1
    if longer is None or not 1 < size <= len(outputs):
        return ""
    [long] = fit_all(exp, [longer])
    together = _of_size(exp, outputs, targets, size)[0].double()
    gains = evaluate_outputs(long.outputs, targets, exp.objective).losses.double() - together
    low, high = mean_interval(gains, exp.validation.groups)
    whose = "one architecture" if candidates.takes_a_place else "them"
    return (
        f" {size} of {whose} together gain {gains.mean():.3g} [{low:.3g}, {high:.3g}] of validation loss over one that "
        f"{_left_training(long, size)}."
    )


def _left_training(long: Trained, size: int) -> str:
    epochs, most = long.history.epochs, long.training.epochs
    if long.history.diverged:
        return f"was to train as long as all {size} and diverged in epoch {epochs}"
    if epochs < most:
        return f"was to train as long as all {size}, {most} epochs, and was ended after {epochs} without a lower loss"
    return f"was left training as long as all {size}"


def _by_size(exp: Experiment, outputs: Tensor, targets: Tensor) -> Figure:
    """The gain of 1, 2, ... members over one of them: the mean over the choices of so many, with its 95 % interval."""
    sizes = range(1, len(outputs) + 1)
    losses, metrics = zip(*(_of_size(exp, outputs, targets, size) for size in sizes), strict=True)
    figure, charts = drawing.new_grid(1, 2, width=7.0, height=3.0)
    title = f"gain in the validation {exp.objective.metric.title}"
    kinds = (
        ("fall of the validation loss", losses, -1),
        (title, metrics, 1),
    )
    for chart, (title, values, sign) in zip(charts.flat, kinds, strict=True):
        gains = [sign * (value - values[0]) for value in values]
        groups = exp.validation.groups
        low, high = zip((0.0, 0.0), *(mean_interval(gain, groups) for gain in gains[1:]), strict=True)
        chart.plot(sizes, [gain.mean().item() for gain in gains], "o-", markersize=4)
        chart.fill_between(sizes, low, high, alpha=0.18, linewidth=0)
        chart.set_xticks(sizes)
        drawing.label(chart, "members", title)
    drawing.entitle(figure, "What more members gain over one, with 95 % intervals")
    return figure


def _of_size(exp: Experiment, outputs: Tensor, targets: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The loss and the score of each example (N,) under `size` members: the mean over ways to choose them."""
    ways = list(itertools.islice(itertools.combinations(range(len(outputs)), size), MOST_WAYS))
    joint = [evaluate_outputs(average(outputs[list(way)], exp.task), targets, exp.objective) for way in ways]
    losses = torch.stack([one.losses for one in joint]).mean(0)
    return losses, torch.stack([one.scores for one in joint]).mean(0)
