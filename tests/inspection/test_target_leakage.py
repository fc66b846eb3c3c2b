"""A column that tells the label is named where it does so beyond chance, and not for a lucky draw of a few rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from recipe.dataset.stored import Dataset
from recipe.inspection.target_leakage import column_scores
from tests.dataset.conftest import Prepare, default_settings, prepare, workspace

__all__ = ["default_settings", "prepare", "workspace"]


def leaking(dataset: Dataset) -> list[str]:
    settings = dataset.settings.stages.data.leakage
    table = column_scores(dataset, settings.column_rows, settings.column_score, settings.rank_correlation)
    return table.loc[table["leaks"], "column"].tolist()


@pytest.mark.parametrize("seed", range(8))
def test_the_petals_of_irises_are_no_leak_whichever_rows_are_looked_at(
    prepare: Prepare, tmp_path: Path, seed: int
) -> None:
    frame = load_iris(as_frame=True).frame.rename(columns={"target": "label"})
    frame["label"] = frame["label"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
    frame.sample(frac=0.8, random_state=seed).to_csv(tmp_path / "rows.csv", index=False)
    assert leaking(prepare(kind="table", path=tmp_path / "rows.csv")) == []


@pytest.mark.parametrize("count", [60, 400])
def test_a_code_of_the_label_is_a_leak_on_few_rows_and_with_slips_on_many(
    prepare: Prepare, tmp_path: Path, count: int
) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, count)
    code = 10 * label + rng.random(count)
    if count > 100:
        code[:2] = code[:2][::-1]
    rows = pd.DataFrame({"code": code, "noise": rng.random(count), "label": np.array(["a", "b", "c"])[label]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert leaking(prepare(kind="table", path=tmp_path / "rows.csv")) == ["code"]


def test_numbers_beyond_what_a_net_computes_with_are_judged_by_their_order(prepare: Prepare, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    is_ill = rng.random(400) < 0.5
    charge = np.where(is_ill, 2e300, 1e300) + rng.uniform(0, 1e299, 400)
    rows = pd.DataFrame({"charge": charge, "noise": rng.random(400), "label": np.where(is_ill, "ill", "well")})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert leaking(prepare(kind="table", path=tmp_path / "rows.csv")) == ["charge"]
