from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.distributions import distributions
from tests.faults.data import breast_cancer, composed, table

LIMITS = composed().thresholds.of("data")
ROWS = len(breast_cancer())
CHANCE = np.random.default_rng(0)

FEW = ["mean radius", "mean texture", "diagnosis"]

BROKEN: dict[str, "pd.Series[Any]"] = {
    "constant": pd.Series(["clinic A"] * ROWS),
    "missing": pd.Series([1.5, 2.5] + [np.nan] * (ROWS - 2)),
    "identifier": pd.Series(CHANCE.permutation(ROWS) + 40_000),
    "mixed_types": pd.Series([f"{value:.2f}" for value in CHANCE.normal(size=ROWS - 1)] + ["about three"]),
    "impossible_value": pd.Series([-999.0, -999.0, *CHANCE.normal(60, 10, ROWS - 2)]),
}


@pytest.mark.fault(
    "data/distributions",
    "warn: a column that is constant, nearly empty, or holds values that cannot be",
)
@pytest.mark.parametrize("problem", list(BROKEN))
def test_a_column_with_a_problem_is_flagged_with_what_shows_it(tmp_path: Path, problem: str) -> None:
    finding = judge(distributions(table(tmp_path, breast_cancer()[FEW].assign(odd=BROKEN[problem]))), LIMITS)

    flagged = finding.table[finding.table["flagged"]]
    assert finding.verdict == "warn"
    assert flagged[["column", "problem"]].to_numpy().tolist() == [["odd", problem]]
    assert flagged["value"].str.len().min() > 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", [-4, *range(20, 80)]),
        ("age", [400, *range(20, 80)]),
        ("glucose", [0, 0, *np.linspace(90, 140, 60)]),
        ("visit", ["1700-01-01", *pd.date_range("2020-01-01", periods=60).astype("str")]),
    ],
)
def test_values_that_cannot_be_are_impossible(tmp_path: Path, name: str, values: list[object]) -> None:
    repeated = pd.Series(values * 10).iloc[:ROWS]
    frame = breast_cancer()[FEW].iloc[: len(repeated)].assign(**{name: repeated})

    found = distributions(table(tmp_path, frame)).table

    assert (name, "impossible_value") in set(zip(found["column"], found["problem"], strict=True))


def test_a_column_of_numbers_with_one_odd_cell_is_no_identifier(tmp_path: Path) -> None:
    found = distributions(table(tmp_path, breast_cancer()[FEW].assign(odd=BROKEN["mixed_types"]))).table
    assert found.loc[found["column"] == "odd", "problem"].tolist() == ["mixed_types"]


def test_postcodes_and_dates_and_a_few_missing_cells_are_left_alone(tmp_path: Path) -> None:
    frame = breast_cancer()[FEW].assign(
        postcode=pd.Series(CHANCE.integers(1000, 1999, ROWS)).map("0{}".format),
        visit=pd.date_range("2020-01-01", periods=ROWS),
        stage=CHANCE.choice(["I", "II", "III"], ROWS),
    )
    frame.loc[:20, "mean radius"] = np.nan

    finding = judge(distributions(table(tmp_path, frame)), LIMITS)

    assert finding.verdict == "pass"
    assert finding.table[["column", "problem", "flagged"]].to_numpy().tolist() == [["mean radius", "missing", False]]


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer", "diabetes"])
def test_real_data_pass_and_are_drawn(real: Callable[[str], Dataset], name: str) -> None:
    finding = judge(distributions(real(name)), LIMITS)

    assert finding.verdict == "pass"
    assert "columns" in finding.figures
    assert not finding.table["flagged"].any()
    assert list(finding.table.columns) == ["column", "problem", "value", "flagged"]


def test_what_was_measured_and_is_constant_is_told_as_the_table_has_it(
    real: Callable[[str], Dataset],
) -> None:
    finding = distributions(real("digits"))

    assert finding.table["column"].tolist() == ["width", "height", "mode"]
    assert set(finding.table["problem"]) == {"constant"}
    assert finding.summary == (
        "Images without columns of their own, 1797 examples. Of what was measured of them, width (8), height (8), mode "
        "(L) are the same in all, as may well be."
    )


def test_a_table_of_which_nothing_is_measured_is_told_as_before(real: Callable[[str], Dataset]) -> None:
    summary = distributions(real("breast_cancer")).summary

    assert summary == "30 columns, 569 examples: none is constant, empty or implausible."
