"""One column of two samples, read alike."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from recipe.dataset.columns import is_text
from recipe.dataset.date_formats import date_format_of
from recipe.dataset.number_styles import number_style
from recipe.dataset.preparation import as_dates, as_numbers, as_text, epoch_days

FEW_VALUES = 12  # numbers as few as months are codes: chi-square sees one of them replaced, rank tests hardly
PROBED = 5_000  # cells of a reference column that tell how it is written


@dataclass(frozen=True)
class ColumnPair:
    """The same column of a reference (N,) and of a batch (M,), of one kind.

    Numbers, and dates in days since 1970, are float64 with NaN where missing; categories are text.
    """

    kind: Literal["number", "date", "category"]
    reference: Any
    batch: Any


def read_alike(reference: pd.Series, batch: pd.Series, is_label: bool = False) -> ColumnPair:
    """Both as the reference is written. A label that is text is a class, even where it is written as a number."""
    if is_label and is_text(reference):
        return ColumnPair("category", as_text(reference), as_text(batch))
    model = _present(reference.iloc[:: 1 + len(reference) // PROBED])
    if model.empty:
        model = _present(batch)
    style, date_format = _style_of(model)
    if date_format is not None:
        return ColumnPair("date", *(epoch_days(as_dates(column, date_format)) for column in (reference, batch)))
    if style is not None and not _are_codes(reference, batch):
        return ColumnPair("number", as_numbers(reference, style), as_numbers(batch, style))
    return ColumnPair("category", as_text(reference), as_text(batch))


def _present(column: pd.Series) -> pd.Series:
    """The cells that hold something: numbers and dates as they are, all else as text."""
    if pd.api.types.is_bool_dtype(column) or is_text(column):
        return as_text(column).dropna()
    return column.dropna()


def _style_of(present: pd.Series) -> tuple[str | None, str | None]:
    """The style that numbers are written in, or the format that dates are; neither for text."""
    if pd.api.types.is_datetime64_any_dtype(present):
        return None, "ISO8601"
    style = number_style(present)
    if style is not None or present.empty or not is_text(present):
        return style, None
    return None, date_format_of(present)


def _are_codes(reference: pd.Series, batch: pd.Series) -> bool:
    return reference.nunique() <= FEW_VALUES and len(set(as_text(reference)) | set(as_text(batch))) <= FEW_VALUES
