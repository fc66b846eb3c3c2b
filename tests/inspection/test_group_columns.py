"""Columns that say which rows belong together: named where rows of one are in two splits, and none else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.inspection.group_columns import group_columns
from recipe.inspection.numbered_categories import numbered_categories
from recipe.practices.data.distributions import distributions
from recipe.practices.data.leakage import leakage
from recipe.settings import Thresholds
from tests.dataset.conftest import Prepare, default_settings, prepare, workspace

__all__ = ["default_settings", "prepare", "workspace"]

LIMITS = Thresholds.default().of("data")
DRAW = np.random.default_rng(0)
ROWS = 600


@pytest.fixture(autouse=True)
def the_same_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order of the tests, each begins with the same numbers."""
    monkeypatch.setitem(globals(), "DRAW", np.random.default_rng(0))


@pytest.fixture
def patients(tmp_path: Path) -> pd.DataFrame:
    """Real rows of six measurements, and whether a tumour is benign."""
    frame = load_breast_cancer(as_frame=True).frame.sample(ROWS, replace=True, random_state=0).reset_index(drop=True)
    measured = frame.iloc[:, :6] * DRAW.normal(1, 0.05, (ROWS, 6))
    return measured.assign(label=np.where(frame["target"] == 1, "benign", "malignant"))


def read(prepare: Prepare, tmp_path: Path, rows: pd.DataFrame, **settings: object) -> Dataset:
    rows.to_csv(tmp_path / "rows.csv", index=False)
    return prepare(kind="table", path=tmp_path / "rows.csv", **settings)


@pytest.mark.fault("data/leakage", "warn: rows of one patient in two splits, whose column nobody named")
@pytest.mark.parametrize(
    ("name", "verdict"),
    [(lambda code: code * 37 % 4001, "warn"), (lambda code: f"P{code:04}", "fail")],  # a word also gives away the label
)
def test_patients_whose_rows_share_their_label_are_named_to_split_by(
    prepare: Prepare, patients: pd.DataFrame, tmp_path: Path, name: Callable[[int], object], verdict: str
) -> None:
    patient = np.arange(ROWS) // 6
    label = np.array(["ill", "well"])[DRAW.integers(0, 2, ROWS // 6)][patient]
    rows = patients.assign(patient=[name(code) for code in patient], label=label)
    finding = judge(leakage(read(prepare, tmp_path, rows)), LIMITS)
    assert finding.verdict == verdict
    assert "data.group_column=patient" in finding.summary
    assert finding.table.loc[finding.table["kind"] == "unnamed group", "column"].tolist() == ["patient"]
    named = judge(leakage(read(prepare, tmp_path, rows, group_column="patient")), LIMITS)
    assert named.verdict == "pass"


def test_patients_whose_rows_share_much_else_are_named(
    prepare: Prepare, patients: pd.DataFrame, tmp_path: Path
) -> None:
    patient = np.arange(ROWS) // 5
    measured = patients.iloc[:, :6].iloc[patient].reset_index(drop=True) * DRAW.normal(1, 0.02, (ROWS, 6))
    rows = measured.assign(patient=patient * 91 % 997, label=patients["label"])
    found = group_columns(read(prepare, tmp_path, rows))
    assert found[["column", "groups", "shared"]].to_numpy().tolist() == [["patient", 120, "columns"]]


def test_quantities_and_categories_that_tell_of_the_label_are_no_groups(
    prepare: Prepare, patients: pd.DataFrame, tmp_path: Path
) -> None:
    """A score that decides the label, ages that repeat, a clinic in which most are ill: each is a feature."""
    score = DRAW.integers(0, 100, ROWS)
    rows = patients.assign(
        score=score,
        label=np.where(score > 50, "ill", "well"),
        age=DRAW.integers(20, 80, ROWS),
        clinic=DRAW.choice([f"clinic {number}" for number in range(30)], ROWS),
        city=np.where(score > 50, "north", "south"),
    )
    assert group_columns(read(prepare, tmp_path, rows)).empty


def test_groups_that_lie_in_one_split_each_are_no_leak(
    prepare: Prepare, patients: pd.DataFrame, tmp_path: Path
) -> None:
    patient = np.arange(ROWS) // 6
    split = np.array(["train", "train", "train", "val", "test"])[patient % 5]
    rows = patients.assign(patient=patient, label=np.where(patient % 2, "ill", "well"), split=split)
    assert group_columns(read(prepare, tmp_path, rows)).empty


@pytest.mark.parametrize("is_class", [True, False])
def test_whole_numbers_that_stand_for_categories_are_named(
    prepare: Prepare, patients: pd.DataFrame, tmp_path: Path, is_class: bool
) -> None:
    branch = DRAW.integers(1, 21, ROWS)
    effect = DRAW.normal(0, 1, 21)[branch] + DRAW.normal(0, 0.5, ROWS)
    label = np.where(effect > 0, "late", "early") if is_class else effect
    dataset = read(prepare, tmp_path, patients.assign(branch=branch, label=label))
    assert list(numbered_categories(dataset)) == ["branch"]
    finding = judge(distributions(dataset), LIMITS)
    assert finding.verdict == "warn"
    assert "data.read_as" in finding.advice
    asked = read(prepare, tmp_path, patients.assign(branch=branch, label=label), read_as={"branch": "category"})
    assert numbered_categories(asked) == {}


def test_whole_numbers_that_are_quantities_are_not_named(
    prepare: Prepare, patients: pd.DataFrame, tmp_path: Path
) -> None:
    rooms, stage = DRAW.integers(1, 12, ROWS), DRAW.integers(0, 8, ROWS)
    price = rooms**1.5 + (stage - 4) ** 2 + DRAW.normal(0, 3, ROWS)
    assert numbered_categories(read(prepare, tmp_path, patients.assign(rooms=rooms, stage=stage, label=price))) == {}
    for seed in range(3):
        chance = np.random.default_rng(seed).integers(0, 30, (ROWS, 8))
        rows = patients.assign(**{f"x{place}": chance[:, place] for place in range(8)})
        assert numbered_categories(read(prepare, tmp_path, rows)) == {}


def test_the_shipped_tables_have_neither(prepare: Prepare) -> None:
    for name in ("breast_cancer", "diabetes"):
        dataset = prepare(kind="builtin", name=name, path="-", label="target", task="auto")
        assert group_columns(dataset).empty
        assert numbered_categories(dataset) == {}


def test_patients_who_mostly_came_once_are_named_too(prepare: Prepare, tmp_path: Path, patients: pd.DataFrame) -> None:
    """As in a trial with 128 patients and 203 rows: one to three rows each, most of what was measured the same."""
    visits = DRAW.choice([1, 2, 3], 250, p=[0.55, 0.3, 0.15])
    once = patients.drop_duplicates().iloc[:250].reset_index(drop=True)
    rows = once.loc[once.index.repeat(visits)].assign(id=np.repeat(1000 + 7 * np.arange(250), visits))
    rows = rows.assign(day=DRAW.integers(0, 300, len(rows))).sample(frac=1, random_state=0)
    found = group_columns(read(prepare, tmp_path, rows))
    assert found["column"].tolist() == ["id"] and found["groups"].tolist() == [250]
