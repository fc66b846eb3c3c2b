"""Labels: which are missing or unusable, what task they ask for, and the targets they become."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from recipe.dataset.manifest import Task
from recipe.dataset.number_styles import number_style
from recipe.dataset.preparation import MISSING, NUMBER_STYLES, as_numbers, as_text, words_for_missing
from recipe.dataset.readings import LARGEST_FLOAT32, common_words
from recipe.dataset.target_scale import on_scale
from recipe.errors import DataError
from recipe.settings import Data

# A numeric label with more distinct values than this is a quantity. Digits, ratings and small counts stay classes;
# the limit is ours, and data.task overrules it.
MOST_CLASSES_OF_A_NUMBER = 20
FEWEST_OF_A_CLASS = 2  # in the mean, of numbers that are taken for classes: 16 values on 18 rows are a quantity
# Unless it numbers classes: whole numbers from 0 or 1 on without a gap, the rarest a tenth as common as the mean.
EVEN_SHARE = 0.1

NOT_POSITIVE = "the label is not positive, as data.target=log needs it"

Why = Literal["asked", "words", "few numbers", "numbered classes", "many numbers"]


@dataclass(frozen=True)
class Labels:
    """The labels of a source as they are read.

    Attributes:
        text: (N,) as given but for spaces around them, whole floats as integers, missing as NaN.
        task: what they ask for, and `why`.
        faults: (N,) why each cannot be used, NaN where it can.
        style: how the numbers of a regression are written.
        absent: the words for a missing label, where they are not `MISSING`.
        words: those of them that are common enough to be classes, and how common.
        stripped: how many had spaces around them, where others of the same class had none.
    """

    text: pd.Series
    task: Task
    why: Why
    faults: pd.Series
    style: str
    absent: tuple[str, ...] | None = None
    words: dict[str, int] = field(default_factory=dict)
    stripped: int = 0

    def as_json(self) -> dict[str, Any]:
        """What preparation.json keeps of how they are read."""
        return {"style": self.style, "absent": None if self.absent is None else list(self.absent)}


def read_labels(column: pd.Series, data: Data, where: object, sign: str | None = None) -> Labels:
    """The labels in a column.

    Args:
        where: names the source in an error.
        sign: what stands before decimals in the file.

    Raises:
        DataError: no label can be used.
    """
    words = common_words(column) if data.missing is None and data.task != "regression" else {}
    absent = data.missing if data.missing is not None else tuple(sorted(MISSING - set(words))) if words else None
    text = label_text(column, absent)
    found = number_style(text.dropna(), sign)
    task, why = task_of(text, data.task, found)
    style = found if found and task == "regression" else NUMBER_STYLES[0]
    faults = _faults(text, task, style, data.target)
    if faults.notna().all():
        if text.isna().all():
            raise DataError(f"Every label in {where} is missing: fill them in, or name another column with data.label.")
        raise DataError(
            f"No label in {where} is a number, as data.task=regression needs: "
            "set data.task=classification or name another column with data.label."
        )
    return Labels(text, task, why, faults, style, absent, words, _stripped(column, text))


def label_text(labels: pd.Series, absent: Iterable[str] | None = None) -> pd.Series:
    """Labels as text (N,), whole floats as integers; missing as NaN."""
    return as_text(labels, words_for_missing(absent)).reset_index(drop=True)


def task_of(labels: pd.Series, wanted: str, style: str | None) -> tuple[Task, Why]:
    """The task in `wanted`; for "auto" regression where the labels are numbers with many distinct values.

    Args:
        style: how they write numbers; None: they are none.
    """
    if wanted != "auto":
        return ("regression" if wanted == "regression" else "classification"), "asked"
    if style is None:
        return "classification", "words"
    numbers = as_numbers(labels.dropna(), style)
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    if len(values) <= MOST_CLASSES_OF_A_NUMBER and counts.sum() >= FEWEST_OF_A_CLASS * len(values):
        return "classification", "few numbers"
    are_numbered = values[0] in (0, 1) and np.array_equal(values, np.arange(len(values)) + values[0])
    if are_numbered and counts.min() >= EVEN_SHARE * counts.mean():
        return "classification", "numbered classes"
    return "regression", "many numbers"


def label_numbers(labels: pd.Series, style: str = NUMBER_STYLES[0]) -> np.ndarray:
    """Labels as float64 (N,), NaN where there is no finite number; written in `style`, by default as the manifest does.

    The net computes in single precision: what is beyond it cannot be predicted.
    """
    numbers = as_numbers(labels, style)
    return np.where(np.abs(numbers) <= LARGEST_FLOAT32, numbers, np.nan)


def plain_numbers(labels: pd.Series, style: str) -> pd.Series:
    """Labels that are numbers in `style` as text (N,) that any program reads."""
    return labels if style == NUMBER_STYLES[0] else as_text(pd.Series(label_numbers(labels, style)))


def _faults(labels: pd.Series, task: Task, style: str, scale: str | None) -> pd.Series:
    unusable = has_no_place = np.zeros(len(labels), dtype=bool)
    if task == "regression":
        numbers = label_numbers(labels, style)
        unusable, has_no_place = np.isnan(numbers), np.isnan(on_scale(numbers, {"scale": scale}))
    reasons = ["the label is missing", "the label is not a finite number", NOT_POSITIVE]
    faults = np.select([labels.isna(), unusable, has_no_place], reasons, "")
    return pd.Series(faults, index=labels.index, dtype="str").replace("", np.nan)


def _stripped(column: pd.Series, text: pd.Series) -> int:
    """How many labels had spaces around them, where others of the same class had none."""
    given = column.astype("str").reset_index(drop=True)
    spaced = text.notna() & (given.str.len() != given.str.strip().str.len())
    return int((spaced & text.isin(set(text[~spaced].dropna()))).sum()) if spaced.any() else 0


def class_names(labels: pd.Series, where: object) -> list[str]:
    """The classes, sorted, by value where all are numbers.

    Raises:
        DataError: there is one class only, or no class has a second example.
    """
    counts = labels.value_counts()
    if len(counts) < 2:
        raise DataError(
            f"All {len(labels)} examples of {where} have the label '{counts.index[0]}': give at least two classes."
        )
    if counts.iloc[0] == 1:
        raise DataError(
            f"Each of the {len(counts)} classes of {where} has one example only: give several of each, "
            "name another column with data.label, or set data.task=regression where the label is a quantity."
        )
    names = sorted(str(name) for name in counts.index)
    numbers = pd.to_numeric(pd.Series(names), errors="coerce")
    return [names[place] for place in numbers.argsort(kind="stable")] if numbers.notna().all() else names


def coded(labels: pd.Series, classes: list[str]) -> np.ndarray:
    """Labels as indices into `classes`, int64 (N,)."""
    return pd.Index(classes, dtype=object).get_indexer(pd.Index(labels.astype(object))).astype(np.int64)
