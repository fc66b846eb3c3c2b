"""Two models on the same examples: the chance that the difference seen came by chance, its interval, and the power.

Differences are paired, example by example, `(N,)`: what the one adds to the metric less what the other adds. Tests are
one-sided and hold their level at any N. For classes the disagreements alone count: McNemar's test (1947), exact, with
the interval that fits it (Fay and Lumbard 2021, Statistics in Medicine 40:1147). For regression the signs of the
differences are flipped (Fisher 1935, section 21): exact where either model might as well have been the other,
however heavy the tails.

Where examples come in clusters (`groups`, (N,): patients, copies) only clusters are independent: then the signs of
whole clusters are flipped, for either task.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.labels import label_numbers
from recipe.dataset.manifest import Task

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

METRICS: Mapping[Task, str] = {"classification": "accuracy", "regression": "R2"}  # the mean of the answers' scores

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)  # enough for p-values that are right to the fourth digit
PLACES, WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2  # between 0 and 1
HALVINGS = 24  # of the range that an interval's end lies in: known to 1e-7
FLIPS = 2**12  # a power of four; p-values below one in so many come from a bound
ROUNDING = 1e-12  # of the largest difference; sums in another order differ by less, and a tie must count as one
LEFT_OUT = 1e-9  # of the number of disagreements, at either end of its distribution, when a power is computed


def chance(differences: Floats, task: Task, than: float = 0.0, groups: Counts | None = None) -> float:
    """The p-value of the hypothesis that the true mean of `differences` is at most `than`; 1 where there are none."""
    if not len(differences):
        return 1.0
    if groups is not None or task == "regression":
        return _flip_p_value(*_by_cluster(differences, groups), than)
    wins, losses = _wins([differences]), _wins([-differences])
    return float(_p_value(wins, wins + losses, np.array([len(differences)]), than)[0])


def intervals(
    samples: Sequence[Floats], task: Task, level: float, groups: Sequence[Counts] | None = None
) -> list[tuple[float, float]]:
    """For each sample of differences, between which values its true mean lies; `groups` as in `chance`, of each.

    Either end is wrong with a chance of `level` at most. The lower one reaches a value exactly where `chance` of that
    value is at most `level`.
    """
    if groups is not None:
        return [_flip_bounds(*_by_cluster(*one), level) for one in zip(samples, groups, strict=True)]
    if task == "regression":
        return [_flip_bounds(*_by_cluster(one, None), level) for one in samples]
    wins, losses, counts = _wins(samples), _wins([-one for one in samples]), np.array([len(one) for one in samples])
    low = _bounds(wins, wins + losses, counts, level)
    high = -_bounds(losses, wins + losses, counts, level)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def answer_scores(answers: pd.Series, labels: pd.Series, task: Task) -> Floats:
    """What each example adds to the metric, (N,): 1 right, 0 wrong; 1 - squared residual over variance for R2."""
    if task == "classification":
        return (answers.astype("str").to_numpy() == labels.astype("str").to_numpy()).astype(np.float64)
    targets = label_numbers(labels)
    variance = max(float(targets.var()), float(np.finfo(np.float64).tiny))
    return np.asarray(1 - (targets - answers.to_numpy(dtype=np.float64)) ** 2 / variance)


def spread(differences: Floats, task: Task) -> float:
    """How much the two disagree: the share of examples that only one gets right; for regression the differences' sd."""
    return float(np.std(differences) if task == "regression" else np.mean(differences != 0))


def power(count: int, task: Task, disagreement: float, better: float, level: float, than: float = 0.0) -> float:
    """The chance that `chance(..., than)` is at most `level` for a model that is truly better by `better`.

    Exact for classes; for regression by the normal distribution of a mean.

    Args:
        count: the examples, N.
        disagreement: as `spread` gives it, at least `better`: who never differs is no better.
    """
    from scipy.stats import binom, norm

    share = max(disagreement, better)
    if task == "regression":
        lead = (better - than) * math.sqrt(count) / share
        return float(norm.sf(norm.isf(level) - lead)) if 0.5**count <= level else 0.0  # one set of signs in 2^N
    first, last = binom.ppf((LEFT_OUT, 1 - LEFT_OUT), count, share).astype(int)
    either = np.arange(first, last + 1)
    needed = _wins_needed(either, count, level, than)
    passed = np.where(needed <= either, binom.sf(needed - 1, either, (share + better) / (2 * share)), 0.0)
    return float(binom.pmf(either, count, share) @ passed)


def power_of_clusters(differences: Floats, groups: Counts, better: float, level: float, than: float = 0.0) -> float:
    """The chance that `chance(..., than, groups)` is at most `level` for a model that is truly better by `better`.

    By the normal distribution of a mean over clusters that deviate from it as these do.
    """
    sums, sizes = _by_cluster(differences - differences.mean(), groups)
    apart = float(np.std(sums)) / float(sizes.mean())  # of a cluster's part in the mean
    return power(len(sums), "regression", apart, better, level, than)


# Classes: wins among the disagreements (either has it right, alone), and these among the examples; arrays of one shape


def _wins(samples: Sequence[Floats]) -> Counts:
    return np.array([np.count_nonzero(one > 0) for one in samples], dtype=np.int64)


