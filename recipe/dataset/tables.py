"""A table as examples: which rows have a label, what each row's content is, and how its columns are prepared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.columns import fit_column
from recipe.dataset.delimited import Table
from recipe.dataset.labels import plain_numbers, read_labels
from recipe.dataset.manifest import Examples, Rejected, Task, digest, numbered, optional, place_in_words
from recipe.dataset.number_styles import sign_of_file
from recipe.dataset.preparation import as_text, feature_names
from recipe.dataset.readings import LEADING_ZERO, Reading, read_columns, typed
from recipe.dataset.roles import content_columns, require_roles, roles_in, without_ignored
from recipe.dataset.taken import (
    groups_taken,
    labels_taken,
    notes_on_columns,
    notes_on_file,
    notes_on_labels,
    notes_on_target,
    rows_taken,
)
from recipe.dataset.time_order import offer_of_time
from recipe.dataset.times import TIME, Times, notes_on_times, times_in
from recipe.errors import DataError
from recipe.settings import Data, nearest

Faults = Callable[[pd.DataFrame], pd.Series]  # why each row (N,) is of no use, missing where it is

CELL_END = "\x1f"  # ASCII's unit separator, which no cell holds
ROWS_AT_ONCE = 16_384  # whose cells are Python's own strings at one time


def no_faults(rows: pd.DataFrame) -> pd.Series:
    """Every row can be used."""
    return pd.Series(np.nan, index=rows.index, dtype="str")


def table_examples(table: Table, where: object, data: Data, unusable: Faults = no_faults) -> Examples:
    """The rows of `table` that can be used and have a label; `where` names it in an error.

    Raises:
        DataError: a column that is named is not there, or not of values, no label can be used, or no column is left to
            learn from.
    """
    frame = without_ignored(table.frame, where, data)
    for name, what in table.not_values.items():
        if name in frame.columns:
            raise DataError(
                f"{where} has {what} in the column '{name}': leave it out with data.ignore=[{name}], or give each of "
                "their parts a column."
            )
    roles = require_roles(where, frame.columns, data)
    content = content_columns(frame.columns, data)
    _require_read(data.read_as, [*content, *(data.ignore if data.split.by == "time" else ())], where)
    sign = sign_of_file(frame[name] for name in frame)
    labels = read_labels(frame[data.label], data, where, sign)
    asked = {name: how for name, how in data.read_as.items() if name in content}
    readings = read_columns(frame, sign, data.missing, asked)
    times = times_in(table, {name: readings[name] for name in readings if name != data.label}, sign, where, data)
    split_by = [] if times is None else [times.column]
    features = [name for name in content if name not in split_by]
    _require_features(frame[features], where, [data.label, *split_by])
    faults = unusable(frame)
    if times is not None:
        frame = frame.assign(**{times.column: table.frame[times.column]})  # which data.ignore may leave out
        readings |= {times.column: times.reading}
        faults = faults.where(faults.notna(), times.faults)
    found = Rows(frame, labels.text, labels.task, labels.faults, faults, table.malformed, readings, times)
    examples = found.as_examples(content, where, data.name, data, labels.style)
    offered = offer_of_time(examples.rows, {name: readings[name] for name in content}, data)
    notes = [
        *notes_on_file(table, roles, data),
        *notes_on_labels(labels, data.label),
        *notes_on_target(labels, data.label, data.target),
        *notes_on_columns({name: readings[name] for name in (*features, *split_by)}, frame),
        *notes_on_times(times),
        *(offered if examples.manifest["split"].isna().all() else ()),
    ]
    groups = groups_taken(examples.manifest, roles.group)
    taken = [rows_taken(table, where, sign), labels_taken(labels, data.label, data.target), groups]
    return replace(
        examples,
        notes=notes,
        taken=taken,
        readings=readings,
        label_reading=labels.as_json(),
        time_column=times.column if times else None,
    )


def _require_read(read_as: Iterable[str], columns: Sequence[str], where: object) -> None:
    for name in read_as:
        if name not in columns:
            raise DataError(f"{where} has no column '{name}' to read{nearest(name, list(columns))}: see data.read_as.")


def _require_features(features: pd.DataFrame, where: object, others: Sequence[str]) -> None:
    beside = " and ".join(f"'{name}'" for name in others)
    if not len(features.columns):
        raise DataError(f"{where} has no column beside {beside} to learn from: add one.")
    if all(as_text(features[name]).isna().all() for name in features):
        raise DataError(f"{where} has no value in any column beside {beside} to learn from: fill them in.")


@dataclass(frozen=True)
class Rows:
    """The rows of a file (N), their labels, why a label or a row is of no use (N, missing where it is), and what was
    left out before; how its columns are read; and when each row was, where the split is by time.
    """

    frame: pd.DataFrame
    labels: pd.Series
    task: Task
    label_faults: pd.Series
    faults: pd.Series
    malformed: list[Rejected]
    readings: Mapping[str, Reading] = field(default_factory=dict)
    times: Times | None = None

    def as_examples(self, columns: list[str], where: object, source: str, data: Data, label_style: str) -> Examples:
        """Those without a fault; their content is that of `columns`, and they come from `source`.

        Labels that are numbers in a `label_style` of their own are written plainly.

        Raises:
            DataError: there is none.
        """
        reasons = self.label_faults.set_axis(self.frame.index)
        reasons = reasons.where(reasons.notna(), self.faults)
        usable = reasons.isna().to_numpy()
        paths = pd.Series([f"row:{number}" for number in self.frame.index], dtype="str")
        kinds = np.where(self.label_faults.isna(), "malformed", "label")
        parts = (paths, reasons, kinds, self.labels.fillna(""))
        refused = [Rejected(*told) for told in zip(*(part[~usable] for part in parts), strict=True)]
        rejected = [*self.malformed, *refused]
        if not usable.any():
            first = rejected[0]
            raise DataError(f"No row of {where} can be used; the first, {place_in_words(first.path)}: {first.reason}.")
        frame = self.frame if usable.all() else self.frame[usable]
        labels = self.labels[usable].reset_index(drop=True)
        roles = roles_in(frame.columns, data)
        content = content_ids(frame[columns])
        manifest = pd.DataFrame(
            {
                "id": numbered(content),
                "content_id": content,
                "bytes_id": bytes_ids(frame[columns]),
                "path": paths[usable].reset_index(drop=True),
                "label": plain_numbers(labels, label_style),
                "split": optional(frame.get(roles.split), len(frame)),
                "group": optional(frame.get(roles.group), len(frame)),
                "source": pd.Series([source] * len(frame), dtype="str"),
            }
        )
        if self.times is not None:
            manifest[TIME] = self.times.values[usable].reset_index(drop=True)
        return Examples(manifest, self.task, rejected, rows=typed(frame.reset_index(drop=True), self.readings))


def content_ids(features: pd.DataFrame) -> pd.Series:
    """A name of each row's values, whatever the order of the columns; 1, 1.0 and " 1" are one value."""
    names = sorted(features.columns)
    rows = np.empty((len(features), len(names)), dtype=np.uint64)
    for place, name in enumerate(names):
        rows[:, place] = _cell_codes(features[name])
    return pd.Series([digest(row.tobytes()) for row in rows], dtype="str")


