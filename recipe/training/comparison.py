"""One change at a time against the same control: same budget, same seeds; the gain with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, Requirement
from recipe.statistics.clusters import by_cluster
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONFIDENCE = 0.95  # of every interval here


@dataclass(frozen=True)
class Change:
    """One thing done otherwise: its name, and what makes it out of a training without it."""

    name: str
    apply: Callable[[Training], Training]


@dataclass(frozen=True)
class Gain:
    """What a change gains, with its 95 % interval; not a number where a training diverged."""

    value: float
    low: float
    high: float

    def holds(self, least: float = 0.0) -> bool:
        """Whether the whole interval lies above `least`."""
        return self.low > least


@dataclass(frozen=True)
class Comparison:
    """A change against its control on the validation split; means over the seeds.

    `gain` is the fall of the loss, `metric_gain` by how much the metric is better.
    """

    name: str
    training: Training
    control_loss: float
    loss: float
    gain: Gain
    control_metric: float
    metric: float
    metric_gain: Gain


def compare(experiment: Experiment, control: Training, change: Change) -> Comparison:
    """`control` with and without `change`, the same seeds for both."""
    changed = change.apply(control)
    fit_all(experiment, [*with_seeds(experiment, control), *with_seeds(experiment, changed)])
    control_losses, control_scores = validation(experiment, control)
    losses, scores = validation(experiment, changed)
    metric = experiment.objective.metric
    return Comparison(
        change.name,
        changed,
        control_losses.mean().item(),
        losses.mean().item(),
        gain(control_losses - losses, experiment.validation.groups),
        metric.signed(control_scores.mean().item()),
        metric.signed(scores.mean().item()),
        gain(scores - control_scores, experiment.validation.groups),
    )


def with_seeds(experiment: Experiment, training: Training) -> list[Training]:
    """`training` with each seed of a comparison.

    Early stopping changes nothing on the way, so what is trained is the whole way; `validation` stops it afterwards.
    """
    return [training.having(seed=training.seed + i, keep_best=False) for i in range(experiment.budget.seeds)]


def validation(experiment: Experiment, training: Training) -> tuple[Tensor, Tensor]:
    """The loss and the score of each validation example after `training`, both (seeds, N), in double precision.

    Where the training keeps its best epoch, each example is judged at the epoch that was best for other examples: the
    best of many epochs looks better on those that chose it than it is.
    """
    results = [_at_the_end(run, training.keep_best) for run in fit_all(experiment, with_seeds(experiment, training))]
    losses, scores = zip(*results, strict=True)
    return torch.stack(losses), torch.stack(scores)


def _at_the_end(run: Trained, keep_best: bool) -> tuple[Tensor, Tensor]:
    history = run.history
    if keep_best:
        return history.best_losses.double(), history.best_scores.double()
    return history.end_losses.double(), history.end_scores.double()


def gain(differences: Tensor, groups: Tensor | None = None) -> Gain:
    """The mean of paired `differences` (seeds, N) with its 95 % interval, over new seeds and new examples.

    Where `groups` (N,) name clusters, over new clusters.

    Two-way random effects: Var(mean) = (MS_seed + MS_example - MS_rest) / (S N), from the expected mean squares
    N s2_seed + s2, S s2_example + s2 and s2 (Searle, Casella and McCulloch 1992, 4.3); its degrees of freedom are
    Satterthwaite's (1946), at least those of the seeds. A component that comes out below zero is zero.
    """
    from scipy.special import stdtrit

    differences = by_cluster(differences, groups)
    seeds, count = differences.shape
    mean = differences.mean()
    by_seed, by_example = differences.mean(1) - mean, differences.mean(0) - mean
    rest = differences - mean - by_seed[:, None] - by_example[None]
    freedom = {"seed": seeds - 1, "example": count - 1, "rest": (seeds - 1) * (count - 1)}
    if not differences.isfinite().all() or min(freedom.values()) < 1:
        return Gain(mean.item(), math.nan, math.nan)
    square = {
        "seed": count * by_seed.square().sum().item() / freedom["seed"],
        "example": seeds * by_example.square().sum().item() / freedom["example"],
        "rest": rest.square().sum().item() / freedom["rest"],
    }
    if square["seed"] <= square["rest"]:
        counted = ["example"]
    elif square["example"] <= square["rest"]:
        counted = ["seed"]
    else:
        counted = list(square)
    total = sum(square[name] * (-1 if name == "rest" else 1) for name in counted)
    if total <= 0:
        return Gain(mean.item(), mean.item(), mean.item())
    degrees = total**2 / sum(square[name] ** 2 / freedom[name] for name in counted)
    quantile = stdtrit(max(degrees, seeds - 1), (1 + CONFIDENCE) / 2)
    half = float(quantile) * math.sqrt(total / differences.numel())
    return Gain(mean.item(), mean.item() - half, mean.item() + half)


def finding(
    experiment: Experiment,
    comparisons: Sequence[Comparison],
    advice: str,
    requirements: tuple[Requirement, ...] = (),
    remark: str = "",
) -> Finding:
    """What was seen of one practice's changes: the best gain in words, curves of all, and a table."""
    import pandas as pd

    best = max(comparisons, key=lambda one: -math.inf if math.isnan(one.gain.value) else one.gain.value)
    least = experiment.stages.regularize.combination.min_gain
    trainings = {"control": experiment.training} | {one.name: one.training for one in comparisons}
    return Finding(
        summary=f"{in_words(experiment, best, least)}{remark}",
        measured=best.gain.value,
        interval=(best.gain.low, best.gain.high),
        expected=f"above {least:g} where it helps",
        advice=advice,
        requirements=requirements,
        figures={"curves": learning_curves(experiment, trainings)},
        table=pd.DataFrame([row(comparison, least) for comparison in comparisons]),
    )


