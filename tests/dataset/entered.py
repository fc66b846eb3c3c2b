"""What entered the net, in the units of the file: to be held against the truth that the file was written from."""

import numpy as np
import pandas as pd

from recipe.dataset.preparation import SECONDS_A_DAY, feature_names
from recipe.dataset.stored import Dataset


def entered(dataset: Dataset, column: str) -> np.ndarray:
    """One column as the prepared inputs hold it, (N,): float64, datetime64[s], or text; None where it is missing."""
    start = 0
    for fitted in dataset.preparation["columns"]:
        names = feature_names(fitted)
        if fitted["name"] == column:
            block = np.asarray(dataset.inputs[:, start : start + len(names)], dtype=np.float64)
            return _in_units(block, fitted)
        start += len(names)
    raise AssertionError(f"{column} is no input: {dataset.preparation['dropped']}")


def assert_entered(dataset: Dataset, column: str, truth: np.ndarray) -> None:
    """Whether the inputs are the truth, in the order of the file, as far as single precision holds it."""
    given = entered(dataset, column)
    if given.dtype == object:
        assert given.tolist() == list(truth)
        return
    truth = np.asarray(truth)
    if np.issubdtype(truth.dtype, np.datetime64):
        given, truth = (one.astype("datetime64[s]").astype(np.float64) for one in (given, truth))
    truth = truth.astype(np.float64)
    spread = np.nanstd(truth)
    np.testing.assert_array_equal(np.isnan(given), np.isnan(truth))
    np.testing.assert_allclose(given, truth, atol=1e-5 * spread)


def told(dataset: Dataset, *parts: str) -> bool:
    """Whether one of the notes has all of `parts`."""
    return any(all(part in note for part in parts) for note in dataset.notes)


def _in_units(block: np.ndarray, fitted: dict[str, object]) -> np.ndarray:
    missing = block[:, -1] > 0.5 if fitted["missing"] else np.zeros(len(block), dtype=bool)
    if fitted["kind"] == "category":
        names = [*fitted["categories"], *(["other"] if fitted["other"] else [])]  # type: ignore[misc]
        codes = block[:, : len(names)].argmax(axis=1)
        return np.array(
            [None if gone else names[code] for gone, code in zip(missing, codes, strict=True)], dtype=object
        )
    numbers = np.where(missing, np.nan, block[:, 0] * fitted["std"] + fitted["mean"])  # type: ignore[operator]
    if fitted["kind"] == "number":
        return numbers
    dates: np.ndarray = pd.to_datetime(pd.Series(np.round(numbers * SECONDS_A_DAY)), unit="s").to_numpy()
    return dates.astype("datetime64[s]")
