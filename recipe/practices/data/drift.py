"""data/drift: whether validation and test are of the same distribution as training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

from recipe.dataset.clusters import counted_once, independent
from recipe.dataset.splits import TEST, TRAIN, VALIDATION
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice, skip
from recipe.inspection.drift import WHOLE, Sample, in_words, sample_of
from recipe.inspection.drift import drift as drift_between
from recipe.inspection.drift_figure import Compared, draw_shifts, moved
from recipe.settings.strict import Strict

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined

COLUMNS = ["column", "score", "p_value", "flagged", "split", "detail"]
NAMED = 3  # shifted columns of a delivery that the summary tells of
BY_CHANCE = (
    "Where the split is by chance, look for an order in the data, and for groups so large that one fills a split. "
    "Where it follows time or a source on purpose, take the test figure for what it is: that of examples unlike those "
    "of training."
)
BY_TIME = (
    "The split is by time, so this is how the data change, as they will go on to: the test figure is that of a model "
    "which meets such change, and retraining follows it. A column that only counts on, as a year or a running number "
    "does, is better left out (data.ignore=[column])."
)


class Settings(Strict):
    alpha: float = Field(gt=0, lt=1)
    distance: float = Field(ge=0, lt=1)
    separation: float = Field(ge=0, lt=1)
    classifier_rows: int = Field(ge=20)


class Limits(Strict):
    max_score: float = Field(ge=0, le=1)


class DeliveryLimits(Strict):
    max_flagged: float = Field(ge=0)


@practice("data/drift")
def drift(dataset: Dataset) -> Finding:
    """Validation and test are of the same distribution as training: every column, the labels and the whole.

    The time that a split goes by differs by design, and is not compared.
    A figure on examples unlike those of training says little about either. Copies count once, and so do groups where
    there are many: a split has all of one or none, so that they would move it by chance. Shares and medians are told of
    what was counted, and said to be; whether a value is new is judged by all examples. Rabanser, Guennemann and
    Lipton 2019, "Failing loudly": tests of single columns and a classifier find most shifts between them.
    """
    label = dataset.settings.data.label
    draws = {split: independent(dataset, dataset.where(split)) for split in (TRAIN, VALIDATION, TEST)}
    samples = {split: sample_of(dataset, drawn.rows, dataset.where(split)) for split, drawn in draws.items()}
    counting = counted_once(draws.values())
    table = _compared(samples, dataset, label, counting)
    flagged = table[table["flagged"]]
    score = float(flagged["score"].max()) if len(flagged) else 0.0
    title = ", ".join(filter(None, ["The columns that moved most", counting]))
    figure = draw_shifts(_to_draw(samples, table, label), TRAIN, title)
    return Finding(
        summary=_summary(table, _whose(dataset), counting),
        measured=score,
        advice=BY_CHANCE if dataset.time_column is None else BY_TIME,
        requirements=(at_most(score, "max_score", otherwise="warn"),),
        figures={"columns": figure} if figure else {},
        table=table,
    )


@practice("data/drift")
def drift_of_delivery(examined: Examined) -> Finding:
    """Every column, the labels, and all inputs together are distributed in the delivery as in training."""
    new = examined.new_rows
    if not len(new):
        return skip("Nothing in the delivery is new.")
    settings, label = examined.dataset.settings.stages.data.drift, examined.dataset.settings.data.label
    reference = sample_of(examined.reference, examined.reference.where(TRAIN))
    delivered = sample_of(examined.dataset, new)
    table = drift_between(reference, delivered, settings, label)
    flagged = table[table["flagged"]]
    told = [f"{row['column']}: {row['detail']}" for _, row in flagged.head(NAMED).iterrows()]
    summary = f"{len(table)} distributions are as in training."
    if told:
        summary = f"{len(flagged)} of {len(table)} distributions have shifted. {' '.join(told)}"
    drawn = moved(reference, delivered, flagged, label, "delivery")
    figure = draw_shifts(drawn, "training", "What has shifted")
    return Finding(
        summary=summary,
        measured=float(table["score"].max()) if len(table) else 0.0,
        advice="Ask the sender what has changed. Where the change is real and is to be learnt, take it in with `recipe "
        "receive PATH --despite-drift`.",
        requirements=(at_most(len(flagged), "max_flagged"),),
        figures={"columns": figure} if figure else {},
        table=table,
    )


def _compared(samples: dict[str, Sample], dataset: Dataset, label: str, counting: str) -> pd.DataFrame:
    """Each column in the split where it moved more; the two splits share the chance of a false alarm."""
    settings: Settings = dataset.settings.stages.data.drift
    shared = settings.model_copy(update={"alpha": settings.alpha / 2})
    found = [
        drift_between(samples[TRAIN], samples[split], shared, label).assign(split=split) for split in (VALIDATION, TEST)
    ]
    both = pd.concat(found).sort_values(["flagged", "score"], ascending=False, kind="stable")
    both["detail"] = [_told_as_counted(detail, counting) for detail in both["detail"]]
    return both.drop_duplicates("column").reset_index(drop=True)[COLUMNS]


def _told_as_counted(detail: str, counting: str) -> str:
    """A sentence on shares or medians, with how examples were counted for them."""
    return f"{counting.capitalize()}, {detail[0].lower()}{detail[1:]}" if counting else detail


def _whose(dataset: Dataset) -> str:
    """Of which split the difference is, where it is none by chance."""
    if dataset.time_column is not None:
        return f" of the split by '{dataset.time_column}'"
    return " of the split that was given" if dataset.split_given else ""


def _summary(table: pd.DataFrame, whose: str, counting: str) -> str:
    if not table["flagged"].any():
        compared = ", ".join(filter(None, [f"in all {len(table)} comparisons", counting]))
        return f"Validation and test are distributed as training is, {compared}."
    flagged = table[table["flagged"]]
    columns = flagged[flagged["column"] != WHOLE]
    split = (columns if len(columns) else flagged)["split"].iloc[0]
    return in_words(table, f"between training and {split}{whose}")


def _to_draw(samples: dict[str, Sample], table: pd.DataFrame, label: str) -> list[Compared]:
    """What moved, each in the split where it moved more, in the order of the table."""
    return [
        one
        for row, split in enumerate(table["split"])
        for one in moved(samples[TRAIN], samples[split], table.iloc[[row]], label, split)
    ]
