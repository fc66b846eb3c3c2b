"""Labels: which are missing or unusable, what task they ask for, and the targets they become."""

import numpy as np
import pandas as pd

from recipe.dataset.columns import number_style
from recipe.dataset.manifest import Task
from recipe.dataset.preparation import MISSING, as_numbers
from recipe.errors import DataError

# A numeric label with more distinct values than this, and no longer a class for most of its examples, is a quantity.
# Digits, ratings and ages in years stay classes; the limit is ours, and data.task overrules it.
MOST_CLASSES_OF_A_NUMBER = 20
LARGEST_CLASS_SHARE = 0.05


def label_text(labels: pd.Series) -> pd.Series:
    """Labels as given, as text, spaces and all; whole floats as integers; missing as NaN."""
    text = labels.astype("str").reset_index(drop=True)
    if pd.api.types.is_float_dtype(labels.dtype):
        text = text.str.replace(r"\.0$", "", regex=True)
    return text.mask(text.str.strip().isin(MISSING))


def task_of(labels: pd.Series, wanted: str) -> Task:
    """The task in `wanted`; for "auto" regression where the labels are numbers with many distinct values."""
    if wanted != "auto":
        return "regression" if wanted == "regression" else "classification"
    present = labels.dropna()
    style = number_style(present)
    if style is None:
        return "classification"
    numbers = as_numbers(present, style)
    distinct = len(np.unique(numbers))
    if distinct <= MOST_CLASSES_OF_A_NUMBER:
        return "classification"
    fractional = bool(np.any(numbers % 1 != 0))
    return "regression" if fractional or distinct > LARGEST_CLASS_SHARE * len(numbers) else "classification"


def label_faults(labels: pd.Series, task: Task) -> pd.Series:
    """Why a label (text, missing as NaN) cannot be used, NaN where it can."""
    unusable = np.isnan(label_numbers(labels)) if task == "regression" else np.zeros(len(labels), dtype=bool)
    faults = np.select([labels.isna(), unusable], ["the label is missing", "the label is not a finite number"], "")
    return pd.Series(faults, index=labels.index, dtype="str").replace("", np.nan)


def label_numbers(labels: pd.Series, style: str | None = None) -> np.ndarray:
    """Labels as float64 (N,), NaN where there is no finite number; written in `style`, by default that of most."""
    return as_numbers(labels, style or label_style(labels))


def label_style(labels: pd.Series) -> str:
    """How most of the labels write a number."""
    return number_style(labels.dropna()) or "1234.5"


def usable_labels(labels: pd.Series, wanted: str, where: object) -> tuple[Task, pd.Series]:
    """The task, and why each label cannot be used (NaN where it can).

    Raises:
        DataError: no label can be used.
    """
    task = task_of(labels, wanted)
    faults = label_faults(labels, task)
    if faults.notna().all():
        if labels.isna().all():
            raise DataError(f"Every label in {where} is missing: fill them in, or name another column with data.label.")
        raise DataError(
            f"No label in {where} is a number, as data.task=regression needs: "
            "set data.task=classification or name another column with data.label."
        )
    return task, faults


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
