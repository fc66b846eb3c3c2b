import pytest

from recipe.evidence import Finding
from recipe.report.numbers import duration, expectation, interval, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98765, "0.9877"),
        (2.3026, "2.303"),
        (0.0, "0"),
        (0.00056, "0.00056"),
        (-0.002, "−0.0020"),
        (1234.0, "1,234"),
        (12345.678, "12,346"),
        (3e-9, "3.00e−09"),
        (None, "—"),
        (float("inf"), "not finite"),
    ],
)
def test_a_number_reads_as_a_person_writes_it(value: float | None, text: str) -> None:
    assert number(value) == text


def test_both_ends_of_an_interval_have_the_same_decimals() -> None:
    assert interval((0.008, 0.034)) == "0.0080 to 0.0340"
    assert interval(None) == ""


def test_an_expectation_comes_with_its_tolerance() -> None:
    assert expectation(Finding("seen", expected=2.302585, tolerance=0.05)) == "2.303 ± 0.05"
    assert expectation(Finding("seen", expected="at most 0.05")) == "at most 0.05"
    assert expectation(Finding("seen")) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (12.3, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_a_duration_has_the_units_that_suit_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
