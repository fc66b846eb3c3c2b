from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.leakage import leakage
from tests.faults.data import (
    arrays,
    breast_cancer,
    composed,
    digits,
    table,
    with_labels,
    with_near_copies_in_train,
    with_test_images_in_train,
)

LIMITS = composed().thresholds.of("data")
COLUMNS = ["kind", "id_a", "path_a", "split_a", "id_b", "path_b", "split_b", "group", "column", "score", "distance"]


@pytest.mark.fault(
    "data/leakage",
    "fail: test images that are also in train, a group in two splits, a column that gives the label away",
)
def test_test_images_that_are_also_in_train_fail_and_are_named() -> None:
    finding = judge(leakage(with_test_images_in_train(5)), LIMITS)

    assert finding.verdict == "fail"
    assert finding.table["kind"].tolist() == ["exact"] * 5
    assert set(finding.table["split_a"]) == {"test"}
    assert set(finding.table["split_b"]) == {"train"}
    assert list(finding.table.columns) == COLUMNS


def test_noisy_copies_of_test_images_in_train_are_near() -> None:
    finding = judge(leakage(with_near_copies_in_train(20)), LIMITS)

    near = finding.table[finding.table["kind"] == "near"]
    assert finding.verdict == "warn"
    assert len(near) >= 18
    assert near["distance"].between(0, 0.05).all()


def test_pairs_are_counted_in_words_that_agree() -> None:
    assert leakage(with_test_images_in_train(1)).summary.startswith("1 pair of equal content in two splits, such as ")
    assert leakage(with_test_images_in_train(2)).summary.startswith("2 pairs of equal content in two splits, such as ")
    assert leakage(with_near_copies_in_train(1)).summary.startswith("1 nearly equal pair in two splits, such as ")


def test_pairs_whose_labels_differ_are_told_and_others_are_not() -> None:
    alike = with_near_copies_in_train(5)
    labels = {len(alike.manifest) - 1: "none", len(alike.manifest) - 2: "none"}

    differing = leakage(with_labels(alike, labels))

    assert "5 nearly equal pairs in two splits, 2 of them with different labels, such as " in differing.summary
    assert "Where the labels of a pair differ, decide which is right" in differing.advice
    assert "different labels" not in leakage(alike).summary
    assert "labels of a pair" not in leakage(alike).advice


def test_the_advice_on_copies_follows_from_whose_the_split_is_and_whether_groups_are_named() -> None:
    own, drawn = with_near_copies_in_train(5), replace(with_near_copies_in_train(5), split_given=False)
    people = [f"person {number}" for number in range(len(drawn.manifest))]
    grouped = replace(drawn, manifest=drawn.manifest.assign(group=people))

    assert "move both to one side of your split" in leakage(own).advice
    assert "in a column of their own (data.group_column)" in leakage(drawn).advice
    assert "are of two groups, give them one group" in leakage(grouped).advice
    for dataset in (own, drawn, grouped):
        assert "data.ignore" not in leakage(dataset).advice
    assert leakage(with_test_images_in_train(5)).advice == (
        "The split is your own: mend the split, or give the data without one: then one is drawn that keeps copies and "
        "groups together."
    )


def test_slightly_brighter_copies_of_larger_images_are_near(real: Callable[[str], Dataset]) -> None:
    mnist = real("mnist5k")
    images, labels = mnist.inputs[:1500, 0], mnist.manifest["label"][:1500]
    brighter = np.clip(images[:10] * 0.95 + 8, 0, 255)
    splits = ["test"] * 10 + ["train"] * 1500
    dataset = arrays(
        np.vstack([images, brighter])[::-1].astype(np.uint8), np.r_[labels[:1500], labels[:10]], split=splits
    )

    near = leakage(dataset).table

    assert near["kind"].tolist() == ["near"] * 10
    assert set(near["id_b"]) == {f"digit-{place}" for place in range(1500, 1510)}


def test_a_group_in_two_splits_fails_and_is_named() -> None:
    images, labels = digits()
    groups = [f"writer-{place}" for place in range(len(images))]
    groups[0] = groups[14] = "writer-x"
    splits = ["test", *["train"] * 1500, *["validation"] * 296]

    finding = judge(leakage(arrays(images, labels, group=groups, split=splits)), LIMITS)

    assert finding.verdict == "fail"
    assert finding.table[["kind", "id_a", "id_b", "group"]].to_numpy().tolist() == [
        ["group", "digit-0", "digit-14", "writer-x"]
    ]


Change = Callable[[Any], pd.Series]


def _copied(frame: pd.DataFrame) -> pd.Series:
    return frame["diagnosis"]


def _coded(frame: pd.DataFrame) -> pd.Series:
    return frame["diagnosis"].map({"benign": 17, "malignant": 4})


def _noisy(frame: pd.DataFrame) -> pd.Series:
    return _coded(frame) + np.random.default_rng(0).normal(0, 1.5, len(frame))


def _missing(frame: pd.DataFrame) -> pd.Series:
    measured = pd.Series(np.random.default_rng(0).normal(size=len(frame)))
    return measured.mask(frame["diagnosis"] == "benign")


def _in_a_name(frame: pd.DataFrame) -> pd.Series:
    return frame["diagnosis"].str[0] + pd.Series(range(len(frame))).astype("str")


@pytest.mark.parametrize("give_away", [_copied, _coded, _noisy, _missing, _in_a_name])
def test_a_column_that_gives_the_label_away_fails_and_is_named(tmp_path: Path, give_away: Change) -> None:
    frame = breast_cancer().assign(outcome=give_away(breast_cancer()))

    finding = judge(leakage(table(tmp_path, frame)), LIMITS)

    assert finding.verdict == "fail"
    assert finding.table[["kind", "column"]].to_numpy().tolist() == [["column", "outcome"]]
    assert "'outcome'" in finding.summary
    assert finding.advice == (
        "Leave out a column that would not be known when the model is used (data.ignore=[outcome])."
    )


@pytest.mark.parametrize("change", [lambda y: y, lambda y: -3 * y + 7, np.log, lambda y: y.map("about {:.0f}".format)])
def test_a_column_that_gives_a_number_away_fails_and_is_named(tmp_path: Path, change: Change) -> None:
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame = pd.concat([frame, frame.assign(age=frame["age"] + 1)], ignore_index=True)
    frame["follow_up"] = change(frame["target"])

    finding = judge(leakage(table(tmp_path, frame, "data.task=regression", label="target")), LIMITS)

    assert finding.verdict == "fail"
    assert "follow_up" in set(finding.table["column"])
    assert set(finding.table["column"].dropna()) == {"follow_up"}


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer", "diabetes"])
def test_real_data_do_not_leak(real: Callable[[str], Dataset], name: str) -> None:
    finding = judge(leakage(real(name)), LIMITS)

    assert finding.verdict == "pass"
    assert finding.measured == 0
