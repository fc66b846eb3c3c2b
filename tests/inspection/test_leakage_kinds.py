from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recipe.dataset.stored import Dataset
from recipe.inspection.leakage_kinds import Kind, kinds_of_leakage, scaled_on_all
from recipe.practices.data.leakage import leakage
from tests.faults.data import breast_cancer, table

NOTHING = dict.fromkeys(("exact", "near", "group", "column", "unnamed group"), 0)


def named(dataset: Dataset, found: dict[str, int] = NOTHING) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds_of_leakage(dataset, found)}


def test_each_of_the_eight_kinds_has_an_answer_with_its_reason(tmp_path: Path) -> None:
    kinds = named(table(tmp_path, breast_cancer()))

    assert len(kinds) == 8
    assert {kind.answer for kind in kinds.values()} == {"none seen", "cannot be seen"}
    assert all(kind.told for kind in kinds.values())


def test_columns_that_were_standardised_over_all_rows_are_found(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    numbers = frame.columns[:-1]
    frame[numbers] = (frame[numbers] - frame[numbers].mean()) / frame[numbers].std()
    dataset = table(tmp_path, frame)

    assert set(scaled_on_all(dataset)) == set(numbers)
    assert named(dataset)["preprocessing on all"].answer == "found"


def test_columns_that_were_standardised_by_training_rows_are_not(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    numbers = frame.columns[:-1]
    frame["split"] = np.where(np.arange(len(frame)) % 5 == 0, "test", "train")
    training = frame.loc[frame["split"] == "train", numbers]
    frame[numbers] = (frame[numbers] - training.mean()) / training.std(ddof=0)
    dataset = table(tmp_path, frame, "data.split_column=split")

    assert not list(scaled_on_all(dataset))


def test_a_date_beside_a_split_by_chance_is_found(tmp_path: Path) -> None:
    frame = breast_cancer().assign(seen=pd.date_range("2020-01-01", periods=569).astype("str"))

    kind = named(table(tmp_path, frame))["the future in training"]

    assert kind.answer == "found" and "'seen' is a date" in kind.told


def test_copies_groups_and_columns_are_counted(tmp_path: Path) -> None:
    kinds = named(table(tmp_path, breast_cancer()), NOTHING | {"exact": 2, "column": 1, "group": 3})

    assert kinds["duplicates across splits"].told == "2 copies"
    assert kinds["features that give the label away"].answer == "found"
    assert kinds["groups across splits"].told == "3 groups"


def test_no_test_set_is_found(real: Callable[[str], Dataset]) -> None:
    dataset = real("digits")
    without = replace(dataset, manifest=dataset.manifest.assign(split="train"))

    assert named(without)["no test set"].answer == "found"


def test_the_practice_draws_the_list(real: Callable[[str], Dataset]) -> None:
    assert "kinds" in leakage(real("digits")).figures
