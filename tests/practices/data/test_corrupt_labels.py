from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.corrupt_labels import corrupt_labels
from tests.faults.data import arrays, breast_cancer, composed, digits, table, with_labels

LIMITS = composed().thresholds.of("data")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_rows_without_a_label_are_listed_as_missing(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    frame.loc[[3, 4], "diagnosis"] = np.nan

    finding = judge(corrupt_labels(table(tmp_path, frame)), LIMITS)

    assert finding.table[["path", "reason"]].to_numpy().tolist() == [["row:3", "missing"], ["row:4", "missing"]]
    assert finding.verdict == "warn"


def test_more_missing_labels_than_the_quarantine_may_hold_fail(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    frame.loc[:60, "diagnosis"] = np.nan

    assert judge(corrupt_labels(table(tmp_path, frame)), LIMITS).verdict == "fail"


@pytest.mark.fault("data/corrupt_labels", "warn: a label is missing; fail: a class that is a variant of another")
@pytest.mark.parametrize("written", ["Benign", "BENIGN", "bening", "bengin", "beningn"])
def test_a_variant_of_a_class_fails_and_the_class_is_suggested(tmp_path: Path, written: str) -> None:
    frame = breast_cancer().copy()
    row = int(np.flatnonzero(frame["diagnosis"] == "benign")[0])
    frame.loc[[row, row + 1], "diagnosis"] = written

    finding = judge(corrupt_labels(table(tmp_path, frame)), LIMITS)

    assert finding.verdict == "fail"
    assert set(finding.table["path"]) == {f"row:{row}", f"row:{row + 1}"}
    assert set(finding.table["label"]) == {written}
    assert set(finding.table["suggested"]) == {"benign"}


@pytest.mark.parametrize(
    ("label", "reason"),
    [("999", "out of range"), ("-1", "out of range"), ("10", "out of range"), ("x", "not a number")],
)
def test_a_label_that_is_no_digit_fails_with_its_reason(label: str, reason: str) -> None:
    finding = judge(corrupt_labels(with_labels(arrays(*digits()), {4: label})), LIMITS)

    assert finding.verdict == "fail"
    assert finding.table[["id", "label", "reason"]].to_numpy().tolist() == [["digit-4", label, reason]]


def test_a_lone_word_among_words_is_unknown_and_a_misspelt_one_is_not() -> None:
    images, labels = digits()
    dataset = arrays(images, [WORDS[label] for label in labels])

    finding = corrupt_labels(with_labels(dataset, {0: "axolotl", 3: "thre"}))

    found = {row["id"]: (row["reason"], row["suggested"]) for _, row in finding.table.iterrows()}
    assert found == {"digit-0": ("unknown", ""), "digit-3": ("a misspelling", "three")}


def test_a_placeholder_among_numbers_is_out_of_range(tmp_path: Path) -> None:
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame.loc[[8, 9], "target"] = -999.0
    frame["target"] = frame["target"].astype("object")
    frame.loc[10, "target"] = "high"

    finding = judge(corrupt_labels(table(tmp_path, frame, "data.task=regression", label="target")), LIMITS)

    found = dict(zip(finding.table["path"], finding.table["reason"], strict=True))
    assert found == {"row:8": "out of range", "row:9": "out of range", "row:10": "not a number"}
    assert finding.verdict == "warn"


def test_small_honest_classes_are_left_alone() -> None:
    images, _ = digits()
    wine_quality = ["3"] * 20 + ["4"] * 163 + ["5"] * 400 + ["6"] * 600 + ["7"] * 500 + ["8"] * 109 + ["9"] * 5
    sentiments = ["-1"] * 40 + ["0"] * 900 + ["1"] * 857
    fraud = ["0"] * 1780 + ["1"] * 17
    near_names = ["class_1"] * 900 + ["class_2"] * 40 + ["man"] * 800 + ["men"] * 57

    for labels in (wine_quality, sentiments, fraud, near_names):
        assert corrupt_labels(arrays(images, labels)).measured == 0


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes"])
def test_real_labels_pass(real: Callable[[str], Dataset], name: str) -> None:
    finding = judge(corrupt_labels(real(name)), LIMITS)

    assert finding.verdict == "pass"
    assert list(finding.table.columns) == ["id", "path", "label", "reason", "suggested"]
