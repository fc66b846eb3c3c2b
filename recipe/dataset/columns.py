"""How each column of a table is prepared, by its statistics in training."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.number_styles import number_style
from recipe.dataset.preparation import as_dates, as_numbers, as_text, epoch_days
from recipe.dataset.readings import Reading

Numbers = NDArray[np.float64]

MAX_CATEGORIES = 50  # a column of more is text or an identifier: the rest share one feature
MIN_CATEGORY_COUNT = 2  # a value seen once in training says nothing about its label
CONSTANT = 1e-12  # a spread below this part of the size is rounding


def fit_column(name: str, values: pd.Series, reading: Reading) -> dict[str, Any] | None:
    """How to prepare a column, from its training values; None where it says nothing: constant, or wholly missing."""
    fitted: dict[str, Any] | None
    if reading.kind == "number":
        fitted = _fit_number(as_numbers(values, reading.style, reading.missing), reading.style)
    elif reading.kind == "date":
        fitted = _fit_date(as_dates(values, reading.format, reading.missing, reading.serials), reading.format)
    else:
        fitted = _fit_category(as_text(values, reading.missing))
    if fitted is None:
        return None
    own = {"absent": list(reading.absent)} if reading.absent is not None else {}
    serials = {"serials": True} if reading.serials else {}
    return {"name": name, "kind": reading.kind, **fitted, **own, **serials}


def is_text(column: pd.Series) -> bool:
    """Whether cells are strings, or anything at all."""
    return pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)


def numbers_of(column: pd.Series) -> Numbers:
    """The column as float64 `(N,)`, NaN where a cell is no number: decorated ones such as `1,200` or `$5` are."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return np.full(len(column), np.nan)
    return as_numbers(column, number_style(column.dropna()) or "1234.5")


def _fit_number(numbers: np.ndarray, style: str) -> dict[str, Any] | None:
    statistics = _statistics(numbers)
    return statistics and {"style": style, **statistics}


def _fit_date(dates: pd.Series, date_format: str) -> dict[str, Any] | None:
    days = epoch_days(dates)
    statistics = _statistics(days)
    if statistics is None:
        return None
    known = days[~np.isnan(days)]
    span = np.ptp(known)
    periods = {"year": span >= 365, "week": span >= 14, "day": bool(np.any(known % 1 != 0))}
    cycles = [f"{period} {wave}" for period, useful in periods.items() if useful for wave in ("sine", "cosine")]
    return {"format": date_format, "cycles": cycles, **statistics}


def _statistics(numbers: np.ndarray) -> dict[str, Any] | None:
    """The median to fill in, mean and standard deviation once filled, and whether any is missing."""
    missing = np.isnan(numbers)
    if missing.all():
        return None
    fill = float(np.median(numbers[~missing]))
    filled = np.where(missing, fill, numbers)
    mean, std = float(filled.mean()), float(filled.std())
    if std <= CONSTANT * max(abs(mean), abs(fill)):
        if not missing.any():
            return None
        std = 1.0
    return {"fill": fill, "mean": mean, "std": std, "missing": bool(missing.any())}


def _fit_category(text: pd.Series) -> dict[str, Any] | None:
    counts = text.value_counts()
    common = sorted(counts.index[counts >= MIN_CATEGORY_COUNT], key=lambda value: (-counts[value], value))
    categories = sorted(str(value) for value in common[:MAX_CATEGORIES])
    missing = bool(text.isna().any())
    other = len(categories) < len(counts)
    if not categories or (len(categories) == 1 and not missing and not other):
        return None
    return {"categories": categories, "other": other, "missing": missing}
