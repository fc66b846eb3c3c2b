"""When each example was: the column that a split by time goes by, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from recipe.dataset.delimited import Table
from recipe.dataset.manifest import no_column
from recipe.dataset.preparation import as_dates, as_numbers, as_text
from recipe.dataset.readings import CELL_SHOWN, Reading, read_columns
from recipe.errors import DataError
from recipe.settings import Data

TIME = "time"  # the manifest's column, which only a split by time has
YEARS = ("%Y", "%y")  # a date without one is a time of day, which comes again


@dataclass(frozen=True)
class Times:
    """When each row of a file was.

    Attributes:
        column: which says so, and how it is read.
        values: dates or numbers (N,), missing where there is none.
        faults: why there is none (N,), missing where there is one.
    """

    column: str
    reading: Reading
    values: pd.Series
    faults: pd.Series

    @property
    def readings(self) -> dict[str, Reading]:
        """How the column is read, by its name."""
        return {self.column: self.reading}


def times_in(
    table: Table, readings: Mapping[str, Reading], sign: str | None, where: object, data: Data
) -> Times | None:
    """When each row was, where the split is by time.

    Args:
        readings: of the columns that may say so; those of data.ignore, which may too, are read here.
        sign: see `read_columns`.

    Raises:
        DataError: no column says so, or several do.
    """
    if data.split.by != "time":
        return None
    ignored = [name for name in data.ignore if name not in table.not_values]
    asked = {name: how for name, how in data.read_as.items() if name in ignored}
    known = {**readings, **read_columns(table.frame[ignored], sign, data.missing, asked)}
    name = _time_column(known, where, data)
    values = times_read(table.frame[name], known[name])
    return Times(name, known[name], values, _faults(name, table.frame[name], known[name], values))


def _time_column(readings: Mapping[str, Reading], where: object, data: Data) -> str:
    named = data.split.column
    if named is None:
        dated = [name for name, reading in readings.items() if is_dated(reading)]
        if len(dated) > 1:
            raise DataError(
                f"{where} has {len(dated)} columns of dates, and data.split.by=time goes by one: name it, such as "
                f"data.split.column={dated[0]}; the others are {', '.join(dated[1:])}."
            )
        if not dated:
            raise DataError(
                f"{where} has no column of dates for data.split.by=time: name a column of numbers or dates with "
                "data.split.column, or leave data.split.by=time out."
            )
        return dated[0]
    if named not in readings:
        raise DataError(no_column(where, "split by time", named, readings, "set data.split.column to one of them"))
    if not is_dated(readings[named]) and readings[named].kind != "number":
        raise DataError(
            f"The column '{named}' of {where} does not say when a row was, as data.split.column has it: say how its "
            f"dates are written, such as data.read_as.{named}=%d/%m/%Y, or name another column."
        )
    return named


def is_dated(reading: Reading) -> bool:
    """Whether a column holds dates; times of day alone are none."""
    is_iso = reading.format == "ISO8601"
    return reading.kind == "date" and (is_iso or any(year in reading.format for year in YEARS))


def times_read(column: pd.Series, reading: Reading) -> pd.Series:
    """The dates or numbers of a column (N,), missing where there is none."""
    if reading.kind == "number":
        return pd.Series(as_numbers(column, reading.style, reading.missing), index=column.index)
    return as_dates(column, reading.format, reading.missing, reading.serials)


def time_faults(frame: pd.DataFrame, column: str, reading: Reading) -> pd.Series:
    """Why a row (N,) has no time, missing where it has one; `reading` is that of the data set."""
    return _faults(column, frame[column], reading, times_read(frame[column], reading))


def _faults(name: str, column: pd.Series, reading: Reading, values: pd.Series) -> pd.Series:
    text = as_text(column, reading.missing)
    written = f"date as {reading.format}" if reading.kind == "date" else f"number such as {reading.style}"
    odd = "'" + text.str.slice(0, CELL_SHOWN) + f"' in column '{name}' is no {written}"
    reasons = odd.where(text.notna(), f"column '{name}' is empty, and the split goes by it")
    return reasons.where(values.isna()).astype("str")


def notes_on_times(times: Times | None) -> list[str]:
    """How many rows are left out for having no time."""
    count = 0 if times is None else int(times.faults.notna().sum())
    if times is None or not count:
        return []
    left_out = "1 row is" if count == 1 else f"{count:,} rows are"
    return [f"{left_out} left out for want of a time in '{times.column}': trained on, they may be from after the test."]


def in_words(time: object) -> str:
    """A date to the day, or to the second where it has a time of day; a number as it is."""
    if isinstance(time, pd.Timestamp):
        return str(time.date()) if time == time.normalize() else str(time.floor("s"))
    return f"{time:.15g}"
