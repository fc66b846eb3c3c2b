import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.imbalance import imbalance
from tests.faults.data import arrays, breast_cancer, composed, digits, table

LIMITS = composed().thresholds.of("data")


def test_a_rare_class_warns_with_its_ratio() -> None:
    images, labels = digits()
    kept = np.concatenate([np.flatnonzero(labels != 7), np.flatnonzero(labels == 7)[:12]])

    finding = judge(imbalance(arrays(images[kept], labels[kept])), LIMITS)

    assert finding.verdict == "warn"
    assert finding.measured == 183 / 12


@pytest.mark.fault("data/imbalance", "warn: a rare class; fail: a class missing from a split")
def test_a_class_missing_from_a_split_fails_and_is_named() -> None:
    images, labels = digits()
    splits = np.where((labels == 3) | (np.arange(len(labels)) % 5 > 1), "train", "test").astype(object)
    splits[np.flatnonzero(splits == "train")[::5]] = "validation"

    finding = judge(imbalance(arrays(images, labels, split=splits)), LIMITS)

    assert finding.verdict == "fail"
    first = finding.table.iloc[0]
    assert (first["split"], first["class"], first["count"], first["flagged"]) == ("test", "3", 0, True)


def test_a_class_missing_from_two_splits_is_one_class_with_both_ways_out() -> None:
    images, labels = digits()
    splits = np.resize(["train", "train", "validation", "test"], len(labels)).astype(object)
    splits[labels == 3] = "train"

    finding = judge(imbalance(arrays(images, labels, split=splits)), LIMITS)

    assert finding.verdict == "fail"
    assert finding.summary.endswith(" 1 class is missing from a split: '3' from validation and test.")
    assert "leave it out, or let it be with thresholds.data.imbalance.max_missing=1." in finding.advice
    assert "data.ignore=[class]" in finding.advice
    (allowed,) = re.findall(r"max_missing=(\d+)", finding.advice)
    imbalances = {**LIMITS, "imbalance": {**LIMITS["imbalance"], "max_missing": int(allowed)}}
    assert judge(finding, imbalances).verdict != "fail"


def test_two_classes_missing_are_two() -> None:
    images, labels = digits()
    splits = np.resize(["train", "train", "validation", "test"], len(labels)).astype(object)
    splits[labels == 3] = "train"
    splits[(labels == 5) & (splits == "test")] = "train"

    summary = imbalance(arrays(images, labels, split=splits)).summary

    assert "2 classes are missing from a split: " in summary
    assert "'3' from validation and test" in summary and "'5' from test" in summary


def test_classes_of_one_size_are_said_to_be_that() -> None:
    images, labels = digits()
    kept = np.concatenate([np.flatnonzero(labels == label)[:50] for label in range(10)])

    assert imbalance(arrays(images[kept], labels[kept])).summary == "All 10 classes have 50 examples."


def test_every_class_of_every_split_is_listed(real: Callable[[str], Dataset]) -> None:
    finding = judge(imbalance(real("digits")), LIMITS)

    assert finding.verdict == "pass"
    assert len(finding.table) == 30
    assert finding.table["count"].sum() == 1797
    assert list(finding.table.columns) == ["split", "class", "count", "ratio", "flagged"]


def test_the_breast_cancer_classes_pass(tmp_path: Path) -> None:
    finding = judge(imbalance(table(tmp_path, breast_cancer())), LIMITS)

    assert finding.verdict == "pass"
    assert finding.measured == 357 / 212


def test_a_number_as_label_is_skipped(real: Callable[[str], Dataset]) -> None:
    assert judge(imbalance(real("diabetes")), LIMITS).verdict == "skip"
