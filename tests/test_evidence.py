"""A practice measures; a threshold decides."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from recipe.errors import SettingsError
from recipe.evidence import Finding, at_least, at_most, from_json, judge, practice, skip, to_json, worst


@practice("data/example")
def example(value: float) -> Finding:
    """The share stays small.

    More words follow that are not the hypothesis.
    """
    return Finding("seen", measured=value, requirements=(at_most(value, "max_share"), at_most(value, 0.01, "warn")))


@pytest.mark.parametrize(("value", "verdict"), [(0.0, "pass"), (0.05, "warn"), (0.5, "fail"), (math.nan, "fail")])
def test_the_verdict_is_the_worst_that_an_unmet_requirement_asks_for(value: float, verdict: str) -> None:
    assert judge(example(value), {"example": {"max_share": 0.1}}).verdict == verdict


def test_a_changed_threshold_changes_the_verdict_without_measuring_again() -> None:
    finding = example(0.05)
    assert judge(finding, {"example": {"max_share": 0.01}}).verdict == "fail"
    assert judge(finding, {"example": {"max_share": 0.1}}).verdict == "warn"


def test_the_hypothesis_is_the_first_line_of_the_docstring() -> None:
    assert example(0.0).hypothesis == "The share stays small."
    assert example(0.0).practice == "data/example"


def test_a_missing_threshold_is_named_with_the_file_to_add_it_to() -> None:
    with pytest.raises(SettingsError, match=r"thresholds\.data\.example\.max_share .* conf/stages/data\.yaml"):
        judge(example(0.0), {})


def test_a_finding_survives_the_way_through_json_even_with_a_number_that_is_none() -> None:
    finding = example(math.nan)
    back = from_json(json.loads(json.dumps(to_json(finding), allow_nan=False)))
    assert judge(back, {"example": {"max_share": 1.0}}).verdict == "fail"
    assert back.summary == finding.summary


def test_what_does_not_apply_is_skipped_with_its_reason_and_closes_nothing() -> None:
    finding = judge(skip("no images here"), {})
    assert finding.verdict == "skip"
    assert worst([finding]) == "skip"
    assert at_least(1, 2).holds(0.5)


def test_an_expected_number_comes_with_the_tolerance_that_the_threshold_allows() -> None:
    share_of_expected = Finding(
        "seen", measured=2.2, expected=2.0, requirements=(at_most(0.1, "max_share", unit=2.0),), practice="data/example"
    )
    assert judge(share_of_expected, {"example": {"max_share": 0.25}}).tolerance == 0.5
    assert judge(example(0.0), {"example": {"max_share": 0.25}}).tolerance is None


def test_what_requires_nothing_of_its_numbers_is_knowledge_and_not_a_test_that_passed() -> None:
    number_to_beat = judge(Finding("seen", measured=0.9, expected="the number to beat"), {})
    assert (number_to_beat.verdict, number_to_beat.word) == ("pass", "knowledge")
    assert judge(example(0.0), {"example": {"max_share": 0.1}}).word == "pass"
    assert judge(example(1.0), {"example": {"max_share": 0.1}}).word == "fail"
    assert judge(skip("no images here"), {}).word == "skip"


def test_a_notebook_shows_verdict_numbers_picture_and_table_and_runs_nothing() -> None:
    figure = Figure()
    figure.add_subplot().plot([1, 2])
    evil = "<script>alert(1)</script>"
    table = pd.DataFrame({"path": [evil], "score": [0.9]})
    finding = Finding(f"1 of 9 {evil}.", 0.0, (0.0, 0.25), advice="Look.", figures={"worst": figure}, table=table)
    judged = judge(replace(finding, practice="data/blank", requirements=(at_most(1, 0),)), {})
    shown = judged._repr_html_()
    assert ">fail</b> <b>data/blank</b>" in shown and "measured 0; interval [0, 0.25]; expected at most 0" in shown
    assert "<i>Look.</i>" in shown and "src='data:image/png;base64,iVBOR" in shown and "<table" in shown
    assert "<script>" not in shown
    assert ">not judged</b>" in finding._repr_html_() and "Look." not in finding._repr_html_()
