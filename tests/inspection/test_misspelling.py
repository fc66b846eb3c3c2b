"""A rare class that is a slip away from a large one is told as misspelt; words that only look alike are not."""

import pandas as pd
import pytest

from recipe.inspection.misspelling import faulty_classes

LONG = "gastroesophageal reflux, without oesophagitis"


def meant(written: str, large: str) -> str | None:
    """The class that a rare one is taken for, beside a large one and another."""
    faulty = faulty_classes(pd.Series({large: 1000, "quartz": 900, written: 3}), 0.05, 0.0)
    reason, other = faulty.get(written, ("", None))
    assert reason in ("", "a misspelling")
    return other


@pytest.mark.parametrize(
    ("written", "large"),
    [
        ("maligant", "malignant"),  # a letter less
        ("mallignant", "malignant"),  # one more
        ("malicnant", "malignant"),  # another
        ("malginant", "malignant"),  # two neighbours swapped
        ("malgnat", "malignant"),  # two slips, in a word that is long enough for them
        ("thre", "three"),
        (LONG.replace("reflux", "rflx"), LONG),
    ],
)
def test_a_slip_is_told_with_the_class_that_was_meant(written: str, large: str) -> None:
    assert meant(written, large) == large


@pytest.mark.parametrize(
    ("written", "large"),
    [
        ("cat", "car"),  # of short words one letter makes another
        ("thorn", "three"),
        ("class two 2", "class two 1"),  # numbers tell classes apart
        ("gelanit", "genital"),  # the same letters in another order, by more than one swap
        ("benignly", "malignant"),
    ],
)
def test_another_word_is_not(written: str, large: str) -> None:
    assert meant(written, large) is None


def test_of_two_that_may_be_meant_it_is_the_larger() -> None:
    counts = pd.Series({"stone": 800, "store": 1000, "stoe": 2})
    assert faulty_classes(counts, 0.05, 0.0) == {"stoe": ("a misspelling", "store")}


def test_a_class_that_is_not_far_smaller_is_one_of_its_own() -> None:
    assert faulty_classes(pd.Series({"stone": 800, "store": 700}), 0.05, 0.0) == {}
