"""A table: a row an example, of numbers, dates and categories; stored as float32 (N, F)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from recipe.dataset import preparation as preparation_code
from recipe.dataset.blankness import blank_rows
from recipe.dataset.kind import Kind, Preparation, Rows
from recipe.dataset.manifest import Examples
from recipe.dataset.preparation import absent_in, as_dates, as_numbers, as_text, feature_names, prepare_rows
from recipe.dataset.roles import feature_columns
from recipe.dataset.row_files import read_raw_rows, read_rows, read_rows_beside
from recipe.dataset.rows import readable_rows
from recipe.dataset.store import RowWriter
from recipe.dataset.stored import Dataset
from recipe.dataset.tables import fit_rows, no_faults
from recipe.dataset.taken import inputs_taken, notes_on_inputs
from recipe.errors import DataError
from recipe.settings import Data

ROWS_AT_ONCE = 65_536  # prepared at a time, so that their float64 copy stays small
FOREIGN_SHARE = 0.5  # of a column's cells that are not of its kind: the column is another, not some of its cells wrong
QUANTITIES = ("number", "date")  # kinds of columns whose first input is one
CELL_SHOWN = 40  # characters of a cell in a sentence


def kind() -> Kind:
    """Tables."""
    return Kind(
        name="table",
        example="row",
        code=preparation_code,
        read=read_rows,
        prepare=_prepare,
        read_beside=partial(read_rows_beside, code=preparation_code, strange=_strange_rows),
        read_raw=partial(read_raw_rows, code=preparation_code, notes=_cells_not_read),
        columns=columns,
        blank=lambda dataset, settings, start: blank_rows(columns(dataset), settings.missing_share),
        decode=lambda batch, preparation: readable_rows(batch.numpy(), preparation),
        made_of=_made_of,
    )


def columns(dataset: Dataset) -> pd.DataFrame:
    """The raw columns without the label, split, group, and what a split by time goes by (N, C)."""
    return dataset.rows[feature_columns(list(dataset.rows.columns), dataset.settings.data, dataset.time_column)]


def _made_of(preparation: Preparation) -> list[tuple[int, bool]]:
    """Of each prepared input its column, and whether it is a quantity: a number, or the days of a date."""
    return [
        (number, column["kind"] in QUANTITIES and place == 0)
        for number, column in enumerate(preparation["columns"])
        for place, _ in enumerate(feature_names(column))
    ]


def _prepare(examples: Examples, training: Rows, data: Data, where: object, inputs: Path) -> Preparation:
    features = feature_columns(examples.rows.columns, data, examples.time_column)
    preparation = fit_rows(examples.rows, features, examples.readings, training, where)
    with RowWriter(inputs, (len(preparation["features"]),), np.float32) as writer:
        for start in range(0, len(examples.rows), ROWS_AT_ONCE):
            writer.append(prepare_rows(examples.rows.iloc[start : start + ROWS_AT_ONCE], preparation))
    examples.taken.append(inputs_taken(preparation))
    examples.notes.extend(notes_on_inputs(preparation, examples.rows))
    return preparation


def _strange_rows(rows: pd.DataFrame, preparation: Preparation, file: Path) -> pd.Series:
    """Why a row cannot join the data set for one of its cells, missing where it can.

    Raises:
        DataError: a whole column holds something else than in the data set.
    """
    faults = no_faults(rows)
    for name, what, strange in _strange_cells(rows, preparation):
        if strange.sum() > FOREIGN_SHARE * max(int(as_text(rows[name]).notna().sum()), 1):
            raise DataError(
                f"The column '{name}' of {file.name} holds {int(strange.sum())} cells such as "
                f"'{str(rows[name][strange].iloc[0])[:CELL_SHOWN]}', which are no {what}: send it as before."
            )
        told = "'" + rows[name].astype("str").str.slice(0, CELL_SHOWN) + f"' in column '{name}' is no {what}"
        faults = faults.where(faults.notna(), told.where(strange))
    return faults


def _cells_not_read(rows: pd.DataFrame, preparation: Preparation) -> Iterator[str]:
    """A sentence for each column with cells that are not written as in training, and so count as missing."""
    for name, what, strange in _strange_cells(rows, preparation):
        if strange.any():
            count = f"{int(strange.sum())} {'cell' if strange.sum() == 1 else 'cells'} of '{name}'"
            first = as_text(rows[name])[strange].iloc[0]
            yield f"{count} hold no {what}, as in training, and count as missing; the first is '{first}'."


def _strange_cells(rows: pd.DataFrame, preparation: Preparation) -> Iterator[tuple[str, str, pd.Series]]:
    """Of each column of numbers or dates its name, what it holds, and which of its cells (N,) hold something else."""
    for column in preparation["columns"]:
        given = rows[column["name"]]
        if column["kind"] == "number":
            read = ~np.isnan(as_numbers(given, column["style"], absent_in(column)))
            what = f"number such as {column['style']}"
        elif column["kind"] == "date":
            serials = column.get("serials", False)
            read = as_dates(given, column["format"], absent_in(column), serials).notna().to_numpy()
            what = f"date in {column['format']}"
        else:
            continue
        yield column["name"], what, as_text(given, absent_in(column)).notna() & ~read
