"""What the practices say of a split by time: what differs by design is no fault, and what drifts in truth is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.drift import drift
from recipe.practices.data.duplicates import duplicates
from recipe.practices.data.imbalance import imbalance
from recipe.practices.data.leakage import leakage
from tests.faults.data import breast_cancer, composed, table

LIMITS = composed().thresholds.of("data")
BY_TIME = "data.split.by=time"


def dated(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a day each, in their order."""
    return rows.assign(when=pd.date_range("2020-01-01", periods=len(rows), freq="D").astype("str"))


def steady() -> pd.DataFrame:
    """Rows of tumours that do not change from year to year."""
    return dated(breast_cancer().filter(regex="^(mean|diagnosis)").sample(frac=1, random_state=0))


@pytest.fixture
def by_time(tmp_path: Path) -> Dataset:
    return table(tmp_path, steady(), BY_TIME)


def test_the_time_that_splits_is_not_compared_and_steady_data_pass(by_time: Dataset) -> None:
    finding = judge(drift(by_time), LIMITS)
    assert (finding.verdict, finding.measured) == ("pass", 0)
    assert "when" not in set(finding.table["column"])


def test_what_changes_over_time_is_told_and_the_advice_is_of_time(tmp_path: Path) -> None:
    rows = dated(breast_cancer().filter(regex="^(mean|diagnosis)").sort_values("mean radius", kind="stable"))
    finding = judge(drift(table(tmp_path, rows, BY_TIME)), LIMITS)
    assert finding.verdict == "warn"
    assert "'mean " in finding.summary and "of the split by 'when'" in finding.summary
    assert finding.advice.startswith("The split is by time, so this is how the data change")
    assert "when" not in set(finding.table["column"])


def test_a_split_by_time_does_not_leak_and_its_order_is_told(by_time: Dataset) -> None:
    finding = judge(leakage(by_time), LIMITS)
    assert finding.verdict == "pass", finding.summary
    assert finding.summary.endswith("Of 170 examples for validation and test, all are later than training.")


def test_groups_that_keep_early_examples_in_the_test_are_counted(tmp_path: Path) -> None:
    rows = steady().assign(group=[f"patient {row}" for row in range(569)])
    rows.iloc[[0, 568], rows.columns.get_loc("group")] = "patient of years"
    finding = judge(leakage(table(tmp_path, rows, BY_TIME)), LIMITS)
    assert finding.verdict == "pass", finding.summary
    assert "all but 1 are later than training; that stays with a later one of its group" in finding.summary


def test_the_same_measurements_at_another_time_are_no_copy(tmp_path: Path) -> None:
    rows = steady().drop(columns="when")
    finding = judge(duplicates(table(tmp_path, dated(pd.concat([rows, rows.head(50)])), BY_TIME)), LIMITS)
    assert (finding.verdict, finding.measured) == ("pass", 0)


@pytest.mark.parametrize(("place", "verdict"), [(0, "warn"), (-1, "fail")])
def test_a_class_that_has_gone_warns_and_one_that_is_to_come_fails(tmp_path: Path, place: int, verdict: str) -> None:
    rows = steady()
    at = np.arange(30) if place == 0 else 568 - np.arange(30)
    rows.iloc[at, rows.columns.get_loc("diagnosis")] = "unclear"
    finding = judge(imbalance(table(tmp_path, rows, BY_TIME)), LIMITS)
    assert finding.verdict == verdict
    assert "as a split by time has it where a class comes or goes" in finding.summary
