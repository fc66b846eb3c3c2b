"""How well two labellings of the same examples agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recipe.statistics.intervals import NORMAL_975, Estimate

Floats = npt.NDArray[np.float64]
FEWEST_FOR_CORRELATION = 4  # Fisher's interval needs one more than three


@dataclass(frozen=True)
class Agreement:
    """Of classes the share that is labelled alike, and Cohen's kappa: how far that is beyond chance, 1 at most."""

    share: Estimate
    kappa: Estimate


@dataclass(frozen=True)
class Closeness:
    """Of quantities the root of the mean squared difference, R2 (1 less that over the variance), and correlation."""

    rmse: float
    r2: float
    correlation: Estimate


def agreement(first: list[str], second: list[str], interval: tuple[float, float]) -> Agreement:
    """How often two lists of labels (N,) are the same.

    Kappa is Cohen's (1960, Educational and Psychological Measurement 20:37). As his own standard error does, its
    interval takes the agreement by chance for known; it maps `interval`, that of the share, so that full agreement has
    one too.
    """
    one, other = np.array(first, dtype=object), np.array(second, dtype=object)
    share = float((one == other).mean())
    names = set(first) | set(second)
    by_chance = sum(float((one == name).mean()) * float((other == name).mean()) for name in names)
    kappa = [float("nan")] * 3 if by_chance >= 1 else [(x - by_chance) / (1 - by_chance) for x in (share, *interval)]
    return Agreement(Estimate(share, *interval), Estimate(*kappa))


def closeness(given: Floats, said: Floats) -> Closeness:
    """How near `said` (N,) is to `given`; the interval of the correlation is Fisher's (1921, Metron 1:3)."""
    squared = float(((said - given) ** 2).mean())
    variance = float(given.var())
    r2 = 1 - squared / variance if variance > 0 else float("nan")
    return Closeness(squared**0.5, r2, _correlation(given, said))


def _correlation(given: Floats, said: Floats) -> Estimate:
    nothing = float("nan")
    if len(given) < FEWEST_FOR_CORRELATION or given.std() == 0 or said.std() == 0:
        return Estimate(nothing, nothing, nothing)
    value = float(np.clip(np.corrcoef(given, said)[0, 1], -1, 1))
    if abs(value) == 1:
        return Estimate(value, value, value)
    half = NORMAL_975 / (len(given) - 3) ** 0.5
    low, high = (float(np.tanh(np.arctanh(value) + sign * half)) for sign in (-1, 1))
    return Estimate(value, low, high)
