"""How far a column of numbers or dates has moved: in its values, and in the share that is missing."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.preparation import SECONDS_A_DAY
from recipe.inspection.shift import Shift, percent, unmoved
from recipe.statistics.contingency import homogeneity
from recipe.statistics.multiple_testing import bonferroni

Numbers = NDArray[np.float64]

FEW_NUMBERS = 50  # of a sample, for which the limit distribution is no guide: by it one number out of range has p = 0


def shift_of_numbers(reference: Numbers, batch: Numbers, is_date: bool = False) -> Shift:
    """How far `batch` (M,) lies from `reference` (N,): float64, NaN where missing; dates in days since 1970.

    The score is the larger of two distances, of the numbers that are there and of the shares missing. Three tests share
    the p-value: that of Kolmogorov and Smirnov, which sees any change; that of Mann and Whitney, which sees smaller
    moves of the middle; and of what is missing, where anything is.
    """
    before, after = reference[~np.isnan(reference)], batch[~np.isnan(batch)]
    lost = float(np.isnan(reference).mean()), float(np.isnan(batch).mean())
    ranks = _compare_ranks(before, after)
    p_values = [*ranks.p_values, *_p_value_of_missing(reference, batch)]
    if not p_values:
        return unmoved("All values are the same in both.")
    return Shift(
        score=max(ranks.distance, abs(lost[1] - lost[0])),
        p_value=bonferroni(p_values),
        detail=_in_words(before, after, ranks, lost, is_date),
    )


@dataclass(frozen=True)
class _Ranks:
    """The Kolmogorov-Smirnov distance of two samples, the number where it is reached, and the p-values of both tests.

    Without p-values where a sample is empty, or all numbers are the same.
    """

    distance: float = 0.0
    place: float = math.nan
    p_values: tuple[float, ...] = ()


def _compare_ranks(before: Numbers, after: Numbers) -> _Ranks:
    from scipy.stats import ks_2samp, mannwhitneyu

    if not len(before) or not len(after) or min(before.min(), after.min()) == max(before.max(), after.max()):
        return _Ranks()
    exact = min(len(before), len(after)) <= FEW_NUMBERS
    kolmogorov = ks_2samp(before, after, method="exact" if exact else "asymp")
    whitney = mannwhitneyu(before, after, method="asymptotic")
    p_values = float(kolmogorov.pvalue), float(whitney.pvalue)
    return _Ranks(float(kolmogorov.statistic), float(kolmogorov.statistic_location), p_values)


def _p_value_of_missing(reference: Numbers, batch: Numbers) -> tuple[float, ...]:
    """The p-value of as many cells missing in both; none where all are missing, or none is."""
    counts = np.array([[np.isnan(numbers).sum(), (~np.isnan(numbers)).sum()] for numbers in (reference, batch)])
    return (homogeneity(counts),) if counts.any(axis=0).all() else ()


def _in_words(before: Numbers, after: Numbers, ranks: _Ranks, lost: tuple[float, float], is_date: bool) -> str:
    """What has moved, the larger move first."""
    moves = []
    if any(lost):
        missing = f"{percent(lost[1])} are missing where the reference has {percent(lost[0])}"
        moves.append((abs(lost[1] - lost[0]), missing))
    if len(before) and len(after):
        moves.append((ranks.distance, _values_in_words(before, after, ranks, is_date)))
    moves.sort(key=lambda move: -move[0])
    detail = "; ".join(words for _, words in moves)
    return f"{detail[0].upper()}{detail[1:]}."


def _values_in_words(before: Numbers, after: Numbers, ranks: _Ranks, is_date: bool) -> str:
    """The medians; or, where few numbers lie between these, the number around which the samples differ most."""
    medians = [float(np.median(before)), float(np.median(after))]
    low, high = sorted(medians)
    between = max(float(((numbers > low) & (numbers <= high)).mean()) for numbers in (before, after))
    if between >= ranks.distance / 2:
        earlier, later = _written(medians, is_date)
        return f"the median is {later} where the reference has {earlier}"
    [place] = _written([ranks.place], is_date)
    shares = [percent(float((numbers <= ranks.place).mean())) for numbers in (before, after)]
    return f"{shares[1]} are {place} or {'earlier' if is_date else 'less'} where the reference has {shares[0]}"


def _written(numbers: list[float], is_date: bool) -> list[str]:
    """`numbers` in as few digits as tell them apart; dates as such, to the day or to the second."""
    ways: list[Callable[[float], str]] = (
        [_to_the_day, _to_the_second] if is_date else ["{:.4g}".format, "{:.9g}".format]
    )
    written = [[way(number) for number in numbers] for way in ways]
    return next((texts for texts in written if len(set(texts)) == len(set(numbers))), written[-1])


def _to_the_day(days: float) -> str:
    return str(np.datetime64(math.floor(days), "D"))


def _to_the_second(days: float) -> str:
    return str(np.datetime64(math.floor(days * SECONDS_A_DAY), "s")).replace("T", " ")