def _p_value(wins: Counts, either: Counts, count: Counts, than: float) -> Floats:
    """The p-values of differences of at most `than`: at 0 McNemar's, exact and conditional."""
    from scipy.stats import binom

    if than == 0:
        return np.asarray(binom.sf(wins - 1, either, 0.5))
    return _melded(wins, either, count, np.array(than), _shares(either, count, np.array(than < 0)))


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


def _bounds(wins: Counts, either: Counts, count: Counts, level: float) -> Floats:
    """The least differences of which the p-value is above `level`."""
    below_zero = _p_value(wins, either, count, 0.0) > level
    shares = _shares(either, count, below_zero)
    low = np.where(below_zero, -1.0, 0.0)
    width = 1.0
    for _ in range(HALVINGS):
        width /= 2
        refuted = _melded(wins, either, count, low + width, shares) <= level
        low = np.where(refuted, low + width, low)
    return low


def _wins_needed(either: Counts, count: int, level: float, than: float) -> Counts:
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


# Regression, and clusters: sign flips. Each cluster is the sum of its differences and its size, both (G,)


def _by_cluster(differences: Floats, groups: Counts | None) -> tuple[Floats, Floats]:
    if groups is None:
        return differences, np.ones(len(differences))
    _, cluster = np.unique(groups, return_inverse=True)
    return np.bincount(cluster, differences).astype(float), np.bincount(cluster).astype(float)


def _flip_p_value(sums: Floats, sizes: Floats, than: float) -> float:
    """The share of the sets of signs that do as well; where but the observed one does, a bound of that share.

    So the level holds at every value: above one in FLIPS the share alone decides, below it the bound alone.
    """
    share = float(np.mean(_typical_values(sums, sizes, unflipped=-math.inf) <= than))
    return min(share, _bound(sums, sizes, than)) if share <= 1 / FLIPS else share


def _flip_bounds(sums: Floats, sizes: Floats, level: float) -> tuple[float, float]:
    """The values that a share of `level` of the typical values lies below, and above."""
    place = math.floor(level * FLIPS)
    if place == 0:
        return _least_unbound(sums, sizes, level), -_least_unbound(-sums, sizes, level)
    low = np.partition(_typical_values(sums, sizes, unflipped=-math.inf), place)[place]
    high = -np.partition(-_typical_values(sums, sizes, unflipped=math.inf), place)[place]
    return float(low), float(high)


def _typical_values(sums: Floats, sizes: Floats, unflipped: float) -> Floats:
    """The mean of the flipped differences for each of `FLIPS` sets of signs; `unflipped` where none is flipped.

    The observed mean is at most that with flipped signs, all taken about a value, exactly where the mean of those
    flipped is at most that value (Hartigan 1969, Journal of the American Statistical Association 64:1303). The sets of
    signs are the rows of a Hadamard matrix, of which each cluster has a column at random: a group, so that the level is
    exact (Hoeffding 1952, Annals of Mathematical Statistics 23:169) and one transform gives all the sums.
    """
    columns = np.random.default_rng(0).integers(1, FLIPS, size=len(sums))  # the first flips nothing
    weights = np.array([np.bincount(columns, one, minlength=FLIPS) for one in (sums, sizes)], dtype=float)
    flipped, number = (weights.sum(1, keepdims=True) - _walsh_hadamard(weights)) / 2
    values = np.divide(flipped, number, out=np.full(FLIPS, unflipped), where=number > 0.5)
    return values + math.copysign(ROUNDING * float(np.abs(sums).max()), unflipped)


def _bound(sums: Floats, sizes: Floats, than: float) -> float:
    """What the p-value over all sets of signs is at most: Gauss' tail, times the least constant that makes it hold.

    Bentkus and Dzindzalieta 2015, Bernoulli 21:1231.
    """
    from scipy.stats import norm

    deviations = sums - than * sizes
    length = float(np.sqrt((deviations**2).sum()))
    return min(1.0, float(norm.sf(deviations.sum() / length)) / _tail_factor()) if length > 0 else 1.0


def _least_unbound(sums: Floats, sizes: Floats, level: float) -> float:
    """The least value that has a p-value above `level`, which is below one in FLIPS.

    Where `_bound` is `level`, (A - v N)^2 = z^2 (B - 2 v C + v^2 D) in the sums named below; and no value is refuted
    that a flipped mean reaches.
    """
    from scipy.stats import norm

    z = float(norm.isf(level * _tail_factor()))
    a, n, b, c, d = sums.sum(), sizes.sum(), sums @ sums, sums @ sizes, sizes @ sizes
    square = n * n - z * z * d
    if square <= 0:  # too few clusters to refute anything at this level
        return -math.inf
    middle, rest = a * n - z * z * c, a * a - z * z * b
    least = (middle - math.sqrt(max(middle * middle - square * rest, 0.0))) / square
    typical = np.partition(_typical_values(sums, sizes, unflipped=-math.inf), 1)[1]
    return float(min(least, typical))


def _tail_factor() -> float:
    """4 P(Z >= sqrt 2), about 1 / 3.178."""
    from scipy.stats import norm

    return 4 * float(norm.sf(math.sqrt(2)))


def _walsh_hadamard(values: Floats) -> Floats:
    """`values` (k, FLIPS) times the Hadamard matrix of that order, which is the Kronecker square of a smaller one."""
    from scipy.linalg import hadamard

    side = math.isqrt(FLIPS)
    root = hadamard(side, dtype=float)
    return np.asarray(root @ values.reshape(-1, side, side) @ root).reshape(-1, FLIPS)
