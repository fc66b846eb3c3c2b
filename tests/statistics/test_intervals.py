"""Intervals of sums: as wide as chance makes them, and as skewed as what they are sums of."""

import numpy as np
import pytest

from recipe.statistics.intervals import Estimate, sum_of, wilson

ROUNDS = 2000


def test_a_difference_of_shares_covers_the_truth_also_where_hardly_anything_is_missed() -> None:
    random, covered = np.random.default_rng(0), 0
    for _ in range(ROUNDS):
        one, other = random.binomial(400, 0.01), random.binomial(300, 0.02)
        difference = sum_of((1, _share(one, 400)), (-1, _share(other, 300)))
        covered += difference.low <= 0.01 - 0.02 <= difference.high
    assert 0.94 <= covered / ROUNDS <= 0.99


def test_what_is_taken_off_turns_its_interval_round() -> None:
    assert sum_of((-1, Estimate(1.0, 0.9, 1.5))) == Estimate(-1.0, -1.5, -0.9)


def test_a_factor_scales_the_interval() -> None:
    found = sum_of((2, Estimate(1.0, 0.5, 2.0)), (1, Estimate.zero()))
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 1.0, 4.0))


def test_what_cannot_lie_below_nothing_is_cut_there() -> None:
    assert Estimate(-0.1, -0.3, 0.2).at_least(0.0) == Estimate(0.0, 0.0, 0.2)


def _share(missed: int, count: int) -> Estimate:
    return Estimate(missed / count, *wilson(missed, count))
