"""Several tests at once: of one hypothesis, and of many."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def bonferroni(p_values: Sequence[float]) -> float:
    """The p-value of one hypothesis that several tests were made of, however these depend on each other."""
    return min(1.0, len(p_values) * min(p_values))


def holm(p_values: NDArray[np.float64], alpha: float) -> NDArray[np.bool_]:
    """Which of several hypotheses (H,) are rejected, the chance that any is so wrongly being at most `alpha`.

    Holm 1979, Scandinavian Journal of Statistics 6:65. A p-value that is NaN is of a hypothesis that was not tested.
    """
    order = np.argsort(p_values, kind="stable")
    left = np.count_nonzero(np.isfinite(p_values)) - np.arange(len(p_values))
    rejected = np.zeros(len(p_values), dtype=bool)
    rejected[order] = np.logical_and.accumulate(p_values[order] <= alpha / np.maximum(left, 1))
    return rejected
