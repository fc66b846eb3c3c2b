import pytest

from recipe.evidence import Finding
from recipe.report.numbers import (
    cost_in_words,
    duration,
    expectation,
    interval,
    metric_in_words,
    number,
    scored,
    scored_interval,
)


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


@pytest.mark.parametrize(
    ("metric", "value", "bounds", "text"),
    [
        ("accuracy", 0.96825, (0.933, 0.985), "accuracy 96.8 % [93.3, 98.5]"),
        ("balanced_accuracy", 1.0, (1.0, 1.0), "balanced accuracy 100.0 % [100.0, 100.0]"),
        ("F1", 0.4671, (0.4, 0.5), "macro F1 0.467 [0.400, 0.500]"),
        ("R2", -0.25, (-0.5, 0.1), "R2 −0.250 [−0.500, 0.100]"),
        ("RMSE", 12345.678, (12000.0, 13000.5), "RMSE 12,346 [12,000, 13,000]"),
        ("AUC", 0.9, None, "AUC 0.900 "),
    ],
)
def test_a_metric_is_said_by_name_and_in_its_unit(
    metric: str, value: float, bounds: tuple[float, float] | None, text: str
) -> None:
    assert f"{metric_in_words(metric)} {scored(metric, value)} {scored_interval(metric, bounds)}" == text


def test_an_expectation_comes_with_its_tolerance() -> None:
    assert expectation(Finding("seen", expected=2.302585, tolerance=0.05)) == "2.303 ± 0.05"
    assert expectation(Finding("seen", expected="at most 0.05")) == "at most 0.05"
    assert expectation(Finding("seen")) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (12.3, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_a_duration_has_the_units_that_suit_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("trainings", "examples", "words"),
    [
        (0.0, 0, ""),
        (1.0, 0, "1 training"),
        (2.25, 1, "2.2 trainings and 1 example"),
        (120.4, 4000, "120 trainings and 4,000 examples"),
    ],
)
def test_a_cost_is_counted_in_trainings_and_examples(trainings: float, examples: int, words: str) -> None:
    assert cost_in_words(trainings, examples) == words
