"""The rows of a file, a CSV or Parquet: as a data set, as examples beside one, and as inputs to predict."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.beside import READY, Beside, beside, label_faults
from recipe.dataset.kind import RawInputs
from recipe.dataset.labels import label_text
from recipe.dataset.manifest import COLUMNS_NAMED, Examples, no_column, optional
from recipe.dataset.preparation import CENTURY, as_dates, as_text, signs
from recipe.dataset.readings import Reading
from recipe.dataset.roles import content_columns, roles_in
from recipe.dataset.stored import Dataset
from recipe.dataset.table_files import TABLE_SUFFIXES, is_parquet, read_table
from recipe.dataset.tables import Faults, Rows, no_faults, table_examples
from recipe.dataset.times import time_faults
from recipe.errors import DataError, reworded
from recipe.settings import Data, nearest

Preparation = dict[str, Any]
Strange = Callable[[pd.DataFrame, Preparation, Path], pd.Series]

DATES = {"ISO8601": "%Y-%m-%dT%H:%M:%S.%f"}  # how a format that reads many is written

logger = logging.getLogger(__name__)


def read_rows(
    path: Path, data: Data, inputs: Path, *, columns: Sequence[str] = (), unusable: Faults = no_faults
) -> Examples:
    """The labelled rows of a file; see `Kind.read`.

    Args:
        columns: those that it must have.
        unusable: why a row cannot be prepared.

    Raises:
        DataError: it cannot be read, lacks a column, or holds no row that can be used.
    """
    table = read_table(path)
    for name in columns:
        if name not in table.frame.columns:
            raise DataError(no_column(path, "inputs", name, table.frame.columns, f"rename one '{name}'"))
    return table_examples(table, path, data, unusable)


def read_rows_beside(
    path: Path,
    reference: Dataset,
    labelled: bool,
    inputs: Path,
    *,
    code: ModuleType,
    unusable: Faults = no_faults,
    strange: Strange = lambda rows, preparation, file: no_faults(rows),
) -> Beside:
    """The rows of `path` that fit the data set; see `Kind.read_beside`.

    Args:
        code: see `Kind.code`.
        unusable: why a row cannot be prepared.
        strange: why a row that can be prepared must not join a data set.

    Raises:
        DataError: it cannot be read, lacks a column, or holds no row that can be used.
    """
    data, preparation = reference.settings.data, reference.preparation
    file = table_in(path) if labelled else path
    table = read_table(file)
    frame = _as_the_data_set(table.frame, reference, file) if labelled else table.frame
    for name in code.raw_columns(preparation):
        if name not in frame.columns:
            raise DataError(no_column(path, "model", name, frame.columns, "give it the columns of the training data"))
    if frame.empty and not labelled:
        raise DataError(f"None of the rows of {path} can be read: {table.malformed[0].reason}.")
    how, time = preparation["label"], reference.time_column
    readings = {name: Reading.from_json(one) for name, one in preparation["readings"].items()}
    labels = label_text(frame[data.label], how["absent"]) if data.label in frame else optional(None, len(frame))
    faults, wrong = unusable(frame), no_faults(frame)
    if labelled:
        wrong, strangers = label_faults(labels, reference), strange(frame, preparation, file)
        faults = strangers.where(strangers.notna(), faults)
        timeless = no_faults(frame) if time is None else time_faults(frame, time, readings[time])
        faults = faults.where(faults.notna(), timeless)
    columns = [name for name in content_columns(list(reference.rows.columns), data) if name in frame]
    found = Rows(frame, labels, preparation["task"], wrong, faults, table.malformed, readings)
    examples = found.as_examples(columns, file.name, path.name, data, how["style"])
    if labelled:
        examples.notes.extend(_surplus(table.frame, reference))
    inputs_of = code.prepare_inputs(examples.rows, preparation)
    cells = frame.loc[[int(path.removeprefix("row:")) for path in examples.manifest["path"]]]
    return Beside(beside(reference, examples, inputs_of, labelled), cells)


def read_raw_rows(
    paths: Sequence[Path],
    preparation: Preparation,
    *,
    code: ModuleType,
    unusable: Faults = no_faults,
    notes: Callable[[pd.DataFrame, Preparation], Iterator[str]] = lambda rows, preparation: iter(()),
) -> Iterator[RawInputs]:
    """The rows of each file, to be predicted; see `Kind.read_raw`.

    Args:
        notes: sentences on cells that are taken for something else than they are.
    """
    for path in paths:
        try:
            table = read_table(path)
            rows = table.frame
            missing = [name for name in code.raw_columns(preparation) if name not in rows.columns]
            if missing:
                raise ValueError(f"The input lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.")
            faults = unusable(rows)
            prepared = code.prepare_inputs(rows[faults.isna()], preparation)
        except DataError as error:
            yield _none_of(path, reworded(str(error), "name"), preparation)
            continue
        except ValueError as error:
            yield _none_of(path, f"{path} does not fit the model: {error}", preparation)
            continue
        for note in notes(table.frame, preparation):
            logger.warning("%s: %s", path, note)
        told = {f"row:{row}": fault for row, fault in faults.dropna().items()}
        told |= {one.path: one.reason for one in table.malformed}
        count = len(rows) + len(table.malformed)
        names = [f"row:{row}" for row in range(count)]
        errors = [f"{name} of {path}: {told[name]}." if name in told else None for name in names]
        yield RawInputs(pd.DataFrame({"path": str(path), "row": range(count)}), errors, prepared)


def _none_of(path: Path, error: str, preparation: Preparation) -> RawInputs:
    named = pd.DataFrame({"path": [str(path)], "row": [np.nan]})
    return RawInputs(named, [error], np.empty((0, *preparation["input_shape"]), np.float32))


def table_in(path: Path) -> Path:
    """The one table that a delivery is, or holds."""
    if not path.is_dir():
        return path
    files = sorted(file for file in path.rglob("*") if _is_content(file, path))
    tables = [file for file in files if file.suffix.lower() in TABLE_SUFFIXES]
    if len(tables) != 1 or len(files) != 1:
        held = ", ".join(file.relative_to(path).as_posix() for file in files[:3]) or "nothing"
        raise DataError(f"{path.name} should hold one CSV or Parquet file and holds {held}: deliver one table each.")
    return tables[0]


def _is_content(file: Path, root: Path) -> bool:
    parts = file.relative_to(root).parts
    hidden = any(part.startswith(".") for part in parts)
    return file.is_file() and not file.is_symlink() and file.name != READY and not hidden


# As the data set has its rows


def _as_the_data_set(frame: pd.DataFrame, reference: Dataset, file: Path) -> pd.DataFrame:
    """The columns of the data set, in its order, and where that is a CSV as text: examined is what would be written.

    There is no split: who delivers does not say what a row is for.

    Raises:
        DataError: a column is missing.
    """
    data, known = reference.settings.data, list(reference.rows.columns)
    split = roles_in(known, data).split
    if split is not None:
        frame = frame.assign(**{split: pd.Series(np.nan, index=frame.index, dtype="str")})
    missing = [name for name in known if name not in frame.columns]
    if missing:
        near = nearest(missing[0], [name for name in frame.columns if name not in known])
        raise DataError(f"{file.name} lacks {_listed(missing)}{near}: send the columns {_listed(known)}.")
    if is_parquet(Path(data.path)):
        return frame[known]
    written = _written(reference)
    return pd.DataFrame({name: _cells(frame[name], written.get(name, {})) for name in known}, index=frame.index)


def _written(reference: Dataset) -> dict[str, dict[str, Any]]:
    """How each column that is no text is written in the data set: its kind, and its style or format."""
    columns = {column["name"]: column for column in reference.preparation["columns"] or ()}
    if reference.preparation["classes"] is None:
        style = reference.preparation["label"]["style"]
        columns[reference.settings.data.label] = {"kind": "number", "style": style}
    if reference.time_column is not None:
        columns[reference.time_column] = reference.preparation["readings"][reference.time_column]
    return columns


def _cells(values: pd.Series, column: dict[str, Any]) -> pd.Series:
    """A CSV's own cells as they are; numbers and dates that a Parquet file has as such in the style of `column`."""
    if isinstance(values.dtype, pd.StringDtype):
        return values
    if column.get("kind") == "date" and pd.api.types.is_datetime64_any_dtype(values.dtype):
        written = as_dates(values, "").dt.strftime(CENTURY.sub("%y", DATES.get(column["format"], column["format"])))
        return written.astype("str")
    text = as_text(values).astype("str")
    if column.get("kind") == "number" and signs(column["style"])[1] == ",":
        return text.str.replace(".", ",", regex=False)
    return text


def _surplus(frame: pd.DataFrame, reference: Dataset) -> Iterator[str]:
    known = {*reference.rows.columns, *reference.settings.data.ignore}
    more = [name for name in frame.columns if name not in known]
    if more:
        yield f"The data set has no column {_listed(more)}: left out."


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:COLUMNS_NAMED])
    return shown + (" and more" if len(names) > COLUMNS_NAMED else "")