def _cell_codes(values: pd.Series) -> np.ndarray:
    """Each cell as a uint64: the bits of a number, else a hash of the text."""
    text = as_text(values)
    numbers = pd.to_numeric(text.mask(text.str.match(LEADING_ZERO, na=False)), errors="coerce")
    bits = (numbers.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0).view(np.uint64)  # + 0.0 joins -0.0 and 0.0
    words = numbers.isna().to_numpy()
    bits[words] = pd.util.hash_array(text[words].fillna("").to_numpy(dtype=object), categorize=True)
    return bits


def bytes_ids(features: pd.DataFrame) -> pd.Series:
    """A name of each row's cells as they stand in the file."""
    whole = [_as_written(features[name]) for name in sorted(features.columns)]
    ids: list[str] = []
    for start in range(0, len(features), ROWS_AT_ONCE):
        parts = (column.iloc[start : start + ROWS_AT_ONCE] for column in whole)
        columns = [part.astype("str").fillna("").tolist() for part in parts]
        ids += [digest(CELL_END.join(row).encode()) for row in zip(*columns, strict=True)]
    return pd.Series(ids, dtype="str")


def _as_written(column: pd.Series) -> pd.Series:
    """Text as it is, and numbers, which a part of a column writes as the whole does; dates are written alike in all."""
    return column if pd.api.types.is_numeric_dtype(column.dtype) else column.astype("str")


def fit_rows(
    rows: pd.DataFrame, features: Sequence[str], readings: Mapping[str, Reading], training: np.ndarray, where: object
) -> dict[str, Any]:
    """How to prepare the columns `features`, from the rows in `training` (indices): the table's part of
    preparation.json, with why columns are dropped.

    Raises:
        DataError: every column is constant or missing in training.
    """
    columns, dropped = [], {}
    for name in features:
        values, reading = rows[name].iloc[training], readings[name]
        fitted = fit_column(name, values, reading)
        if fitted:
            columns.append(fitted)
        else:
            dropped[name] = _why_dropped(as_text(values, reading.missing))
    if not columns:
        raise DataError(f"Every column of {where} is constant, missing or all different: add one to learn from.")
    return {
        "features": [feature for column in columns for feature in feature_names(column)],
        "columns": columns,
        "dropped": dropped,
    }


def _why_dropped(text: pd.Series) -> str:
    distinct = text.nunique()
    return "empty" if not distinct else "one value" if distinct == 1 else "all values differ"
