"""Two models on the same examples: the chance that the difference seen came by chance, its interval, and the power.

Differences are paired, example by example, `(N,)`: what the one adds to the metric less what the other adds. Tests are
one-sided and hold their level at any N. For classes the disagreements alone count: McNemar's test (1947), exact, with
the interval that fits it (Fay and Lumbard 2021, Statistics in Medicine 40:1147). For regression the signs of the
differences are flipped (Fisher 1935, section 21): exact where either model might as well have been the other,
however heavy the tails.
"""

import math

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.manifest import Task

Array = NDArray[np.float64]

NODES = 32  # of the Gauss-Legendre rule over the disagreement's distribution: p-values right to the fourth digit
FLIPS = 2**14  # a power of two; the smallest p-value is one in so many, enough for Holm over some hundred parts
ROUNDING = 1e-12  # of the largest difference: what sums in another order may differ by, so that a tie stays one
POINTS = 1e-9  # of the binomial distribution that a power leaves out at either end


def chance(differences: Array, task: Task, than: float = 0.0) -> float:
    """The p-value of the hypothesis that the true mean of `differences` is at most `than`; 1 where there are none."""
    if not len(differences):
        return 1.0
    if task == "regression":
        return float(np.mean(_typical_values(differences) <= than))
    wins, losses = _counts(differences)
    return float(_melded(np.array(wins), np.array(wins + losses), len(differences), than))


def interval(differences: Array, task: Task, level: float) -> tuple[float, float]:
    """Between which values the true mean lies; either end is wrong with a chance of `level` at most.

    The lower end is above a value exactly where `chance` of that value is below `level`.
    """
    if not len(differences):
        return -math.inf, math.inf
    bound = _typical_bound if task == "regression" else _melded_bound
    return bound(differences, level), -bound(-differences, level)


def spread(differences: Array, task: Task) -> float:
    """How much the two disagree: the share of examples that only one gets right; for regression the differences' sd."""
    if not len(differences):
        return 0.0
    return float(np.std(differences) if task == "regression" else np.mean(differences != 0))


def power(count: int, task: Task, disagreement: float, better: float, level: float, than: float = 0.0) -> float:
    """The chance that `chance(..., than)` is at most `level` for a model that is truly better by `better`.

    Args:
        count: the examples, N.
        disagreement: as `spread` gives it; for classes at least `better`, since who differs in nothing gains nothing.
    """
    from scipy.stats import binom, norm

    if not count:
        return 0.0
    if task == "regression":
        if not disagreement:
            return 0.0
        return float(norm.sf(norm.isf(level) - (better - than) * math.sqrt(count) / disagreement))
    share = max(disagreement, better)
    first, last = binom.ppf((POINTS, 1 - POINTS), count, share).astype(int)
    either = np.arange(first, last + 1)
    needed = _wins_needed(either, count, level, than)
    passed = np.where(needed <= either, binom.sf(needed - 1, either, (share + better) / (2 * share)), 0.0)
    return float(binom.pmf(either, count, share) @ passed)


def _counts(differences: Array) -> tuple[int, int]:
    return int((differences > 0).sum()), int((differences < 0).sum())


# Classes: wins among the disagreements, and disagreements among the examples


def _melded(wins: NDArray[np.int64], either: NDArray[np.int64], count: int, than: float) -> Array:
    """The p-value for `wins` among `either` disagreements on `count` examples; of any one shape.

    The difference is s (2 w - 1), with s the share of disagreements and w that of wins among them. Each has its lower
    or upper Clopper-Pearson distribution, a beta; the p-value is the chance that their product is at most `than`. At 0
    it is McNemar's, exact and conditional (Fay and Lumbard 2021, section 3).
    """
    from scipy.special import betainc, betaincc, betaincinv

    if than == 0:
        return np.where(wins > 0, betainc(np.maximum(wins, 1), either - wins + 1, 0.5), 1.0)
    upper = int(than < 0)
    least, most = either + upper, count - either + 1 - upper  # of the share's beta; 0 puts it at 0, or at 1
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    shares = betaincinv(np.maximum(least, 1)[..., None], np.maximum(most, 1)[..., None], (nodes + 1) / 2)
    shares = np.where(least[..., None] == 0, 0.0, np.where(most[..., None] == 0, 1.0, shares))
    with np.errstate(divide="ignore"):
        at = np.clip((1 + than / shares) / 2, 0, 1)
    below = betainc(np.maximum(wins, 1)[..., None], (either - wins)[..., None] + 1, at) @ weights / 2
    without_wins = 1.0 if than > 0 else np.where(most == 0, 1.0, betaincc(least, np.maximum(most, 1), min(-than, 1.0)))
    return np.where(wins > 0, below, without_wins)


def _melded_bound(differences: Array, level: float) -> float:
    """The least `than` of which `_melded` is above `level`."""
    from scipy.optimize import brentq

    wins, losses = _counts(differences)
    given = np.array(wins), np.array(wins + losses), len(differences)
    if _melded(*given, -1.0) > level:
        return -1.0
    return float(brentq(lambda than: _melded(*given, than) - level, -1.0, 1.0, xtol=1e-6))


def _wins_needed(either: NDArray[np.int64], count: int, level: float, than: float) -> NDArray[np.int64]:
    """The fewest wins among `either` disagreements that `_melded` gives at most `level`; one more than all: none do."""
    low, high = np.zeros_like(either), either + 1
    while (low < high).any():
        middle = (low + high) // 2
        enough = _melded(np.minimum(middle, either), either, count, than) <= level
        open_ = low < high
        high = np.where(open_ & enough, middle, high)
        low = np.where(open_ & ~enough, middle + 1, low)
    return high


# Regression: sign flips


def _typical_values(differences: Array) -> Array:
    """The mean of the flipped differences for each of `FLIPS` sets of signs; minus infinity where none is flipped.

    The observed mean is at most that with flipped signs, all taken about a value, exactly where the mean of those
    flipped is at most that value (Hartigan 1969, Journal of the American Statistical Association 64:1303). The sets of
    signs are the rows of a Hadamard matrix, of which each example has a column at random: a group, so that the level is
    exact (Hoeffding 1952, Annals of Mathematical Statistics 23:169) and one transform gives all the sums.
    """
    columns = np.random.default_rng(0).integers(1, FLIPS, size=len(differences))  # the first flips nothing
    weights = (differences, np.ones(len(columns)))
    sums = np.array([np.bincount(columns, one, minlength=FLIPS) for one in weights], dtype=float)
    flipped, number = (sums.sum(1, keepdims=True) - _walsh_hadamard(sums)) / 2
    values = np.divide(flipped, number, out=np.full(FLIPS, -math.inf), where=number > 0.5)
    return values - ROUNDING * float(np.abs(differences).max())


def _walsh_hadamard(values: Array) -> Array:
    """`values` (k, n) times the Hadamard matrix of order n, by halves (Fino and Algazi 1976)."""
    width = 1
    while width < values.shape[1]:
        halves = values.reshape(len(values), -1, 2, width)
        first, second = halves[:, :, 0], halves[:, :, 1]
        values = np.stack([first + second, first - second], axis=2).reshape(len(values), -1)
        width *= 2
    return values


def _typical_bound(differences: Array, level: float) -> float:
    """The least `than` of which the share of typical values at most it is above `level`."""
    return float(np.partition(_typical_values(differences), place := math.floor(level * FLIPS))[place])
