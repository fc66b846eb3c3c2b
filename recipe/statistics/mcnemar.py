"""Two classifiers on the same examples: McNemar's test (1947), exact, and the interval that fits it.

Wins are the examples that the one alone has right, `either` those that just one has right; arrays of one shape. The
interval is Fay and Lumbard's (2021, Statistics in Medicine 40:1147).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)  # enough for p-values that are right to the fourth digit
PLACES, WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2  # between 0 and 1
HALVINGS = 24  # of the range that an interval's end lies in: known to 1e-7


def p_value(wins: Counts, either: Counts, count: Counts, than: float) -> Floats:
    """The p-values of differences of at most `than`: at 0 McNemar's, exact and conditional."""
    from scipy.stats import binom

    if than == 0:
        return np.asarray(binom.sf(wins - 1, either, 0.5))
    return _melded(wins, either, count, np.array(than), _shares(either, count, np.array(than < 0)))


def bounds(wins: Counts, either: Counts, count: Counts, level: float) -> Floats:
    """The least differences of which the p-value is above `level`."""
    below_zero = p_value(wins, either, count, 0.0) > level
    shares = _shares(either, count, below_zero)
    low = np.where(below_zero, -1.0, 0.0)
    width = 1.0
    for _ in range(HALVINGS):
        width /= 2
        refuted = _melded(wins, either, count, low + width, shares) <= level
        low = np.where(refuted, low + width, low)
    return low


def wins_needed(either: Counts, count: int, level: float, than: float) -> Counts:
    """The fewest wins among `either` disagreements with a p-value of at most `level`; one more than all: none do."""
    from scipy.stats import binom

    if than == 0:
        return np.asarray(binom.isf(level, either, 0.5) + 1, dtype=np.int64)
    counts, limit = np.full_like(either, count), np.array(than)
    shares = _shares(either, counts, limit < 0)
    low, high = np.zeros_like(either), either + 1
    while (low < high).any():
        middle = (low + high) // 2
        enough = _melded(np.minimum(middle, either), either, counts, limit, shares) <= level
        low, high = np.where(enough | (low >= high), low, middle + 1), np.where(enough, np.minimum(middle, high), high)
    return high


def _melded(wins: Counts, either: Counts, count: Counts, than: Floats, shares: Floats) -> Floats:
    """The p-values of differences of at most `than`, which is not 0; `shares` is what `_shares` gives.

    The difference is s (2 w - 1), with s the share of disagreements and w that of wins among them. Each has its lower
    or upper Clopper-Pearson distribution, a beta; the p-value is the chance that their product is at most `than`. At 0
    that is McNemar's p-value (Fay and Lumbard 2021, section 3).
    """
    from scipy.special import betainc, betaincc

    with np.errstate(divide="ignore"):
        at = np.clip((1 + than[..., None] / shares) / 2, 0, 1)
    some_wins = betainc(np.maximum(wins, 1)[..., None], (either - wins)[..., None] + 1, at) @ WEIGHTS
    no_wins = betaincc(either + 1, np.maximum(count - either, 1), np.clip(-than, 0, 1))  # w is 0, so -s is left
    return np.where(wins > 0, some_wins, np.where(either < count, no_wins, 1.0))


def _shares(either: Counts, count: Counts, upper: NDArray[np.bool_]) -> Floats:
    """The share of disagreements at the nodes of its lower or upper Clopper-Pearson distribution, (..., nodes)."""
    from scipy.special import betaincinv

    least, most = (either + upper)[..., None], (count - either + ~upper)[..., None]
    inside = betaincinv(np.maximum(least, 1), np.maximum(most, 1), PLACES)
    return np.where(least == 0, 0.0, np.where(most == 0, 1.0, inside))
