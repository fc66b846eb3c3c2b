"""The paired tests hold their level, their intervals fit them, and a power is the share that passes."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from recipe.dataset.manifest import Task
from recipe.statistics.paired import chance, intervals, power, spread

LEVEL = 0.05


def of_classes(wins: int, losses: int, count: int) -> np.ndarray:
    return np.repeat([1.0, -1.0, 0.0], [wins, losses, count - wins - losses])


def heavy(count: int, seed: int) -> np.ndarray:
    """Symmetrical about zero, without a mean even."""
    return np.random.default_rng(seed).standard_cauchy(count)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 0), (5, 0), (12, 4), (4, 12), (120, 90)])
def test_the_p_value_for_classes_is_that_of_mcnemars_exact_test(wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1.0
    assert chance(of_classes(wins, losses, 1000), "counted") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("than", [-0.02, 0.01])
@pytest.mark.parametrize(("wins", "losses"), [(1, 0), (12, 4), (4, 12)])
def test_the_p_value_of_another_difference_is_that_of_the_two_distributions_melded(
    wins: int, losses: int, than: float
) -> None:
    rng, either, count, draws = np.random.default_rng(0), wins + losses, 400, 200_000
    won = rng.beta(wins, losses + 1, draws)
    few, many = rng.beta(either, count - either + 1, draws), rng.beta(either + 1, count - either, draws)
    expected = np.mean((2 * won - 1) * np.where(won > 0.5, few, many) <= than)
    assert chance(of_classes(wins, losses, count), "counted", than) == pytest.approx(expected, abs=0.005)


def test_without_a_win_the_number_of_disagreements_alone_speaks() -> None:
    assert chance(of_classes(0, 0, 1), "counted", than=-0.5) == pytest.approx(0.5)  # both right, once
    assert chance(of_classes(0, 3, 3), "counted", than=-0.9) == 1.0


@pytest.mark.parametrize("than", [-0.01, 0.0, 0.02])
@pytest.mark.parametrize("count", [50, 300, 1000])
def test_a_difference_that_is_no_larger_is_found_larger_at_most_at_the_level(count: int, than: float) -> None:
    """Counted out over every number of disagreements: Fay and Lumbard conjecture it, and show it by such figures."""
    for share in np.geomspace(max(abs(than), 0.01), 0.4, 8):
        assert power(count, "counted", share, than, LEVEL, than) <= LEVEL


@pytest.mark.parametrize("task", ["counted", "measured"])
def test_an_interval_starts_above_a_value_exactly_where_the_test_refutes_it(task: Task) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        count = int(rng.integers(5, 300))
        if task == "counted":
            differences = rng.choice([-1.0, 0.0, 1.0], size=count, p=[0.05, 0.85, 0.1])
        else:
            differences = rng.standard_t(2, count) + 0.2
        [(low, high)] = intervals([differences], task, LEVEL)
        assert low <= differences.mean() <= high
        for than in (-0.1, 0.0, 0.03):
            assert (low >= than) == (chance(differences, task, than) <= LEVEL)
            assert (high <= than) == (chance(-differences, task, -than) <= LEVEL)


def test_no_disagreement_leaves_room_for_three_in_n() -> None:
    """The rule of three: with none of N, up to 3 / N may be (Hanley and Lippman-Hand 1983)."""
    [(low, high)] = intervals([np.zeros(1000)], "counted", LEVEL)
    assert (low, high) == pytest.approx((-0.003, 0.003), rel=0.01)


@pytest.mark.parametrize("count", [6, 30, 300, 10_000])
def test_sign_flips_hold_the_level_on_differences_without_a_mean(count: int) -> None:
    rounds = 400
    rejected = sum(chance(heavy(count, seed), "measured") <= LEVEL for seed in range(rounds))
    assert binom.sf(rejected - 1, rounds, LEVEL) > 0.01


def test_flipping_by_a_group_of_signs_agrees_with_flipping_at_random() -> None:
    rng = np.random.default_rng(0)
    for count in (20, 200):
        differences = rng.standard_t(3, count) + 0.1
        signs = rng.choice([-1.0, 1.0], size=(20_000, count))
        expected = np.mean(signs @ differences >= differences.sum())
        assert chance(differences, "measured") == pytest.approx(expected, abs=0.02)


def test_differences_that_are_all_alike_are_judged_by_their_number() -> None:
    assert chance(np.ones(3), "measured") == pytest.approx(2**-3)
    assert chance(np.zeros(100), "measured") == 1.0
    assert chance(np.empty(0), "measured") == 1.0


@pytest.mark.parametrize("than", [0.0, -0.01])
def test_the_power_for_classes_is_the_share_that_passes(than: float) -> None:
    rng, count, apart, rounds = np.random.default_rng(0), 800, 0.04, 2000
    chances = [(apart + 0.01) / 2, (apart - 0.01) / 2, 1 - apart]
    counts, times = np.unique(rng.multinomial(count, chances, size=rounds)[:, :2], axis=0, return_counts=True)
    passed = [chance(of_classes(wins, losses, count), "counted", than) <= LEVEL for wins, losses in counts]
    stated = power(count, "counted", apart, 0.01, LEVEL, than)
    assert np.average(passed, weights=times) == pytest.approx(stated, abs=4 * np.sqrt(stated * (1 - stated) / rounds))


def test_the_power_for_regression_is_the_share_that_passes() -> None:
    rng, count, rounds = np.random.default_rng(0), 300, 400
    samples = 0.1 * rng.standard_t(5, (rounds, count)) + 0.01
    passed = np.mean([chance(one, "measured") <= LEVEL for one in samples])
    stated = power(count, "measured", spread(samples.ravel(), "measured"), 0.01, LEVEL)
    assert passed == pytest.approx(stated, abs=4 * np.sqrt(stated * (1 - stated) / rounds))


def test_too_few_examples_have_no_power() -> None:
    assert power(4, "counted", 1.0, 1.0, LEVEL) == 0
    assert power(4, "measured", 0.1, 1.0, LEVEL) == 0


@pytest.mark.parametrize("count", [12, 40, 1000])
def test_p_values_below_one_flip_in_all_still_tell_how_unlikely(count: int) -> None:
    """The exact share of all 2^N sets of signs is 2^-N; the bound lies above it, and goes on falling."""
    alike = np.ones(count)
    assert 2.0**-count <= chance(alike, "measured") <= 20 * np.sqrt(count) * np.exp(-count / 2)


def test_p_values_below_one_flip_in_all_hold_their_level() -> None:
    rng, level, rounds = np.random.default_rng(0), 1e-4, 40_000
    samples = rng.standard_t(2, (rounds, 25))
    leads = samples.sum(1) / np.sqrt((samples**2).sum(1))
    far = samples[leads > 3]  # the others have a p-value of at least P(Z >= 3), 13 times the level
    assert sum(chance(one, "measured") <= level for one in far) <= binom.ppf(0.99, rounds, level)


@pytest.mark.parametrize("level", [2e-4, 5e-5, 1e-7])
def test_an_interval_at_a_level_below_one_flip_in_all_fits_the_test_too(level: float) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(75), 4)
    for clusters in (None, groups):
        differences = rng.standard_t(3, 300) + 0.2
        [(low, high)] = intervals([differences], "measured", level, None if clusters is None else [clusters])
        assert -1 < low < differences.mean() < high < 1
        for off in (-1e-6, 1e-6):
            assert (chance(differences, "measured", low - off, clusters) <= level) == (off > 0)
            assert (chance(-differences, "measured", -high - off, clusters) <= level) == (off > 0)


def test_ten_copies_of_each_example_are_as_sure_as_one() -> None:
    rng = np.random.default_rng(0)
    once = rng.choice([-1.0, 0.0, 1.0], size=100, p=[0.1, 0.7, 0.2])
    copied, groups = np.repeat(once, 10), np.repeat(np.arange(100), 10)
    assert chance(copied, "counted") < 1e-6 < 1e-3 < chance(copied, "counted", groups=groups)
    assert chance(copied, "counted", groups=groups) == chance(once, "measured")
    [(low, high)] = intervals([copied], "counted", LEVEL, [groups])
    assert (low, high) == pytest.approx(intervals([once], "measured", LEVEL)[0], abs=1e-9)


def test_flipping_clusters_holds_the_level_where_flipping_examples_does_not() -> None:
    rng, rounds = np.random.default_rng(0), 300
    groups = rng.integers(0, 40, 400)
    samples = [rng.standard_normal(40)[groups] + rng.standard_normal(400) for _ in range(rounds)]
    rejected = [sum(chance(one, "measured", groups=known) <= LEVEL for one in samples) for known in (groups, None)]
    assert binom.sf(rejected[0] - 1, rounds, LEVEL) > 0.01
    assert rejected[1] > 0.2 * rounds
