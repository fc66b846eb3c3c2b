import numpy as np
import pytest

from recipe.inspection.class_sizes import effective_classes, effective_examples, rare_classes


def rare(counts: list[int]) -> list[int]:
    """The places of the rare classes, by the settings that a run has."""
    return np.flatnonzero(rare_classes(np.array(counts), 2.5, 0.01)).tolist()


@pytest.mark.parametrize(
    ("counts", "places"),
    [
        ([500] * 9 + [100], [9]),
        ([100, 500], [0]),
        ([500, 100, 100, 500, 500, 500], [1, 2]),
        ([50, 50, 10], [2]),
    ],
)
def test_a_class_of_a_fifth_of_the_others_is_rare(counts: list[int], places: list[int]) -> None:
    assert rare(counts) == places


@pytest.mark.parametrize(
    "counts",
    [
        [500] * 10,
        [357, 212],
        [59, 71, 48],
        [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50],  # CIFAR-10-LT of Cui et al. 2019, ratio 100
        [10, 53, 681, 638, 199, 18],  # the qualities of red wine (Cortez et al. 2009)
        [1000, 500, 333, 250, 200, 167, 143, 125, 111, 100],  # Zipf's law
    ],
)
def test_even_classes_and_those_of_a_long_tail_are_not_rare(counts: list[int]) -> None:
    assert rare(counts) == []


def test_a_few_examples_less_are_chance() -> None:
    assert rare([5, 5, 4, 6, 1]) == []
    assert rare([500, 500, 400, 600, 100]) == [4]


def test_a_missing_class_is_not_rare_and_is_no_measure_of_the_others() -> None:
    assert rare([0, 0, 100, 100, 20]) == [4]
    assert rare([0, 7]) == []


def test_even_classes_of_any_size_are_hardly_ever_rare_by_chance() -> None:
    rng = np.random.default_rng(0)
    drawn = [
        rng.multinomial(classes * size, np.full(classes, 1 / classes))
        for classes in (2, 10)
        for size in (5, 10, 20, 50)
        for _ in range(100)
    ]

    assert np.mean([rare_classes(counts, 2.5, 0.01).any() for counts in drawn]) <= 0.01


def test_many_examples_of_a_class_are_worth_a_thousand_and_few_are_worth_themselves() -> None:
    assert effective_examples(np.array([0, 1, 10, 10**6])) == pytest.approx([0, 1, 10, 1000], rel=0.01)


def test_classes_of_one_size_are_as_many_as_they_are_and_an_empty_one_is_none() -> None:
    assert effective_classes(np.array([7, 7, 7, 0])) == pytest.approx(3)
    assert effective_classes(np.array([98, 1, 1])) < 1.2
