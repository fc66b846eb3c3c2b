"""How far a batch has drifted from a reference: column by column, in its labels, and as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.kind import kind_of
from recipe.dataset.labels import label_numbers
from recipe.dataset.preparation import as_text
from recipe.dataset.stored import Dataset
from recipe.inspection.category_shift import new_values, shift_of_categories
from recipe.inspection.column_pair import read_alike
from recipe.inspection.columns import features, is_identifier, measured_columns, own_columns
from recipe.inspection.domain_classifier import shift_of_vectors
from recipe.inspection.number_shift import shift_of_numbers
from recipe.inspection.sampling import drawn
from recipe.inspection.shift import Shift, unmoved
from recipe.statistics.multiple_testing import holm

WHOLE = "(all)"  # the row of the domain classifier


@dataclass(frozen=True)
class Sample:
    """Some examples, as they were given and as they were prepared.

    Attributes:
        columns: raw columns (N, C): numbers, dates, text, with missing cells; and what was measured of each example.
        vectors: the inputs as vectors (N, D) in which like ones lie near, or a draw of them.
        labels: the given labels (N,), as text for classes and as numbers for a regression; None where there are none.
        whole: the sample that these were drawn of, by which a value is new or not; None where they are all.
    """

    columns: pd.DataFrame
    vectors: np.ndarray
    labels: pd.Series | None
    whole: Sample | None = None


class Sensitivity(Protocol):
    """From where on a distribution counts as moved: see conf/stages/data.yaml."""

    @property
    def alpha(self) -> float:
        """The share of healthy batches with anything flagged, at most."""

    @property
    def distance(self) -> float:
        """Of one column, 0 to 1."""

    @property
    def separation(self) -> float:
        """Of a classifier that tells the samples apart, 0 to 1."""

    @property
    def classifier_rows(self) -> int:
        """Examples of each sample that this classifier sees."""


def drift(reference: Sample, batch: Sample, settings: Sensitivity, label: str = "label") -> pd.DataFrame:
    """How `batch` differs from `reference`: a row a column, one named `label` where both are labelled, and `(all)`.

    Scores are the Kolmogorov-Smirnov distance of numbers and dates, or the difference in the share missing where that
    is larger; the total variation distance of categories and classes, a missing cell being one; and for `(all)`
    2 AUC - 1 of a classifier that tells the two samples apart, out of fold. Flagged is what is further than the
    settings' limit and further than chance: below `alpha` by Holm's procedure (1979) over all rows, so that at most one
    healthy batch in 1 / alpha is flagged, whatever its size.

    Returns:
        column, score, p_value, flagged, detail (a sentence); what is flagged first, then the highest scores.
    """
    shifts = dict(_column_shifts(reference, batch))
    if reference.labels is not None and batch.labels is not None:
        whole = [(sample.whole or sample).labels for sample in (reference, batch)]
        shifts[label] = _column_shift(reference.labels, batch.labels, whole, is_label=True)
    shifts[WHOLE] = shift_of_vectors(reference.vectors, batch.vectors, settings.classifier_rows)
    scores = np.array([shift.score for shift in shifts.values()])
    p_values = np.array([shift.p_value for shift in shifts.values()])
    limits = np.array([settings.separation if name == WHOLE else settings.distance for name in shifts])
    table = pd.DataFrame(
        {
            "column": list(shifts),
            "score": scores,
            "p_value": p_values,
            "flagged": (scores > limits) & holm(p_values, settings.alpha),
            "detail": [shift.detail for shift in shifts.values()],
        }
    )
    return table.sort_values(["flagged", "score"], ascending=False, kind="stable", ignore_index=True)


def _column_shifts(reference: Sample, batch: Sample) -> Iterator[tuple[str, Shift]]:
    before, after = reference.columns, batch.columns
    for name in before:
        if name not in after:
            yield str(name), Shift(1.0, 0.0, "The batch has no such column.")
        elif is_identifier(before[name]):
            yield str(name), unmoved("It only tells rows apart, so it is not compared.")
        else:
            whole = [(sample.whole or sample).columns[name] for sample in (reference, batch)]
            yield str(name), _column_shift(before[name], after[name], whole)
    for name in after:
        if name not in before:
            yield str(name), unmoved("The reference has no such column, so it is not compared.")


def _column_shift(
    reference: pd.Series, batch: pd.Series, whole: Sequence[pd.Series | None], is_label: bool = False
) -> Shift:
    if not len(reference) or not len(batch):
        return unmoved("There is nothing to compare.")
    pair = read_alike(reference, batch, is_label)
    if pair.kind == "category":
        new = new_values(*(as_text(column) for column in whole if column is not None))
        return shift_of_categories(pair.reference, pair.batch, new)
    return shift_of_numbers(pair.reference, pair.batch, is_date=pair.kind == "date")


def in_words(table: pd.DataFrame, apart: str) -> str:
    """What `drift` flagged, in a sentence or two: of columns the one that moved most, else the whole.

    `apart` says of what the difference is, such as "from training".
    """
    flagged = table[table["flagged"]]
    columns = flagged[flagged["column"] != WHOLE]
    first = (columns if len(columns) else flagged).iloc[0]
    named = f"'{first['column']}' differs" if len(columns) else "All columns together differ"
    rest = f" {len(flagged)} of {len(table)} comparisons differ." if len(flagged) > 1 else ""
    return f"{named} {apart} ({first['score']:.2f}): {first['detail']}{rest}"


def sample_of(dataset: Dataset, rows: NDArray[np.int64], drawn_of: NDArray[np.int64] | None = None) -> Sample:
    """The examples in `rows` of a prepared data set, which may be some of those in `drawn_of`.

    Of the inputs no more are read than `drift` looks at.
    """
    labels = dataset.manifest["label"]
    if dataset.preparation["classes"] is None:
        labels = pd.Series(label_numbers(labels))
    looked_at = rows[drawn(len(rows), dataset.settings.stages.data.drift.classifier_rows)]
    columns = observed(dataset)
    sample = Sample(
        columns=columns.iloc[rows].reset_index(drop=True),
        vectors=kind_of(dataset.preparation).pooled(dataset.inputs[looked_at]),
        labels=labels.iloc[rows].reset_index(drop=True),
    )
    if drawn_of is None or len(drawn_of) == len(rows):
        return sample
    whole = replace(sample, columns=columns.iloc[drawn_of], labels=labels.iloc[drawn_of])
    return replace(sample, whole=whole)


def observed(dataset: Dataset) -> pd.DataFrame:
    """All columns (N, C) in which examples may differ: raw ones, measured ones, and the user's own."""
    return pd.concat([features(dataset), measured_columns(dataset), own_columns(dataset)], axis=1)
