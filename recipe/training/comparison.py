"""One change at a time against the same control: same budget; the gain with its interval, and what it proves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recipe import drawing
from recipe.evidence import Answer, Finding, Requirement
from recipe.statistics.gains import Gain, Judged, gain, judge_gains
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTROL_SEEDS = 2  # times those of a change: every gain rests on the control (Dunnett 1955, section 5)


@dataclass(frozen=True)
class Change:
    """One thing done otherwise: its name, and what makes it out of a training without it.

    `looked_at`: the trainings are those of the control, looked at otherwise, such as at their best epochs. `stopped`:
    the change stops early, and so does the control that it is compared with.
    """

    name: str
    apply: Callable[[Training], Training]
    looked_at: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Comparison:
    """A change against its control on the validation split; means over the seeds.

    `gain` is the fall of the loss, `metric_gain` by how much the metric is better. `judged` is what the gain proves
    among all that were tried beside it; None where this change was compared alone. `seeds` is how many it was trained
    from: one that clearly loses gets no more than the first.
    """

    name: str
    training: Training
    control_loss: float
    loss: float
    gain: Gain
    control_metric: float
    metric: float
    metric_gain: Gain
    judged: Judged | None = None
    seeds: int = 0

    @property
    def answer(self) -> Answer:
        """Whether the change holds, is refuted, or could not be told."""
        if self.judged is not None:
            return self.judged.answer
        return "holds" if self.gain.holds() else "open" if self.gain.high > 0 else "refuted"


def compare(experiment: Experiment, control: Training, change: Change) -> Comparison:
    """`control` with and without `change`, alone: the same seeds for both, paired."""
    changed = change.apply(control)
    fit_all(experiment, [*with_seeds(experiment, control), *with_seeds(experiment, changed)])
    losses, scores = validation(experiment, changed)
    control_losses, control_scores = validation(experiment, control)
    groups = experiment.validation.groups
    return replace(
        _compared(experiment, change.name, changed, (control_losses, control_scores), (losses, scores)),
        gain=gain(control_losses - losses, groups),
        metric_gain=gain(scores - control_scores, groups),
    )


def compare_all(experiment: Experiment, changes: Sequence[Change]) -> list[Comparison]:
    """`changes` one at a time against the experiment's own training, judged among all that its stage tries.

    The control has twice the seeds. A change whose first seed clearly loses gets no more.
    """
    family = _family(experiment, changes)
    control = experiment.training
    counts = _train(experiment, family)
    usual = [validation(experiment, _control_of(control, one), _control_seeds(experiment)) for one in family]
    results = [validation(experiment, one.apply(control), counts[one.name]) for one in family]
    looked_at = [one.looked_at for one in family]
    groups = experiment.validation.groups
    gains = judge_gains(
        [losses for losses, _ in usual], [losses for losses, _ in results], groups, looked_at, *_bounds(experiment)
    )
    of_metric = judge_gains([-scores for _, scores in usual], [-scores for _, scores in results], groups, looked_at)
    compared = {
        one.name: replace(
            _compared(experiment, one.name, one.apply(control), before, result),
            gain=judged.gain,
            judged=judged,
            metric_gain=by_metric.gain,
            seeds=counts[one.name],
        )
        for one, before, result, judged, by_metric in zip(family, usual, results, gains, of_metric, strict=True)
    }
    return [compared[one.name] for one in changes]


def _family(experiment: Experiment, changes: Sequence[Change]) -> list[Change]:
    """All that the stage tries, `changes` among them."""
    names = {one.name for one in experiment.tried}
    return [*experiment.tried, *(one for one in changes if one.name not in names)]


def _train(experiment: Experiment, changes: Sequence[Change]) -> dict[str, int]:
    """Train the control and `changes`, and say from how many seeds each was trained."""
    control = with_seeds(experiment, experiment.training, _control_seeds(experiment))
    trained = [one for one in changes if not one.looked_at]
    fit_all(experiment, [*control, *(_seeded(experiment, one, 1)[0] for one in trained)])
    going_on = [one for one in trained if not _clearly_loses(experiment, one)]
    fit_all(experiment, [run for one in going_on for run in _seeded(experiment, one, experiment.budget.seeds)])
    more = {one.name: experiment.budget.seeds for one in going_on}
    return {one.name: _control_seeds(experiment) if one.looked_at else more.get(one.name, 1) for one in changes}


def _clearly_loses(experiment: Experiment, change: Change) -> bool:
    """Whether its first seed alone shows it: the whole interval of its gain lies below zero."""
    control, _ = validation(experiment, _control_of(experiment.training, change), _control_seeds(experiment))
    losses, _ = validation(experiment, change.apply(experiment.training), 1)
    [judged] = judge_gains(control, [losses], experiment.validation.groups)
    return not judged.gain.high >= 0


def _control_of(control: Training, change: Change) -> Training:
    return control.having(keep_best=True) if change.stopped else control


def _seeded(experiment: Experiment, change: Change, count: int) -> list[Training]:
    return with_seeds(experiment, change.apply(experiment.training), count)


def _control_seeds(experiment: Experiment) -> int:
    return CONTROL_SEEDS * experiment.budget.seeds


def _bounds(experiment: Experiment) -> tuple[float, float]:
    """The least gain that counts at all, and the least that is worth having; in units of the loss."""
    settings = experiment.stages.regularize.combination
    losses, _ = validation(experiment, experiment.training, _control_seeds(experiment))
    return settings.min_gain, settings.worthwhile * abs(losses.mean().item())


def _compared(
    experiment: Experiment,
    name: str,
    training: Training,
    control: tuple[Tensor, Tensor],
    changed: tuple[Tensor, Tensor],
) -> Comparison:
    """The means; the gains are for the caller to judge."""
    (control_loss, control_score), (loss, score) = (
        (part.mean().item() for part in side) for side in (control, changed)
    )
    unknown = Gain(math.nan, math.nan, math.nan)
    signed = experiment.objective.metric.signed
    return Comparison(
        name,
        training,
        control_loss,
        loss,
        unknown,
        signed(control_score),
        signed(score),
        unknown,
        seeds=len(changed[0]),
    )


def with_seeds(experiment: Experiment, training: Training, count: int | None = None) -> list[Training]:
    """`training` with each seed of a comparison, or with the first `count` seeds.

    Early stopping changes nothing on the way, so what is trained is the whole way; `validation` stops it afterwards.
    """
    seeds = range(experiment.budget.seeds if count is None else count)
    return [training.having(seed=training.seed + i, keep_best=False) for i in seeds]


def validation(experiment: Experiment, training: Training, count: int | None = None) -> tuple[Tensor, Tensor]:
    """The loss and the score of each validation example after `training`, both (seeds, N), in double precision.

    Where the training keeps its best epoch, each example is judged at the epoch that was best for other examples: the
    best of many epochs looks better on those that chose it than it is.
    """
    runs = fit_all(experiment, with_seeds(experiment, training, count))
    losses, scores = zip(*(_at_the_end(run, training.keep_best) for run in runs), strict=True)
    return torch.stack(losses), torch.stack(scores)


def _at_the_end(run: Trained, keep_best: bool) -> tuple[Tensor, Tensor]:
    history = run.history
    if keep_best:
        return history.best_losses.double(), history.best_scores.double()
    return history.end_losses.double(), history.end_scores.double()


def finding(
    experiment: Experiment,
    comparisons: Sequence[Comparison],
    advice: str,
    requirements: tuple[Requirement, ...] = (),
    remark: str = "",
) -> Finding:
    """What was seen of one practice's changes: the best gain in words, curves of all, and a table."""
    import pandas as pd

    best = best_of(comparisons)
    runs = {"control": (experiment.training, _control_seeds(experiment))}
    runs |= {one.name: (one.training, one.seeds) for one in comparisons}
    return Finding(
        summary=f"{in_words(experiment, best)}{remark}",
        measured=best.gain.value,
        interval=(best.gain.low, best.gain.high),
        expected="above 0 where it helps",
        advice=advice,
        requirements=requirements,
        figures={"curves": learning_curves(experiment, runs)},
        table=pd.DataFrame([row(comparison) for comparison in comparisons]),
        answer=joint_answer(comparisons),
    )


