"""Intervals of a share, without torch."""

import math

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
