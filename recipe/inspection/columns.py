"""The columns of a table as a user gave them: what is wrong with one, and which only number the rows."""

import re
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd

from recipe.dataset.columns import Numbers, is_text, numbers_of
from recipe.dataset.date_formats import date_format_of
from recipe.dataset.kind import kind_of
from recipe.dataset.number_styles import SAME_KIND_SHARE
from recipe.dataset.preparation import as_dates, as_text
from recipe.dataset.readings import LEADING_ZERO
from recipe.dataset.stored import Dataset

Problem = Literal["constant", "missing", "identifier", "mixed_types", "impossible_value"]

FEW_ROWS = 20  # fewer say too little about a column's nature
FEW_ODD = 0.05  # impossible values are exceptions: where there are more, the column means something else
MIXED_SHARE = 0.5  # of numbers, from which a column of text was meant to be one of numbers
IDENTIFIER_SHARE = 0.95  # an identifier stays one when some rows were copied, identifier and all
IDENTIFIER_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|index|idx|nr|number)$", re.IGNORECASE)
PLACEHOLDER = re.compile(r"^-?(1|9{2,})$")  # -1, 99, -999, 9999: how a missing number is often written
NEVER_NEGATIVE = re.compile(r"(^|[_\W])(age|height|weight|price|count|length|width|area|distance)($|[_\W])", re.I)
AGE = re.compile(r"(^|[_\W])age($|[_\W])", re.IGNORECASE)
OLDEST_PERSON = 122  # years: Jeanne Calment
ISO_DATE = r"\d{4}-\d{2}-\d{2}"
CENTURIES = (1900, 2100)  # dates outside are placeholders more often than dates


def features(dataset: Dataset) -> pd.DataFrame:
    """The raw columns of a table that are inputs, one by one (N, C); none of images."""
    return kind_of(dataset.preparation).columns(dataset)


def known_by(dataset: Dataset) -> pd.DataFrame:
    """The raw columns of a table by which a row is known again (N, C): inputs, and the time of a split by time."""
    rows, time = features(dataset), dataset.time_column
    if time is None or not len(rows.columns) or time in dataset.settings.data.ignore:
        return rows
    return rows.assign(**{time: dataset.rows[time]})


def measured_columns(dataset: Dataset) -> pd.DataFrame:
    """What ingest has measured of each example (N, C)."""
    return dataset.manifest[[name for name in kind_of(dataset.preparation).measured if name in dataset.manifest]]


def own_columns(dataset: Dataset) -> pd.DataFrame:
    """What the manifest holds of the user's own columns (N, C)."""
    return dataset.manifest[[name for name in dataset.user_columns if name in dataset.manifest]]


def problems(column: pd.Series, missing_share: float) -> Iterator[tuple[Problem, str, bool]]:
    """What is wrong with one raw column: the problem, the value that shows it, and whether it is flagged.

    Missing values are listed wherever there are any, and flagged from `missing_share` on; all else is flagged.
    """
    text = as_text(column)
    values = column[text.notna()]
    absent = 1 - len(values) / max(len(column), 1)
    if absent > 0:
        yield "missing", f"{absent:.4f}", absent >= missing_share
    if values.empty:
        return
    if text.nunique() == 1:
        yield "constant", str(values.iloc[0]), True
        return
    numbers = numbers_of(values)
    if is_text(values) and MIXED_SHARE <= np.isfinite(numbers).mean() < 1.0 and not _are_codes(values):
        yield "mixed_types", str(values[np.isnan(numbers)].iloc[0]), True
    if is_identifier(column):
        yield "identifier", str(values.iloc[0]), True
    for impossible in _impossible_values(str(column.name), values, numbers):
        yield "impossible_value", impossible, True


def dates_of(column: pd.Series) -> pd.Series | None:
    """The column as timestamps, NaT where a cell holds none; None where it is no column of dates."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return as_dates(column, "ISO8601")
    date_format = date_format_of(as_text(column).dropna()) if is_text(column) and column.notna().any() else None
    return as_dates(column, date_format) if date_format else None


def is_identifier(column: pd.Series) -> bool:
    """Whether a column only tells rows apart: nearly all values differ, and they are codes or a dense numbering."""
    values = column.dropna()
    if len(values) < FEW_ROWS or values.nunique() < IDENTIFIER_SHARE * len(values):
        return False
    numbers = numbers_of(values)
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) >= SAME_KIND_SHARE * len(values):
        whole = bool((numbers % 1 == 0).all())
        dense = numbers.max() - numbers.min() < 2 * len(numbers)
        return whole and bool(dense or IDENTIFIER_NAME.search(str(column.name)))
    text = values.astype("str").str.strip()
    return is_text(values) and not text.str.contains(r"\s").any() and date_format_of(text) is None


def _are_codes(values: pd.Series) -> bool:
    return bool(values.astype("str").str.match(LEADING_ZERO).any())


def _impossible_values(name: str, values: pd.Series, numbers: Numbers) -> Iterator[str]:
    years = _years(values)
    if years is not None:
        outside = ~years.between(*CENTURIES)
        if 0 < outside.mean() < FEW_ODD:
            yield f"{values[outside].iloc[0]} ({int(outside.sum())} rows)"
    if pd.api.types.is_float_dtype(values) and np.isinf(values).any():
        yield f"infinite ({int(np.isinf(values).sum())} rows)"
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < FEW_ROWS:
        return
    placeholder = _placeholder(numbers)
    if placeholder is not None:
        yield f"{placeholder:g} ({int((numbers == placeholder).sum())} rows)"
        numbers = numbers[numbers != placeholder]
    if NEVER_NEGATIVE.search(name) and 0 < (numbers < 0).mean() < FEW_ODD:
        yield f"{numbers.min():g} ({int((numbers < 0).sum())} rows)"
    if AGE.search(name) and 0 < (numbers > OLDEST_PERSON).mean() < FEW_ODD:
        yield f"{numbers.max():g} ({int((numbers > OLDEST_PERSON).sum())} rows)"


def _placeholder(numbers: Numbers) -> float | None:
    """A number that stands for a missing one: at an end of the range, far from the rest, written like a placeholder.

    Far is more than the range of all other values. For a repeated zero among varied positive values half again their
    interquartile range is enough: a measurement that can be zero comes near it as well.
    """
    for end in (float(numbers.min()), float(numbers.max())):
        rest = numbers[numbers != end]
        if not len(rest):
            continue
        gap = float(np.abs(rest - end).min())
        if PLACEHOLDER.match(f"{end:.12g}") and gap > np.ptp(rest) > 0:
            return end
        zeros = len(numbers) - len(rest)
        if end == 0 and len(np.unique(rest)) >= FEW_ROWS and 2 <= zeros <= 0.2 * len(numbers):
            low, high = np.quantile(rest, [0.25, 0.75])
            if 0 < 1.5 * (high - low) < gap:
                return end
    return None


def _years(values: pd.Series) -> pd.Series | None:
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.year
    if is_text(values) and values.astype("str").str.match(ISO_DATE).all():
        return values.astype("str").str[:4].astype(int)
    return None
