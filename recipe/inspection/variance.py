"""How much of the variance of labels, or of a column, lies between the values of another."""

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.stored import Dataset

Values = NDArray[np.float64]


def label_indicators(dataset: Dataset) -> Values:
    """The labels as numbers (N, k): an indicator a class, or the standardised targets."""
    targets = np.asarray(dataset.targets)
    if dataset.preparation["classes"] is None:
        return targets.astype(np.float64)
    return np.eye(len(dataset.preparation["classes"]))[targets]


def squares_within(codes: NDArray[np.int64], values: Values) -> Values:
    """The squares of `values` (N, k) about the means of their groups, summed (k,); `codes` (N,) are 0 to G - 1."""
    sizes = np.bincount(codes)
    means = np.stack([np.bincount(codes, column) for column in values.T], axis=1) / sizes[:, None]
    return np.asarray(((values - means[codes]) ** 2).sum(0))


def adjusted_share(left: float, parameters: int, values: Values) -> float:
    """The share of the variance of `values` (N, k) that a fit of so many parameters, which leaves the squares `left`,
    explains: R2, adjusted; NaN where nothing varies, or nothing is left to judge by.
    """
    total, count = float(((values - values.mean(0)) ** 2).sum()), len(values)
    if total == 0 or count <= parameters:
        return float("nan")
    return 1 - (left / (count - parameters)) / (total / (count - 1))
