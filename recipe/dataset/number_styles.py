"""How the numbers of a column are written: which sign stands before decimals, and which between thousands."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from recipe.dataset.preparation import NUMBER_STYLES, PLAIN, as_text, numbers_in, signs
from recipe.dataset.sampling import spread

SAME_KIND_SHARE = 0.95  # as many values must be numbers, or dates; the few others are taken as missing
LIKELY_SHARE = 0.5  # of a few values, evenly spread; the whole column then decides
SLIPS_SHARE = 0.02  # a slip of the pen or two do not decide
# 0,346 and 12,34 are no thousands, and 1.234,5 has them; 1,234,567 and 1,234.5 are. 12,345 alone may be either.
COMMA_BEFORE_DECIMALS = r"^\D*(?:0,\d+|\d+,(?:\d{1,2}|\d{4,})|\d{1,3}(?:[. ']\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})\D*$"
POINT_BEFORE_DECIMALS = r"^\D*(?:0\.\d+|\d+\.(?:\d{1,2}|\d{4,})|\d{1,3}(?:[, ']\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,})\D*$"


def number_style(present: pd.Series, file_sign: str | None = None) -> str | None:
    """The style that at least `SAME_KIND_SHARE` of the values, none missing, are numbers in; None: they are not.

    Args:
        file_sign: what stands before decimals in other columns of the file; decides where these values do not.
    """
    if present.empty:
        return None
    if is_number(present):
        return NUMBER_STYLES[0]
    text = as_text(present)
    probe = spread(text)
    likely = [style for style in NUMBER_STYLES if _share(probe, style) >= LIKELY_SHARE]
    if not likely:
        return None
    sign = decimal_sign(text) or file_sign or "."
    for meant in (sign, ".", ","):
        styles = [style for style in likely if signs(style)[1] == meant]
        shares: dict[str, float] = {}
        for style in styles:
            shares[style] = _share(text, style)
            if shares[style] == 1:  # the others cannot read more
                return style
        best = max(shares, key=shares.__getitem__, default=None)
        if best and shares[best] >= SAME_KIND_SHARE:
            return best
    return None


def decimal_sign(text: pd.Series) -> str | None:
    """What stands before decimals in the values, none missing: "," or "."; None where they do not settle it."""
    text = spread(text, most=5_000).str.translate(PLAIN)
    counts = {
        sign: int(text.str.contains(pattern).sum())
        for sign, pattern in ((",", COMMA_BEFORE_DECIMALS), (".", POINT_BEFORE_DECIMALS))
    }
    sign, other = sorted(counts, key=counts.__getitem__, reverse=True)
    return sign if counts[sign] > max(counts[other], SLIPS_SHARE * len(text)) else None


def sign_of_file(columns: Iterable[pd.Series]) -> str | None:
    """What most columns of numbers have before their decimals; None where none settles it."""
    settled = [decimal_sign(text) for text in map(_numbers_in, columns) if len(text)]
    comma, point = settled.count(","), settled.count(".")
    return None if comma == point else "," if comma > point else "."


def may_be_thousands(text: pd.Series, style: str) -> bool:
    """Whether a style was chosen for numbers that another reads as well, to another value: 1.130 in all of a file."""
    other = other_style(style)
    if _share(spread(text), other) < 1:
        return False
    here, there = numbers_in(text, style), numbers_in(text, other)
    known = ~np.isnan(here)
    return bool((known & (here != there)).any() and not np.isnan(there[known]).any())


def other_style(style: str) -> str:
    """The style in which commas and points have changed places."""
    return "1.234,5" if signs(style)[1] == "." else "1,234.5"


def is_number(values: pd.Series) -> bool:
    """Whether the column has a type of numbers, or of spans of time."""
    kind = values.dtype
    if pd.api.types.is_timedelta64_dtype(kind):
        return True
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def _share(text: pd.Series, style: str) -> float:
    return float((~np.isnan(numbers_in(text, style))).mean())


def _numbers_in(column: pd.Series) -> pd.Series:
    """The column's text, where it holds numbers in any style; else nothing of it."""
    if not isinstance(column.dtype, pd.StringDtype):
        return column.iloc[:0].astype("str")
    text = spread(as_text(spread(column, most=5_000)).dropna())
    is_numeric = any(_share(text, style) >= SAME_KIND_SHARE for style in NUMBER_STYLES) if len(text) else False
    return text if is_numeric else text.iloc[:0]