def in_words(experiment: Experiment, comparison: Comparison, least: float) -> str:
    """A comparison as a sentence."""
    name, gain = experiment.objective.metric.title, comparison.gain
    if math.isnan(gain.value):
        return f"With {comparison.name} a training diverged, so there is no gain to speak of."
    verdict = "holds" if gain.holds(least) else "does not hold"
    return (
        f"{comparison.name.capitalize()} takes the validation loss from {comparison.control_loss:.4g} to "
        f"{comparison.loss:.4g}, a gain of {gain.value:.3g} [{gain.low:.3g}, {gain.high:.3g}] over "
        f"{experiment.budget.seeds} seeds, which {verdict}; {name} from {comparison.control_metric:.4f} to "
        f"{comparison.metric:.4f}."
    )


def row(comparison: Comparison, least: float) -> dict[str, object]:
    """A comparison as a row of a table."""
    metric_gain = {f"metric_{name}": value for name, value in asdict(comparison.metric_gain).items()}
    return {
        "change": comparison.name,
        "control_loss": comparison.control_loss,
        "loss": comparison.loss,
        "gain": comparison.gain.value,
        "gain_low": comparison.gain.low,
        "gain_high": comparison.gain.high,
        "holds": comparison.gain.holds(least),
        "control_metric": comparison.control_metric,
        "metric": comparison.metric,
        "metric_gain": metric_gain["metric_value"],
        "metric_gain_low": metric_gain["metric_low"],
        "metric_gain_high": metric_gain["metric_high"],
    }


def learning_curves(experiment: Experiment, trainings: Mapping[str, Training]) -> Figure:
    """Validation loss against epochs of each training by name: the mean of the seeds, and their range.

    Where the best epoch is kept, the lowest loss so far, and the legend says so.
    """
    lines = {
        f"{name}, lowest so far" if training.keep_best else name: _curve(experiment, training)
        for name, training in trainings.items()
    }
    positive = all(np.min(np.asarray(line.y, dtype=float)) > 0 for line in lines.values())
    return drawing.curves(lines, "epoch", "validation loss", "Validation loss on the way", log_y=positive)


def _curve(experiment: Experiment, training: Training) -> drawing.Curve:
    histories = [run.history.validation_loss for run in fit_all(experiment, with_seeds(experiment, training))]
    length = min(len(history) for history in histories)
    losses = torch.tensor([history[:length] for history in histories])
    if training.keep_best:
        losses = losses.cummin(1).values
    epochs = torch.arange(1, length + 1).numpy()
    return drawing.Curve(epochs, losses.mean(0).numpy(), losses.amin(0).numpy(), losses.amax(0).numpy())
