"""What is found in a batch: drift, unfamiliar inputs, the model's confidence, and its metric where labels are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.kind import kind_of
from recipe.dataset.labels import label_numbers
from recipe.dataset.splits import TRAIN, VALIDATION
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, Requirement, at_least, at_most, practice, skip
from recipe.inspection.drift import Sample, drift, in_words, sample_of
from recipe.inspection.drift_figure import Compared, draw_shifts, moved
from recipe.inspection.familiarity import Unfamiliar, unfamiliar
from recipe.inspection.number_shift import shift_of_numbers
from recipe.inspection.shift import percent
from recipe.monitoring.batch import Batch
from recipe.monitoring.champion import Answers, Champion, Estimate
from recipe.monitoring.history import Entry, draw_over_time
from recipe.statistics.intervals import NORMAL_975, wilson
from recipe.statistics.metrics import Metric, metrics_of
from recipe.statistics.paired import outputs_and_targets

BATCH = "batch"
SHOWN = 16  # inputs in a picture
FEWEST_NUMBERS = 10  # labelled inputs: the variance of fewer is no measure to hold residuals against
SMALLEST_CHANCE = 1e-12  # that is told as a number: below it, rounding is what is seen
UNREADABLE_COLUMNS = ["path", "reason"]
LABEL_LATER = "give the same inputs again once they are labelled, and the figure is added to what is known of them."


@dataclass(frozen=True)
class Seen:
    """A batch beside the data and the model in use.

    `misfit` says why the champion cannot be asked, where there is one; `validation` and `answers` are what it says of
    the validation split and of the batch. `when` is the time of the batch's first call; `earlier` are all batches that
    were monitored before, this one among them where it was.
    """

    dataset: Dataset
    batch: Batch
    champion: Champion | None
    misfit: str
    validation: Answers | None
    answers: Answers | None
    when: str
    earlier: Sequence[Entry]

    @property
    def is_class(self) -> bool:
        return self.dataset.preparation["classes"] is not None

    @property
    def metric(self) -> Metric:
        """The one that decides."""
        return metrics_of(self.dataset.preparation["task"], self.dataset.settings.metrics)[0]


@practice("monitor/unreadable")
def unreadable(seen: Seen) -> Finding:
    """Every input can be read."""
    listed = seen.batch.dataset.quarantine
    count, total = len(listed), len(seen.batch) + len(listed)
    summary = f"All {total} inputs can be read."
    if count:
        first = listed.iloc[0]
        summary = f"{count} of {total} inputs cannot be read; the first is {first['path']}: {first['reason']}."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="Mend what sends them: nothing was predicted for the inputs that the table lists.",
        requirements=(at_most(count, 0, otherwise="warn"),),
        table=listed[UNREADABLE_COLUMNS],
    )


@practice("monitor/drift")
def batch_drift(seen: Seen) -> Finding:
    """The batch is of the same distribution as training: every column, the labels and the whole.

    The same comparison as data/drift makes of the splits.
    """
    settings, label = seen.dataset.settings.stages.data.drift, seen.dataset.settings.data.label
    reference, batch = sample_of(seen.dataset, seen.dataset.where(TRAIN)), _sample(seen)
    table = drift(reference, batch, settings, label)
    flagged = table[table["flagged"]]
    score = float(flagged["score"].max()) if len(flagged) else 0.0
    healthy = f"The {len(seen.batch)} inputs are distributed as training is, in all {len(table)} comparisons."
    figure = draw_shifts(moved(reference, batch, table, label, BATCH), "training", "The columns that moved most")
    return Finding(
        summary=in_words(table, "from training") if len(flagged) else healthy,
        measured=score,
        advice="Find out what changed where the inputs are made. Where the change is here to stay, label some of the "
        "new inputs, read the model's figure on them, and train on them.",
        requirements=(at_most(score, 0.0),),
        figures=_drawn(columns=figure),
        table=table,
    )


@practice("monitor/unfamiliar")
def unfamiliar_inputs(seen: Seen) -> Finding:
    """No more inputs are unlike everything in training than of the validation split.

    An input is as unfamiliar as it is far from the nearest training example, as prepared; images are pooled first. The
    limit is a quantile of the validation split, so the share beyond it is known by construction: conformal prediction
    (Vovk, Gammerman and Shafer 2005).
    """
    settings, dataset = seen.dataset.settings.monitor, seen.dataset
    train, held_out = dataset.where(TRAIN), dataset.where(VALIDATION)
    if not len(held_out):
        return skip("There is no validation split to tell how far a familiar input may be from training.")
    pooled = kind_of(dataset.preparation).pooled
    inputs = seen.batch.dataset.inputs
    found = unfamiliar(dataset.inputs, train, held_out, inputs, settings.unfamiliar_rate, pooled)
    count, total = int(found.flagged.sum()), len(seen.batch)
    low, high = wilson(count, total)
    worst = np.argsort(-found.distances, kind="stable")
    listed = seen.batch.dataset.manifest[["id", "path"]].assign(score=found.scores, flagged=found.flagged)
    by_chance = found.chance > settings.alpha
    return Finding(
        summary=f"{count} of {total} inputs ({percent(count / total)} [{percent(low)}, {percent(high)}]) lie beyond "
        f"the distance from training that {percent(found.rate)} of such inputs exceed by construction; so many or "
        f"more have {_chance(found.chance)}.",
        measured=count / total,
        interval=(low, high),
        expected=f"at most {percent(settings.max_unfamiliar)}, or by chance",
        advice="Look at the first inputs of the table: the model was trained on nothing like them, so its answers to "
        "them are guesses. Keep them from it, or label and train on them.",
        requirements=(at_most(0.0 if by_chance else count / total, settings.max_unfamiliar),),
        figures=_unfamiliar_figures(found, seen.batch, worst),
        table=listed.iloc[worst].reset_index(drop=True),
    )


@practice("monitor/confidence")
def confidence(seen: Seen) -> Finding:
    """The model is as sure of its answers as on the validation split; of a regression, its predictions are alike.

    Guo et al. 2017: the temperature was set so that the mean confidence is the accuracy to be expected, as long as the
    inputs are alike. Hendrycks and Gimpel 2017: unlike inputs lower it.
    """
    if seen.answers is None or seen.validation is None:
        return skip(_why_not_asked(seen))
    settings = seen.dataset.settings.monitor
    before, after = seen.validation.compared, seen.answers.compared
    shift = shift_of_numbers(before, after)
    moved = shift.score if shift.p_value <= settings.alpha else 0.0
    what, most = ("largest probability", 1.0) if seen.is_class else ("prediction", math.inf)
    reference, level = _mean(before, most), _mean(after, most)
    figure = draw_shifts([Compared(what, BATCH, pd.Series(before), pd.Series(after))], "validation", f"The {what}")
    points = _points(seen, "confidence", level) if seen.is_class else []
    over_time = draw_over_time(points, f"mean {what}", "Confidence over time", reference, "validation")
    return Finding(
        summary=f"The mean {what} is {level.value:.4g} [{level.low:.4g}, {level.high:.4g}] where the validation split "
        f"has {reference.value:.4g}; the two lie {shift.score:.2f} apart, which has {_chance(shift.p_value)}.",
        measured=level.value,
        interval=(level.low, level.high),
        expected=f"as on validation, {reference.value:.4g}",
        advice="A model that is less sure is wrong more often: label some of these inputs and read its figure. One "
        "that is surer than it was may be looking at copies, or at one kind of input.",
        requirements=(at_most(moved, settings.confidence_distance, otherwise="warn"),),
        figures=_drawn(shift=figure, over_time=over_time),
    )


@practice("monitor/figure")
def metric_on_labels(seen: Seen) -> Finding:
    """Where labels are there, the model is as good on the batch as on the test set, but for chance."""
    if seen.answers is None or seen.champion is None:
        return skip(_why_not_asked(seen))
    labels = seen.batch.labels
    metric = seen.metric
    measured = None if labels is None else _metric_on(seen, seen.answers, labels)
    title = metric.title[0].upper() + metric.title[1:]
    level, where = _level(seen)
    points = _points(seen, "figure", measured[0] if measured else None)
    figures = _drawn(over_time=draw_over_time(points, metric.title, f"{title} over time", level, f"the {where}"))
    if measured is None:
        least = ", or of one class alone" if seen.is_class else f", or fewer than {FEWEST_NUMBERS}"
        return replace(skip(f"The batch has no labels{least}: {LABEL_LATER}"), figures=figures)
    estimate, examples = measured
    beside = f", where {seen.champion.name} has {level} on the {where}" if level is not None else ""
    return Finding(
        summary=f"{title} {estimate} on {examples} labelled inputs{beside}.",
        measured=estimate.value,
        interval=(estimate.low, estimate.high),
        expected=None if level is None else f"{level.value:.4f}, but for chance",
        advice="Read monitor/drift and monitor/unfamiliar for what changed, check the labels of the batch, and train "
        "on it where the change is here to stay.",
        requirements=() if level is None else (_as_good(metric, estimate, level, seen),),
        figures=figures,
    )


def _level(seen: Seen) -> tuple[Estimate | None, str]:
    """The champion's metric on the test set; where nobody kept that, on the validation split, and which it is."""
    if seen.champion is not None and seen.champion.test is not None:
        return seen.champion.test, "test set"
    if seen.validation is None:
        return None, ""
    labels = seen.dataset.manifest["label"].iloc[seen.dataset.where(VALIDATION)].reset_index(drop=True)
    measured = _metric_on(seen, seen.validation, labels)
    return (measured[0], "validation split") if measured else (None, "")


