"""What each column of a file holds and how it is written, decided once from all of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from recipe.dataset.date_formats import COMPACT, are_compact_days, are_serials, date_format_of, day_or_month
from recipe.dataset.number_styles import SAME_KIND_SHARE, is_number, may_be_thousands, number_style
from recipe.dataset.preparation import (
    MISSING,
    NUMBER_STYLES,
    as_dates,
    as_numbers,
    as_text,
    numbers_in,
    words_for_missing,
)
from recipe.dataset.sampling import spread
from recipe.errors import DataError

Holds = Literal["number", "date", "category"]
Codes = Literal["leading zeros", "more digits than a number keeps", "letters that look like exponents"]

LEADING_ZERO = r"[-+]?0\d"  # a code such as a postcode, which a number would cut short
DIGITS = r"\d+"
LONG_DIGITS = r"[1-9]\d{15,}"  # beyond 2^53, where double precision keeps whole numbers no longer apart
EXPONENT = r"\d+E\d+"  # 1E5 is a flat; programs write 1e+05
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
CELL_SHOWN = 40  # characters of a cell in a sentence
# Words that people write for a thing as well as for nothing; programs write NaN, NULL or <NA> for nothing alone.
WORDS = ("None", "NA", "N/A", "n/a")
COMMON = 0.05  # of the cells: such a word is no exception


@dataclass(frozen=True)
class Reading:
    """How a column is read, and what of it is not.

    Attributes:
        kind: what its cells hold.
        style: of numbers, one of NUMBER_STYLES.
        format: of dates.
        counted: how many dates are days as Excel counts them.
        absent: the words for a missing value, where they are not `MISSING`.
        codes: why what could be numbers are codes, and an `example`.
        odd, first_odd: how many cells hold something else and count as missing, and the first of them.
        is_ambiguous: whether another style or format reads every cell too, to other values.
        beyond: how many numbers are beyond single precision.
        is_asked: whether the settings say so.
    """

    kind: Holds
    style: str = ""
    format: str = ""
    counted: int = 0
    absent: tuple[str, ...] | None = None
    codes: Codes | None = None
    example: str = ""
    odd: int = 0
    first_odd: str = ""
    is_ambiguous: bool = False
    beyond: int = 0
    is_asked: bool = False

    @property
    def serials(self) -> bool:
        """Whether some dates are days as Excel counts them."""
        return self.counted > 0

    @property
    def missing(self) -> Iterable[str]:
        """The words for a missing value."""
        return words_for_missing(self.absent)

    def as_json(self) -> dict[str, Any]:
        """What preparation.json keeps of it."""
        return {name: value for name, value in asdict(self).items() if value not in ("", 0, None)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Reading:
        """What `as_json` gave."""
        absent = content.get("absent")
        return cls(**{**content, "absent": None if absent is None else tuple(absent)})


def read_columns(
    frame: pd.DataFrame, sign: str | None, absent: tuple[str, ...] | None, asked: Mapping[str, str]
) -> dict[str, Reading]:
    """How each column of a file is read.

    Args:
        sign: what stands before decimals in the file, where columns settle it.
        absent: the words for a missing value, where they are not `MISSING`.
        asked: what the settings say of a column: number, date or category, or its own style or format.

    Raises:
        DataError: no cell of a column can be read as it is asked.
    """
    readings = {str(name): read_column(frame[name], sign, absent, asked.get(str(name))) for name in frame}
    for name, how in asked.items():
        reading = readings[name]
        if reading.odd and reading.odd == int(as_text(frame[name], reading.missing).notna().sum()):
            raise DataError(
                f"data.read_as.{name}={how}: no cell of '{name}' can be read so; the first is "
                f"'{reading.first_odd[:CELL_SHOWN]}'. Leave it out, or say how the column is written."
            )
    return readings


def read_column(
    column: pd.Series, sign: str | None = None, absent: tuple[str, ...] | None = None, asked: str | None = None
) -> Reading:
    """How one column is read; see `read_columns`."""
    if asked is not None:
        return _as_asked(column, sign, absent, asked)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return Reading("date", format="ISO8601")
    if is_number(column):
        days = as_text(spread(column.dropna()))
        if pd.api.types.is_integer_dtype(column.dtype):
            if are_compact_days(days):
                return _date(as_text(column), COMPACT, absent)
            if days.str.fullmatch(LONG_DIGITS).mean() >= SAME_KIND_SHARE:
                return Reading("category", codes="more digits than a number keeps", example=days.iloc[0], absent=absent)
        return _number(column, NUMBER_STYLES[0], absent)
    absent = _without_values(column, absent)
    text = as_text(column, words_for_missing(absent))
    present = text.dropna()
    codes, example = _codes(present)
    if codes:
        return Reading("category", codes=codes, example=example, absent=absent)
    if are_compact_days(present):
        return _date(text, COMPACT, absent)
    style = number_style(present, sign)
    if style:
        return _number(text, style, absent)
    date_format = date_format_of(present) if len(present) else None
    return _date(text, date_format, absent) if date_format else Reading("category", absent=absent)


def typed(frame: pd.DataFrame, readings: Mapping[str, Reading]) -> pd.DataFrame:
    """`frame` with numbers and dates as such, where every cell of a column is read, and missing cells as such."""
    return pd.DataFrame({name: _typed(frame[name], readings.get(str(name))) for name in frame}, index=frame.index)


def _typed(column: pd.Series, reading: Reading | None) -> pd.Series:
    if reading is None:
        return column
    if reading.kind == "category":
        if isinstance(column.dtype, pd.StringDtype) or is_number(column):
            return as_text(column, reading.missing)
        return column
    if not isinstance(column.dtype, pd.StringDtype) and reading.absent is None and reading.format != COMPACT:
        return column
    text = as_text(column, reading.missing)
    if text.isna().all():
        return text
    values: pd.Series
    if reading.kind == "date":
        values = as_dates(text, reading.format, reading.missing, reading.serials)
    elif reading.style == NUMBER_STYLES[0] and (plain := pd.to_numeric(text, errors="coerce")).notna().equals(
        text.notna()
    ):
        values = plain
    else:
        values = pd.Series(numbers_in(text, reading.style), index=column.index)
    return values if values.notna().equals(text.notna()) else text


def common_words(column: pd.Series) -> dict[str, int]:
    """The words of `WORDS` that are too common in a column to stand for a missing value, and how common they are.

    Only among other words: in a column of numbers or dates they can be nothing else.
    """
    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return {}
    text = column.astype("str").str.strip()
    counts = text[text.isin(WORDS)].value_counts()
    found = {word: int(counts[word]) for word in WORDS if word in counts.index and counts[word] >= COMMON * len(column)}
    if not found:
        return {}
    others = as_text(column).dropna()
    is_words = not len(others) or (number_style(others) is None and date_format_of(others) is None)
    return found if is_words else {}


def _without_values(column: pd.Series, absent: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The words for a missing value of a column of inputs: not two that are both common, which say two things."""
    if absent is not None:
        return absent
    common = common_words(column)
    empty = int((as_text(column, ()).fillna("") == "").sum()) if common else 0
    if len(common) + (empty >= COMMON * len(column)) < 2:
        return None
    return tuple(sorted(MISSING - set(common)))


