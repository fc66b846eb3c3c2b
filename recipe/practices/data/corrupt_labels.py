"""data/corrupt_labels: labels that cannot be meant as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

from recipe.dataset.labels import label_numbers
from recipe.dataset.manifest import DECIDED
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.misspelling import faulty_classes, outlying_numbers
from recipe.settings import nearest
from recipe.settings.strict import Strict
from recipe.statistics.intervals import wilson

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined

COLUMNS = ["id", "path", "label", "reason", "suggested"]
PLAIN_REASONS = {"the label is missing": "missing", "the label is not a finite number": "not a number"}


class Settings(Strict):
    stray_share: float = Field(gt=0, lt=1)
    misspelt_share: float = Field(gt=0, lt=1)


class Limits(Strict):
    max_examples: float = Field(ge=0)
    max_share: float = Field(ge=0, le=1)
    max_phantoms: float = Field(ge=0)


class DeliveryLimits(Strict):
    max_examples: float = Field(ge=0)
    max_share: float = Field(ge=0, le=1)


@practice("data/corrupt_labels")
def corrupt_labels(dataset: Dataset) -> Finding:
    """Every example has a label, and each label is one of the classes, written as the others of its class are.

    Examples without a usable label are in quarantine. A label that only a slip made, but that can be read, makes a
    class of its own: a phantom that the net would learn to predict.
    """
    refused = _refused(dataset)
    phantoms = _outlying(dataset) if dataset.preparation["classes"] is None else _phantoms(dataset)
    table = pd.concat([phantoms, refused], ignore_index=True)[COLUMNS]
    total = len(dataset.manifest) + int((dataset.quarantine["kind"] != DECIDED).sum())
    summary = f"{len(table)} of {total} labels {'is' if len(table) == 1 else 'are'} corrupt"
    if len(table):
        reasons = table["reason"].value_counts()
        summary += ": " + ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        summary += f"; the first is '{table['label'].iloc[0]}' of {table['path'].iloc[0]}"
    is_number = dataset.preparation["classes"] is None
    return Finding(
        summary=summary + ".",
        measured=len(table) / total,
        interval=wilson(len(table), total),
        advice="Where the table lists labels, write each as the class that was meant, perhaps the one suggested, or "
        "delete the row.",
        requirements=(
            at_most(len(table), "max_examples", otherwise="warn"),
            at_most(len(refused) / total, "max_share"),
            at_most(len(phantoms), "max_phantoms", otherwise="warn" if is_number else "fail"),
        ),
        table=table,
    )


@practice("data/corrupt_labels")
def corrupt_labels_of_delivery(examined: Examined) -> Finding:
    """Every delivered example has a label, and it is one of the data set's, written as there."""
    refused = examined.unlabelled
    classes = [str(name) for name in examined.reference.preparation["classes"] or ()]
    suggested = [_nearest_name(str(label), classes) for label in refused["label"]]
    table = refused[["id", "path", "label", "reason"]].assign(suggested=suggested)
    count, total = len(table), examined.total
    summary = f"All {total} labels are known."
    if count:
        first = table.iloc[0]
        summary = f"{count} of {total} labels cannot be used; the first, of {first['path']}: {first['reason']}."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="Where the table lists labels, ask the sender to write each as the class that was meant; add a class "
        "that is new to the data set by hand, since the model must learn it from several examples.",
        requirements=(
            at_most(count, "max_examples", otherwise="warn"),
            at_most(count / total, "max_share"),
        ),
        table=table,
    )


def _refused(dataset: Dataset) -> pd.DataFrame:
    refused = dataset.quarantine[dataset.quarantine["kind"] == "label"]
    return refused.assign(reason=refused["reason"].replace(PLAIN_REASONS), suggested="")


def _phantoms(dataset: Dataset) -> pd.DataFrame:
    labels = dataset.manifest["label"].astype("str")
    settings: Settings = dataset.settings.stages.data.corrupt_labels
    faulty = faulty_classes(labels.value_counts(), settings.misspelt_share, settings.stray_share)
    rows = dataset.manifest[labels.isin(list(faulty)) & ~dataset.kept]
    named = rows["label"].astype("str")
    reasons = named.map(lambda name: faulty[name][0])
    suggested = named.map(lambda name: faulty[name][1])
    return rows.assign(label=named, reason=reasons, suggested=suggested)[COLUMNS]


def _outlying(dataset: Dataset) -> pd.DataFrame:
    outside = outlying_numbers(label_numbers(dataset.manifest["label"]))
    return dataset.manifest[outside & ~dataset.kept].assign(reason="out of range", suggested="")[COLUMNS]


def _nearest_name(label: str, classes: list[str]) -> str:
    """The class most like `label`; empty where none is."""
    return nearest(label, classes).partition("'")[2].partition("'")[0]