def _metric_on(seen: Seen, answers: Answers, labels: pd.Series) -> tuple[Estimate, int] | None:
    """The metric on the inputs with a label, and how many these are; None where that is nothing to go by."""
    from torch import tensor

    from recipe.training.evaluation import interval_of

    given, learnt = labels.notna().to_numpy(), _learnt(seen)
    outputs, targets = outputs_and_targets(answers.table[given], labels[given], seen.metric, learnt)
    if learnt["task"] == "regression":
        known = ~np.isnan(targets[:, 0])
        outputs, targets = outputs[known], targets[known]
        if len(targets) < FEWEST_NUMBERS or np.ptp(targets) == 0:
            return None
    elif seen.metric.kind == "share" and len(np.unique(targets)) == 1:
        return None
    scores = seen.metric.scores(outputs, targets)
    ends = interval_of(seen.metric, *(tensor(one) for one in (scores, outputs, targets)))
    return Estimate(seen.metric.of(scores), *ends), len(targets)


def _learnt(seen: Seen) -> Mapping[str, Any]:
    """preparation.json of what answered."""
    return seen.champion.model.preparation if seen.champion is not None else seen.dataset.preparation


def _points(seen: Seen, name: str, present: Estimate | None) -> list[tuple[str, Estimate]]:
    """When and what of each batch's estimate `name`, this one's included, in order of time."""
    earlier = [one for one in seen.earlier if name != "figure" or one.metric in ("", seen.metric.name)]
    both = {one.content: (one.when, getattr(one, name)) for one in earlier}
    both |= {seen.batch.content: (seen.when, present)} if present else {}
    return sorted(((when, one) for when, one in both.values() if one is not None), key=lambda point: point[0])


