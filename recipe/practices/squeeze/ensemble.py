"""squeeze/ensemble: independent members averaged."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recipe import drawing
from recipe.ensemble import average, stacked_outputs, train_members
from recipe.evidence import Finding, at_least, practice
from recipe.experiment import Experiment
from recipe.training.evaluation import evaluate_outputs, mean_interval, metric_name, scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_WAYS = 50  # to choose members of a size; all of them up to seven members


@practice("squeeze/ensemble")
def ensemble(exp: Experiment) -> Finding:
    """Several nets trained from other seeds and averaged are better than one of them.

    The gain is the fall of the validation loss against the mean of the single members, example by example. Source: the
    recipe, 6, "ensembles are a pretty much guaranteed way to gain"; Lakshminarayanan et al. 2017.
    """
    members = train_members(exp)
    outputs, targets = stacked_outputs(members), exp.validation.targets.cpu()
    singles = [evaluate_outputs(one, targets, exp.objective) for one in outputs]
    joint = evaluate_outputs(average(outputs, exp.task), targets, exp.objective)
    gains = torch.stack([one.losses for one in singles]).mean(0) - joint.losses
    name = metric_name(targets)
    single = sum(one.metric for one in singles) / len(singles)
    loss = sum(one.loss for one in singles) / len(singles)
    return Finding(
        summary=f"{len(members)} members take the validation loss from {loss:.4f} for one to {joint.loss:.4f} "
        f"together, and {name} from {single:.4f} to {joint.metric:.4f}.",
        measured=gains.mean().item(),
        interval=mean_interval(gains),
        advice="Members that fail in the same way gain nothing together: see that their seeds differ, and that each "
        "alone is trained to its best.",
        requirements=(at_least(gains.mean().item(), "min_gain", otherwise="warn"),),
        figures={"members": _by_size(exp, outputs, targets, name)},
    )


def _by_size(exp: Experiment, outputs: Tensor, targets: Tensor, name: str) -> Figure:
    """The gain of 1, 2, ... members over one of them: the mean over the choices of so many, with its 95 % interval."""
    sizes = range(1, len(outputs) + 1)
    losses, metrics = zip(*(_of_size(exp, outputs, targets, size) for size in sizes), strict=True)
    figure, charts = drawing.new_grid(1, 2, width=7.0, height=3.0)
    kinds = (("fall of the validation loss", losses, -1), (f"rise of the validation {name}", metrics, 1))
    for chart, (title, values, sign) in zip(charts.flat, kinds, strict=True):
        gains = [sign * (value - values[0]) for value in values]
        low, high = zip((0.0, 0.0), *(mean_interval(gain) for gain in gains[1:]), strict=True)
        chart.plot(sizes, [gain.mean().item() for gain in gains], "o-", markersize=4)
        chart.fill_between(sizes, low, high, alpha=0.18, linewidth=0)
        chart.set_xticks(sizes)
        drawing.label(chart, "members", title)
    return figure


def _of_size(exp: Experiment, outputs: Tensor, targets: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The loss and the score of each example (N,) under `size` members: the mean over ways to choose them."""
    ways = list(itertools.islice(itertools.combinations(range(len(outputs)), size), MOST_WAYS))
    joint = [evaluate_outputs(average(outputs[list(way)], exp.task), targets, exp.objective) for way in ways]
    losses = torch.stack([one.losses for one in joint]).mean(0)
    return losses, torch.stack([scores(one.outputs, targets) for one in joint]).mean(0)
