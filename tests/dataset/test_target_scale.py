"""A quantity is learnt by its logarithm where that is asked, told where it would help, answered in its own units."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

from recipe.dataset.target_scale import in_own_units, on_scale, standardised
from recipe.errors import DataError
from recipe.inference.export import export_model
from recipe.inference.predict import load_folder
from tests.dataset.conftest import Prepare
from tests.dataset.entered import told

ROWS = 300
NUMBERS = load_diabetes(as_frame=True, scaled=False).frame.iloc[:ROWS][["bmi", "bp", "s5"]].reset_index(drop=True)
PRICES = np.round(np.exp(np.random.default_rng(0).normal(10, 1.2, ROWS)) + NUMBERS["bmi"].to_numpy(), 2)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "flats.csv"
    NUMBERS.assign(price=PRICES).to_csv(path, index=False)
    return path


def test_the_targets_are_standardised_logarithms_of_the_labels(prepare: Prepare, table: Path) -> None:
    dataset = prepare(kind="table", path=table, label="price", target="log")
    training = np.log(PRICES[dataset.where("train")])
    expected = (np.log(PRICES) - training.mean()) / training.std()
    np.testing.assert_allclose(dataset.targets[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert "learnt by its logarithm" in dataset.taken and not told(dataset, "skewed")
    assert list(dataset.manifest["label"].astype(float)) == list(PRICES)


def test_a_skewed_label_is_named_with_what_to_set(prepare: Prepare, table: Path) -> None:
    assert told(prepare(kind="table", path=table, label="price"), "'price' is skewed (skewness", "data.target=log")


@pytest.mark.parametrize("label", [PRICES - PRICES.mean(), np.log(PRICES), np.round(np.log(PRICES) * 1e4) + 3e5])
def test_an_even_label_and_one_without_a_logarithm_are_not(prepare: Prepare, tmp_path: Path, label: np.ndarray) -> None:
    path = tmp_path / "rows.csv"
    NUMBERS.assign(price=label).to_csv(path, index=False)
    assert not told(prepare(kind="table", path=path, label="price"), "skewed")


def test_a_label_that_has_no_logarithm_is_set_aside_with_the_reason(prepare: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    NUMBERS.assign(price=np.where(np.arange(ROWS) == 7, 0.0, PRICES)).to_csv(path, index=False)
    dataset = prepare(kind="table", path=path, label="price", target="log")
    (reason,) = dataset.quarantine["reason"]
    assert reason == "the label is not positive, as data.target=log needs it" and len(dataset.manifest) == ROWS - 1


def test_classes_have_no_logarithm(prepare: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    NUMBERS.assign(kind=np.where(np.median(PRICES) < PRICES, "dear", "cheap")).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"data\.target=log is for a quantity.*data\.task=regression as well"):
        prepare(kind="table", path=path, label="kind", target="log")


def test_a_data_set_of_classes_that_comes_with_a_package_refuses_it_as_well(prepare: Prepare) -> None:
    with pytest.raises(DataError, match=r"the label of digits is taken for classes"):
        prepare(kind="builtin", name="digits", path="requirements.lock", target="log")


class Constant(nn.Module):
    """One standard deviation above the mean, whatever enters."""

    def forward(self, batch: Tensor) -> Tensor:
        return batch.sum(1, keepdim=True) * 0 + 1


def test_the_exported_model_answers_in_the_units_of_the_label(prepare: Prepare, table: Path, tmp_path: Path) -> None:
    dataset = prepare(kind="table", path=table, label="price", target="log")
    target = dataset.preparation["target"]
    example = torch.tensor(np.array(dataset.inputs[:2]))
    common = {"transform": None, "preparation": dataset.preparation, "temperature": 1.0, "example": example}
    export_model(tmp_path / "final", [Constant()], **common)
    (answer,) = set(load_folder(tmp_path / "final").predict(NUMBERS[:3])["prediction"])
    assert answer == pytest.approx(np.exp(target["mean"][0] + target["std"][0]), rel=1e-5)


def test_scales_turn_back_what_they_made() -> None:
    numbers = np.array([0.5, 3.0, 2e6])
    for scale in ({}, {"scale": "log"}):
        target = {"mean": [1.5], "std": [2.5], **scale}
        np.testing.assert_allclose(
            in_own_units(standardised(numbers, target)[:, 0].astype(float), target), numbers, 1e-5
        )
    assert np.isnan(on_scale(np.array([-1.0, 0.0]), {"scale": "log"})).all()
    assert pd.isna(on_scale(np.array([np.nan]), {"scale": "log"})).all()