def _mean(values: np.ndarray, most: float) -> Estimate:
    """The mean of `values` (N,), none above `most`, and its 95 % interval by the normal distribution."""
    half = NORMAL_975 * float(values.std()) / math.sqrt(len(values))
    mean = float(values.mean())
    return Estimate(mean, mean - half, min(most, mean + half))


def _as_good(metric: Metric, estimate: Estimate, test: Estimate, seen: Seen) -> Requirement:
    """The estimate is no worse than the end of the test set's interval, or worse than it by chance alone.

    The difference of two estimates has the interval whose ends are as far as both intervals' ends together, squared and
    added (Newcombe 1998, method 10), here widened from 2.5 % to `alpha` a side.
    """
    from scipy.stats import norm

    widened = float(norm.isf(seen.dataset.settings.monitor.alpha)) / NORMAL_975
    if metric.is_error:
        room = widened * math.hypot(test.high - test.value, estimate.value - estimate.low)
        by_chance = estimate.value - test.value <= room
        return at_most(min(estimate.value, test.high) if by_chance else estimate.value, test.high)
    room = widened * math.hypot(test.value - test.low, estimate.high - estimate.value)
    by_chance = test.value - estimate.value <= room
    return at_least(max(estimate.value, test.low) if by_chance else estimate.value, test.low)


def _why_not_asked(seen: Seen) -> str:
    if seen.champion is None:
        return "There is no model yet, neither a registered champion nor models/final: the data alone were compared."
    return seen.misfit or "There is no validation split to compare the model's answers with."


def _sample(seen: Seen) -> Sample:
    """The batch as drift compares it; of the labels those that are there."""
    labels = seen.batch.labels
    if labels is not None:
        labels = labels.dropna().reset_index(drop=True)
        labels = labels if seen.is_class else pd.Series(label_numbers(labels))
    every = np.arange(len(seen.batch))
    return replace(sample_of(seen.batch.dataset, every), columns=seen.batch.columns, labels=labels)


def _unfamiliar_figures(found: Unfamiliar, batch: Batch, worst: np.ndarray) -> dict[str, object]:
    """How far batch and validation are from training; of images those that are furthest."""
    column = "distance to the nearest training example"
    compared = Compared(column, BATCH, pd.Series(found.held_out), pd.Series(found.distances))
    furthest, shown = None, [place for place in worst[:SHOWN] if found.flagged[place]]
    if shown:
        names = [Path(batch.dataset.manifest["path"].iloc[place]).name for place in shown]
        draw = kind_of(batch.dataset.preparation).draw
        furthest = draw(batch.dataset.inputs[shown], names, "Unlike anything in training")
    return _drawn(distance=draw_shifts([compared], "validation", "Distance from training"), furthest=furthest)


def _drawn(**pictures: object) -> dict[str, object]:
    """Those that there is something to see in."""
    return {name: picture for name, picture in pictures.items() if picture is not None}


def _chance(p_value: float) -> str:
    return f"a chance of {p_value:.2g}" if p_value > SMALLEST_CHANCE else "next to no chance"
