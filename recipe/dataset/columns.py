"""What a table's columns are, numbers, dates or categories, and the statistics they are prepared with."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.preparation import NUMBER_STYLES, as_dates, as_numbers, as_text, epoch_days

Numbers = NDArray[np.float64]

SAME_KIND_SHARE = 0.95  # as many values must be numbers, or dates; the few others are taken as missing
MAX_CATEGORIES = 50  # a column of more is text or an identifier: the rest share one feature
MIN_CATEGORY_COUNT = 2  # a value seen once in training says nothing about its label
CONSTANT = 1e-12  # a spread below this part of the size is rounding

DATE_FORMATS = (  # the first that reads most values is taken; month first before day first, as pandas does
    "ISO8601",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d %B %Y",
)
PROBED = 200  # values, evenly spread, that are looked at before a whole column is parsed
LIKELY_SHARE = 0.5  # of those; the whole column then decides
# 0,346 and 12,34 are no thousands; 1,234,567 and 1,234.5 are. A column all of 12,345 may be either, and is taken for
# thousands; a slip of the pen or two do not decide.
DECIMAL_COMMA = r"[-+]?[$€£¥]?\s*(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))\s*%?"
THOUSANDS_COMMA = r"[-+]?[$€£¥]?\s*\d{1,3}(?:(?:,\d{3}){2,}|(?:,\d{3})+\.\d+)\s*%?"
SLIPS_SHARE = 0.02


def fit_column(name: str, values: pd.Series) -> dict[str, Any] | None:
    """How to prepare a column, from its training values; None where it says nothing: constant, or wholly missing."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _fit_date(name, as_dates(values, "ISO8601"), "ISO8601")
    if _is_number(values):
        return _fit_number(name, as_numbers(values, NUMBER_STYLES[0]), NUMBER_STYLES[0])
    text = as_text(values)
    present = text.dropna()
    if present.empty:
        return None
    style = number_style(present)
    if style:
        return _fit_number(name, as_numbers(text, style), style)
    date_format = date_format_of(present)
    if date_format:
        return _fit_date(name, as_dates(text, date_format), date_format)
    return _fit_category(name, text)


def number_style(present: pd.Series) -> str | None:
    """The style that at least `SAME_KIND_SHARE` of the values, none missing, are numbers in; None: they are not."""
    if present.empty:
        return None
    if _is_number(present):
        return NUMBER_STYLES[0]
    text = as_text(present)
    for style in NUMBER_STYLES:
        if style == "1,234.5" and _has_decimal_commas(text):
            continue
        if _number_share(_probe(text), style) >= LIKELY_SHARE and _number_share(text, style) >= SAME_KIND_SHARE:
            return style
    return None


def date_format_of(present: pd.Series) -> str | None:
    """The format that reads most of the values (text, none missing), at least `SAME_KIND_SHARE`; None: no dates."""
    likely = [name for name in DATE_FORMATS if _date_share(_probe(present), name) >= LIKELY_SHARE]
    shares = {name: _date_share(present, name) for name in likely}
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best and shares[best] >= SAME_KIND_SHARE else None


def is_text(column: pd.Series) -> bool:
    """Whether cells are strings, or anything at all."""
    return pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)


def numbers_of(column: pd.Series) -> Numbers:
    """The column as float64 `(N,)`, NaN where a cell is no number: decorated ones such as `1,200` or `$5` are."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return np.full(len(column), np.nan)
    return as_numbers(column, number_style(column.dropna()) or "1234.5")


def _probe(values: pd.Series) -> pd.Series:
    return values.iloc[:: max(1, len(values) // PROBED)]


def _number_share(text: pd.Series, style: str) -> float:
    return float((~np.isnan(as_numbers(text, style))).mean())


def _has_decimal_commas(text: pd.Series) -> bool:
    """Whether more of the values can only have a decimal comma than can only have a comma between thousands."""
    decimal, thousands = (text.str.fullmatch(kind, na=False).sum() for kind in (DECIMAL_COMMA, THOUSANDS_COMMA))
    return bool(decimal > max(thousands, SLIPS_SHARE * len(text)))


def _date_share(values: pd.Series, date_format: str) -> float:
    return float(as_dates(values, date_format).notna().mean())


def _is_number(values: pd.Series) -> bool:
    kind = values.dtype
    if pd.api.types.is_timedelta64_dtype(kind):
        return True
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def _fit_number(name: str, numbers: np.ndarray, style: str) -> dict[str, Any] | None:
    statistics = _statistics(numbers)
    return statistics and {"name": name, "kind": "number", "style": style, **statistics}


def _fit_date(name: str, dates: pd.Series, date_format: str) -> dict[str, Any] | None:
    days = epoch_days(dates)
    statistics = _statistics(days)
    if statistics is None:
        return None
    known = days[~np.isnan(days)]
    span = np.ptp(known)
    periods = {"year": span >= 365, "week": span >= 14, "day": bool(np.any(known % 1 != 0))}
    cycles = [f"{period} {wave}" for period, useful in periods.items() if useful for wave in ("sine", "cosine")]
    return {"name": name, "kind": "date", "format": date_format, "cycles": cycles, **statistics}


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


def _fit_category(name: str, text: pd.Series) -> dict[str, Any] | None:
    counts = text.value_counts()
    common = sorted(counts.index[counts >= MIN_CATEGORY_COUNT], key=lambda value: (-counts[value], value))
    categories = sorted(str(value) for value in common[:MAX_CATEGORIES])
    missing = bool(text.isna().any())
    other = len(categories) < len(counts)
    if not categories or (len(categories) == 1 and not missing and not other):
        return None
    return {"name": name, "kind": "category", "categories": categories, "other": other, "missing": missing}
