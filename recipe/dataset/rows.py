"""Prepared rows of a table turned back into its own columns: the inverse of recipe/dataset/preparation.py."""

import math
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.preparation import SECONDS_A_DAY, feature_names

MISSING, UNSEEN, OTHER = "missing", "none of training's", "a rare one"
DIGITS = 4  # of a number, of which float32 keeps seven
HALF = 0.5  # between the 0 and the 1 of a feature that says yes or no


def readable_rows(inputs: np.ndarray, preparation: dict[str, Any]) -> pd.DataFrame:
    """Inputs (N, F) as text (N, columns): numbers in their own units, dates, categories by name, and missing ones."""
    columns, start = {}, 0
    for column in preparation["columns"]:
        width = len(feature_names(column))
        columns[column["name"]] = _readable(inputs[:, start : start + width].astype(np.float64), column)
        start += width
    return pd.DataFrame(columns, dtype="str")


def _readable(block: np.ndarray, column: dict[str, Any]) -> list[str]:
    read = {"number": _numbers, "date": _dates, "category": _categories}[column["kind"]]
    missing = block[:, -1] > HALF if column["missing"] else np.zeros(len(block), dtype=bool)
    return [MISSING if gone else text for gone, text in zip(missing, read(block, column), strict=True)]


def _numbers(block: np.ndarray, column: dict[str, Any]) -> list[str]:
    """To a thousandth of their spread, which float32 keeps: so that a zero comes back as one."""
    places = DIGITS - 1 - math.floor(math.log10(column["std"]))
    return [f"{value:.{DIGITS}g}" for value in np.round(block[:, 0] * column["std"] + column["mean"], places) + 0.0]


def _dates(block: np.ndarray, column: dict[str, Any]) -> list[str]:
    """To the second where days have parts that matter, else to the day."""
    days = block[:, 0] * column["std"] + column["mean"]
    has_time = any(cycle.startswith("day") for cycle in column["cycles"])
    seconds = np.round(days * SECONDS_A_DAY) if has_time else np.round(days) * SECONDS_A_DAY
    return [str(date)[: 19 if has_time else 10].replace("T", " ") for date in seconds.astype("datetime64[s]")]


def _categories(block: np.ndarray, column: dict[str, Any]) -> list[str]:
    names = [*column["categories"], *([OTHER] if column["other"] else [])]
    chosen = block[:, : len(names)]
    return [names[row.argmax()] if row.max() > HALF else UNSEEN for row in chosen]
