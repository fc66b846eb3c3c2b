"""A table as examples: which rows have a label, what each row's content is, and how its columns are prepared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.columns import fit_column
from recipe.dataset.delimited import Table
from recipe.dataset.labels import label_text, usable_labels
from recipe.dataset.manifest import Examples, Rejected, Task, digest, no_column, numbered, optional, place_in_words
from recipe.dataset.preparation import MISSING, as_text, feature_names
from recipe.errors import DataError
from recipe.settings import Data

Faults = Callable[[pd.DataFrame], pd.Series]  # why each row (N,) is of no use, missing where it is

LEADING_ZERO = r"[-+]?0\d"  # a code such as a postcode, which a number would cut short
CELL_END = "\x1f"  # ASCII's unit separator, which no cell holds
ROWS_AT_ONCE = 16_384  # whose cells are Python's own strings at one time


def no_faults(rows: pd.DataFrame) -> pd.Series:
    """Every row can be used."""
    return pd.Series(np.nan, index=rows.index, dtype="str")


def table_examples(table: Table, where: object, data: Data, unusable: Faults = no_faults) -> Examples:
    """The rows of `table` that can be used and have a label; `where` names it in an error.

    Raises:
        DataError: the label column is not there, no label can be used, or no column is left to learn from.
    """
    frame = without_ignored(table.frame, where, data)
    if data.label not in frame.columns:
        raise DataError(no_column(where, "label", data.label, frame.columns, "set data.label to one of them"))
    features = feature_columns(list(frame.columns), data)
    if not features:
        raise DataError(f"{where} has no column beside '{data.label}' to learn from: add one.")
    if all(as_text(frame[name]).isna().all() for name in features):
        raise DataError(f"{where} has no value in any column beside '{data.label}' to learn from: fill them in.")
    labels = label_text(frame[data.label])
    task, faults = usable_labels(labels, data.task, where)
    found = Rows(frame, labels, task, faults, unusable(frame), table.malformed)
    return found.as_examples(features, where, data.name, data)


@dataclass(frozen=True)
class Rows:
    """The rows of a file (N), their labels, why a label or a row is of no use (N, missing where it is), and what was
    left out before.
    """

    frame: pd.DataFrame
    labels: pd.Series
    task: Task
    label_faults: pd.Series
    faults: pd.Series
    malformed: list[Rejected]

    def as_examples(self, features: list[str], where: object, source: str, data: Data) -> Examples:
        """Those without a fault; their content is that of the columns `features`, and they come from `source`.

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
        content = content_ids(frame[features])
        manifest = pd.DataFrame(
            {
                "id": numbered(content),
                "content_id": content,
                "bytes_id": bytes_ids(frame[features]),
                "path": paths[usable].reset_index(drop=True),
                "label": self.labels[usable].reset_index(drop=True),
                "split": optional(frame.get(data.split_column), len(frame)),
                "group": optional(frame.get(data.group_column), len(frame)),
                "source": pd.Series([source] * len(frame), dtype="str"),
            }
        )
        return Examples(manifest, self.task, rejected, rows=typed(frame.reset_index(drop=True)))


def without_ignored(frame: pd.DataFrame, where: object, data: Data) -> pd.DataFrame:
    """`frame` without the columns of data.ignore.

    Raises:
        DataError: one of them is not there.
    """
    for name in data.ignore:
        if name not in frame.columns:
            raise DataError(no_column(where, "data.ignore", name, frame.columns, "name it as the file does"))
    return frame.drop(columns=list(data.ignore))


def feature_columns(columns: list[str], data: Data) -> list[str]:
    """What is left to learn from once label, split and group are taken out."""
    return [name for name in columns if name not in (data.label, data.split_column, data.group_column)]


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


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with text that is all plain numbers as numbers, and missing cells as such; other text as it is."""
    return frame.apply(_typed_column)


def _typed_column(values: pd.Series) -> pd.Series:
    if not isinstance(values.dtype, pd.StringDtype):
        return values
    stripped = values.str.strip()
    values = values.mask(stripped.isin(MISSING))
    if values.isna().all() or stripped.str.match(LEADING_ZERO).any():
        return values
    numbers = pd.to_numeric(stripped.mask(values.isna()), errors="coerce")
    return numbers if bool((numbers.notna() == values.notna()).all()) else values


def fit_rows(rows: pd.DataFrame, training: np.ndarray, data: Data, where: object) -> dict[str, Any]:
    """How to prepare the rows, from those in `training` (indices): the table's part of preparation.json.

    Raises:
        DataError: every column is constant or missing in training.
    """
    names = feature_columns(list(rows.columns), data)
    fitted = {name: fit_column(name, rows[name].iloc[training]) for name in names}
    columns = [column for column in fitted.values() if column]
    if not columns:
        raise DataError(f"Every column of {where} is constant, missing or all different: add one to learn from.")
    features = [feature for column in columns for feature in feature_names(column)]
    return {
        "features": features,
        "columns": columns,
        "dropped": [name for name, column in fitted.items() if column is None],
    }
