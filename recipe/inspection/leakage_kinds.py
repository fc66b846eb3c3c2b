"""The eight ways in which a test may know what it should not, and what the data at hand say of each.

Kapoor and Narayanan 2023, "Leakage and the reproducibility crisis in machine-learning-based science", table 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from recipe.dataset.columns import is_text, numbers_of
from recipe.dataset.counted import counted
from recipe.dataset.splits import TEST, TRAIN
from recipe.dataset.stored import Dataset
from recipe.inspection.columns import dates_of, features

Answer = Literal["none seen", "found", "cannot be seen"]

ROUNDING = 1e-6  # of a mean that is 0, in standard deviations: what a file of six digits leaves
LIKE = 1e-3  # of a spread that is 1
FEWEST_VALUES = 20  # of a column; one of fewer may have mean 0 by design
NAMED = 3  # columns in a sentence


@dataclass(frozen=True)
class Kind:
    """One kind of leakage: its name, whether the data show it, and a sentence that says why."""

    name: str
    answer: Answer
    told: str


def kinds_of_leakage(dataset: Dataset, found: Mapping[str, int]) -> list[Kind]:
    """Each of the eight kinds, in their order.

    Args:
        found: how many crossings there are of each kind of data/leakage.
    """
    return [
        _no_test_set(dataset),
        _preprocessed_together(dataset),
        Kind("features selected on all", "cannot be seen", "what was chosen before the data were written is not in it"),
        _counted("duplicates across splits", {"copies": found["exact"], "near copies": found["near"]}),
        _counted("features that give the label away", {"columns": found["column"]}),
        _time(dataset),
        _counted("groups across splits", {"groups": found["group"], "unnamed groups": found["unnamed group"]}),
        Kind(
            "a test unlike what is to come",
            "cannot be seen",
            "data/drift compares the splits; what is to come shows only in a delivery",
        ),
    ]


def _no_test_set(dataset: Dataset) -> Kind:
    held_out = len(dataset.where(TEST))
    if not held_out:
        return Kind("no test set", "found", "no example is held out to the end")
    return Kind("no test set", "none seen", f"{counted(held_out, 'example')} held out, and read by squeeze alone")


def _preprocessed_together(dataset: Dataset) -> Kind:
    name, ours = "preprocessing on all", "what this pipeline does is fitted to training examples alone"
    columns = list(scaled_on_all(dataset))
    if not columns:
        return Kind(name, "none seen", ours)
    more = ", ..." if len(columns) > NAMED else ""
    shown = ", ".join(f"'{column}'" for column in columns[:NAMED])
    return Kind(name, "found", f"{shown}{more} came standardised over all rows, the test ones too")


def scaled_on_all(dataset: Dataset) -> Iterator[str]:
    """The columns of numbers whose mean over all rows is 0 and whose spread, or length, is 1, but not in training."""
    rows, training = features(dataset), (dataset.manifest["split"] == TRAIN).to_numpy()
    for column in rows:
        if is_text(rows[column]) or pd.api.types.is_datetime64_any_dtype(rows[column]):
            continue
        numbers = numbers_of(rows[column])
        known = np.isfinite(numbers)
        varies = len(np.unique(numbers[known])) >= FEWEST_VALUES
        if varies and _is_standard(numbers[known]) and not _is_standard(numbers[known & training]):
            yield str(column)


def _is_standard(numbers: np.ndarray) -> bool:
    """With mean 0, and a standard deviation or a length of 1."""
    if len(numbers) < 2 or not np.ptp(numbers):
        return False
    spread = float(numbers.std())
    lengths = (spread, float(numbers.std(ddof=1)), float(np.linalg.norm(numbers)))
    return abs(float(numbers.mean())) <= ROUNDING * spread and any(abs(one - 1) <= LIKE for one in lengths)


def _time(dataset: Dataset) -> Kind:
    name = "the future in training"
    if dataset.time_column is not None:
        return Kind(name, "none seen", f"the split is by '{dataset.time_column}': what is held out comes later")
    rows = features(dataset)
    dates = [str(column) for column in rows if dates_of(rows[column]) is not None]
    if dates and not dataset.split_given:
        told = f"'{dates[0]}' is a date and the split by chance: where later rows are foretold, set data.split.by=time"
        return Kind(name, "found", told)
    return Kind(name, "none seen" if not dates else "cannot be seen", _why_no_time(dates))


def _why_no_time(dates: list[str]) -> str:
    return "the split is your own" if dates else "no column holds dates"


def _counted(name: str, counts: Mapping[str, int]) -> Kind:
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return Kind(name, "found" if told else "none seen", told or f"no {' and no '.join(counts)}")
