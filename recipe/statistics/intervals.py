"""Intervals of shares and of sums of estimates, without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

NORMAL_975 = 1.959964  # the 97.5 % point of the normal distribution, for 95 % intervals


def wilson(successes: float, count: float, z: float = NORMAL_975) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927; Brown, Cai and DasGupta 2001 recommend it for any size).

    It takes the examples for independent: of groups and copies, give the effective numbers, which may be fractions
    (`recipe.statistics.clusters.share_interval`).
    """
    if count == 0:
        return 0.0, 1.0
    share, squared = successes / count, z * z / count
    centre = (share + squared / 2) / (1 + squared)
    half = z / (1 + squared) * math.sqrt(share * (1 - share) / count + squared / (4 * count))
    low = centre - half if successes else 0.0  # exactly, not but for rounding
    return low, centre + half if successes < count else 1.0


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval; not a number where it is not known."""

    value: float
    low: float
    high: float

    @classmethod
    def zero(cls) -> Estimate:
        """What is known to be nothing."""
        return cls(0.0, 0.0, 0.0)

    def holds(self, least: float = 0.0) -> bool:
        """Whether the whole interval lies above `least`."""
        return self.low > least

    def at_least(self, least: float) -> Estimate:
        """The same where nothing of it can lie below `least`."""
        return Estimate(max(self.value, least), max(self.low, least), max(self.high, least))


def sum_of(*terms: tuple[float, Estimate]) -> Estimate:
    """The sum of independent estimates, each times its factor, with an interval as skewed as theirs are.

    Zou and Donner 2008, Statistics in Medicine 27:1693, "MOVER": the distances of the ends, squared and added.
    """
    scaled = [(factor * one.value, *sorted((factor * one.low, factor * one.high))) for factor, one in terms]
    value = sum(middle for middle, _, _ in scaled)
    below = math.sqrt(sum((middle - low) ** 2 for middle, low, _ in scaled))
    above = math.sqrt(sum((high - middle) ** 2 for middle, _, high in scaled))
    return Estimate(value, value - below, value + above)