def best_of(comparisons: Sequence[Comparison]) -> Comparison:
    """The one that gains most."""
    return max(comparisons, key=lambda one: -math.inf if math.isnan(one.gain.value) else one.gain.value)


def joint_answer(comparisons: Sequence[Comparison]) -> Answer:
    """What several ways to do one thing prove of it: it holds where one does, and is refuted where all are."""
    answers = {one.answer for one in comparisons}
    return "holds" if "holds" in answers else "open" if "open" in answers else "refuted"


def in_words(experiment: Experiment, comparison: Comparison) -> str:
    """A comparison as a sentence."""
    name, gain = experiment.objective.metric.title, comparison.gain
    if math.isnan(gain.value):
        return f"With {comparison.name} a training diverged, so there is no gain to speak of."
    return (
        f"{comparison.name[0].upper()}{comparison.name[1:]} takes the validation loss from "
        f"{comparison.control_loss:.4g} to {comparison.loss:.4g}, a gain of {gain.value:.3g} [{gain.low:.3g}, "
        f"{gain.high:.3g}] over {_seeds_in_words(comparison.seeds)}, which {_proof_in_words(comparison)}; {name} from "
        f"{comparison.control_metric:.4f} to {comparison.metric:.4f}."
    )


def _seeds_in_words(seeds: int) -> str:
    return "one seed, and no more since that clearly lost" if seeds == 1 else f"{seeds} seeds"


