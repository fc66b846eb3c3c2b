"""Prepared rows, read back as the table had them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipe.dataset.preparation import prepare_rows
from recipe.dataset.readings import read_columns
from recipe.dataset.rows import readable_rows
from recipe.dataset.tables import fit_rows
from tests.exported import write_tumours


def fitted(table: pd.DataFrame) -> dict[str, Any]:
    readings = read_columns(table, None, None, {})
    return fit_rows(table, list(table), readings, np.arange(len(table)), "the table")


def read_back(table: pd.DataFrame) -> pd.DataFrame:
    preparation = fitted(table)
    return readable_rows(prepare_rows(table, preparation), preparation)


def test_numbers_come_back_in_their_own_units_categories_by_name_and_gaps_as_such(tmp_path: Path) -> None:
    table = write_tumours(tmp_path / "tumours.csv").drop(columns="diagnosis")
    rows = read_back(table)
    assert list(rows.columns) == list(table.columns)
    assert rows["size"].tolist() == table["size"].tolist()
    assert (rows["mean texture"] == "missing").tolist() == table["mean texture"].isna().tolist()
    known = table["mean texture"].notna()
    assert rows["mean texture"][known].astype(float).to_numpy() == pytest.approx(table["mean texture"][known], rel=1e-3)
    assert (rows["worst concavity"] == "0").sum() == (table["worst concavity"] == 0).sum() > 0
    assert rows["mean area"].astype(float).to_numpy() == pytest.approx(table["mean area"], rel=1e-3)


def test_dates_come_back_to_the_day_or_to_the_second() -> None:
    days = pd.date_range("2021-03-05", periods=50, freq="7D").strftime("%Y-%m-%d")
    times = pd.date_range("2021-03-05 07:08:09", periods=50, freq="31h").strftime("%Y-%m-%d %H:%M:%S")
    rows = read_back(pd.DataFrame({"day": days, "time": times}, dtype="str"))
    assert rows["day"].tolist() == days.tolist()
    # float32 days of standard deviation 18 are off by less than half a minute
    off = pd.to_datetime(rows["time"]) - pd.to_datetime(pd.Series(times))
    assert off.abs().max() < pd.Timedelta(seconds=30)


def test_a_category_that_training_has_not_seen_is_no_other() -> None:
    table = pd.DataFrame({"colour": ["red", "blue"] * 20}, dtype="str")
    preparation = fitted(table)
    unseen = prepare_rows(pd.DataFrame({"colour": ["green", "red"]}, dtype="str"), preparation)
    assert readable_rows(unseen, preparation)["colour"].tolist() == ["none of training's", "red"]
