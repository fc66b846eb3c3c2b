"""Whether a curve still falls, beyond its noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEAST = 4  # a trend of fewer cannot be told from chance at 5 %, 1/3! being above it
BEYOND = 1.645  # standard deviations: the one-sided 5 % point of a normal distribution


def falls(losses: Sequence[float]) -> bool:
    """Whether `losses`, in order of time, fall beyond chance: Mann-Kendall's test of a trend (Kendall 1975, 4.9)."""
    count = len(losses)
    if count < LEAST:
        return False
    values = np.asarray(losses, dtype=float)
    score = sum(np.sign(values[:place] - values[place]).sum() for place in range(1, count))
    spread = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    return bool((score - 1) / spread > BEYOND)  # one less: the score moves in steps of two