def _proof_in_words(comparison: Comparison) -> str:
    if comparison.answer == "holds":
        return "holds"
    if comparison.answer == "refuted":
        return "does not hold"
    judged = comparison.judged
    if judged is None:
        return "chance may explain"
    needed = f", and {judged.seeds_needed} seeds would see this one" if judged.seeds_needed else ""
    return f"could not be told: the smallest gain that could have been seen is {judged.least_seen:.3g}{needed}"


def row(comparison: Comparison) -> dict[str, object]:
    """A comparison as a row of a table."""
    metric_gain = {f"metric_{name}": value for name, value in asdict(comparison.metric_gain).items()}
    judged = comparison.judged
    return {
        "change": comparison.name,
        "control_loss": comparison.control_loss,
        "loss": comparison.loss,
        "gain": comparison.gain.value,
        "gain_low": comparison.gain.low,
        "gain_high": comparison.gain.high,
        "holds": comparison.answer == "holds",
        "control_metric": comparison.control_metric,
        "metric": comparison.metric,
        "metric_gain": metric_gain["metric_value"],
        "metric_gain_low": metric_gain["metric_low"],
        "metric_gain_high": metric_gain["metric_high"],
        "answer": comparison.answer,
        "p_value": judged.p_value if judged else None,
        "least_seen": judged.least_seen if judged else None,
        "seeds_needed": judged.seeds_needed if judged else None,
        "seeds": comparison.seeds,
    }


Runs = Mapping[str, Training | tuple[Training, int]]  # by name, each with the number of its seeds where that is its own


def learning_curves(experiment: Experiment, trainings: Runs) -> Figure:
    """Validation loss against epochs of each training by name: the mean of the seeds, and their range.

    Where the best epoch is kept, the lowest loss so far, and the legend says so.
    """
    runs = {name: one if isinstance(one, tuple) else (one, experiment.budget.seeds) for name, one in trainings.items()}
    lines = {
        f"{name}, lowest so far" if training.keep_best else name: _curve(experiment, training, seeds)
        for name, (training, seeds) in runs.items()
    }
    positive = all(np.min(np.asarray(line.y, dtype=float)) > 0 for line in lines.values())
    return drawing.curves(lines, "epoch", "validation loss", "Validation loss on the way", log_y=positive)


def _curve(experiment: Experiment, training: Training, seeds: int) -> drawing.Curve:
    histories = [run.history.validation_loss for run in fit_all(experiment, with_seeds(experiment, training, seeds))]
    length = min(len(history) for history in histories)
    losses = torch.tensor([history[:length] for history in histories])
    if training.keep_best:
        losses = losses.cummin(1).values
    epochs = torch.arange(1, length + 1).numpy()
    return drawing.Curve(epochs, losses.mean(0).numpy(), losses.amin(0).numpy(), losses.amax(0).numpy())
