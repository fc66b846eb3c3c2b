"""The mean of differences by flipping signs: exact where either sign might as well have come up, whatever the tails.

Fisher 1935, section 21. Each cluster is the sum of its differences and its size, both (G,); only clusters are
independent.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLIPS = 2**12  # a power of four; p-values below one in so many come from a bound
ROUNDING = 1e-12  # of the largest difference; sums in another order differ by less, and a tie must count as one


def p_value(sums: Floats, sizes: Floats, than: float) -> float:
    """The share of the sets of signs that do as well; where but the observed one does, a bound of that share.

    So the level holds at every value: above one in FLIPS the share alone decides, below it the bound alone.
    """
    share = float(np.mean(_typical_values(sums, sizes, unflipped=-math.inf) <= than))
    return min(share, _bound(sums, sizes, than)) if share <= 1 / FLIPS else share


def bounds(sums: Floats, sizes: Floats, level: float) -> tuple[float, float]:
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