def _codes(present: pd.Series) -> tuple[Codes | None, str]:
    """Why values (text, none missing) that look like numbers are codes, and one of them; None where they are not."""
    if present.empty or not spread(present).str.contains(r"\d").any():
        return None, ""
    digits, exponents = present.str.fullmatch(DIGITS), present.str.fullmatch(EXPONENT)
    if (digits | exponents).mean() < SAME_KIND_SHARE:
        return None, ""
    padded = digits & present.str.match(LEADING_ZERO)
    long = present.str.fullmatch(LONG_DIGITS)
    found: tuple[tuple[Codes, pd.Series, bool], ...] = (
        ("leading zeros", padded, bool(padded.any())),
        ("letters that look like exponents", exponents, bool(exponents.any())),
        ("more digits than a number keeps", long, long.mean() >= SAME_KIND_SHARE),
    )
    return next(((why, str(present[which].iloc[0])) for why, which, holds in found if holds), (None, ""))


def _as_asked(column: pd.Series, sign: str | None, absent: tuple[str, ...] | None, asked: str) -> Reading:
    text = as_text(column, words_for_missing(absent))
    if asked == "category":
        return Reading("category", absent=absent, is_asked=True)
    if asked == "number" or asked in NUMBER_STYLES:
        style = asked if asked in NUMBER_STYLES else number_style(text.dropna(), sign) or NUMBER_STYLES[0]
        return _number(column if is_number(column) else text, style, absent, is_asked=True)
    date_format = (date_format_of(text.dropna()) or "ISO8601") if asked == "date" else asked
    return _date(text, date_format, absent, is_asked=True)


def _number(values: pd.Series, style: str, absent: tuple[str, ...] | None, is_asked: bool = False) -> Reading:
    missing = words_for_missing(absent)
    is_typed = is_number(values)
    numbers = as_numbers(values, style, missing) if is_typed else numbers_in(values, style)
    odd, first = _odd(values, np.isnan(numbers), missing)
    return Reading(
        "number",
        style=style,
        absent=absent,
        odd=odd,
        first_odd=first,
        is_ambiguous=not is_asked and not is_typed and may_be_thousands(values.dropna(), style),
        beyond=int((np.abs(numbers) > LARGEST_FLOAT32).sum()),
        is_asked=is_asked,
    )


def _date(text: pd.Series, date_format: str, absent: tuple[str, ...] | None, is_asked: bool = False) -> Reading:
    missing = words_for_missing(absent)
    present = text.dropna()
    counted = int(are_serials(present).sum()) if date_format != COMPACT else 0
    dates = as_dates(text, date_format, missing, serials=counted > 0)
    odd, first = _odd(text, dates.isna().to_numpy(), missing)
    return Reading(
        "date",
        format=date_format,
        counted=counted,
        absent=absent,
        odd=odd,
        first_odd=first,
        is_ambiguous=not is_asked and day_or_month(present[~are_serials(present)], date_format),
        is_asked=is_asked,
    )


def _odd(values: pd.Series, unread: np.ndarray, missing: Iterable[str]) -> tuple[int, str]:
    """How many cells hold something that is not read, and the first of them."""
    if not unread.any():
        return 0, ""
    left = as_text(values[unread], missing).dropna()
    return len(left), str(left.iloc[0]) if len(left) else ""
