from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.label_noise import label_noise
from tests.faults.data import arrays, breast_cancer, composed, digits, table

LIMITS = composed().thresholds.of("data")


def mislabelled(dataset: Dataset, rows: np.ndarray, seed: int = 0) -> Dataset:
    """The same with each of `rows` called another class."""
    classes, given = dataset.preparation["classes"], dataset.targets.copy()
    given[rows] = (given[rows] + np.random.default_rng(seed).integers(1, len(classes), len(rows))) % len(classes)
    return replace(dataset, targets=given, manifest=dataset.manifest.assign(label=np.array(classes)[given]))


@pytest.mark.fault("data/label_noise", "warn: surely more than one label in a hundred is wrong")
def test_wrong_labels_are_flagged_with_what_they_should_be(real: Callable[[str], Dataset]) -> None:
    dataset = real("digits")
    wrong = np.random.default_rng(1).permutation(len(dataset.targets))[:54]

    finding = judge(label_noise(mislabelled(dataset, wrong)), LIMITS)

    flagged = finding.table[finding.table["flagged"]]
    ids = set(dataset.manifest["id"].iloc[wrong])
    assert len(ids & set(flagged["id"])) >= 0.92 * len(ids)
    assert len(ids & set(flagged["id"])) >= 0.94 * len(flagged)
    right = dataset.manifest.set_index("id")["label"]
    found = flagged[flagged["id"].isin(ids)]
    assert (found["suggested"] == found["id"].map(right)).mean() > 0.95
    assert finding.verdict == "warn"
    assert finding.interval[0] <= 54 / 1797 <= finding.interval[1]
    assert len(finding.table) == 1797


def test_the_labels_of_the_digits_are_not_doubted(real: Callable[[str], Dataset]) -> None:
    finding = judge(label_noise(real("digits")), LIMITS)

    assert finding.verdict == "pass"
    assert not finding.table["flagged"].any()


@pytest.mark.parametrize("slope", [1, 2])
def test_labels_that_the_inputs_leave_open_are_not_taken_for_wrong(tmp_path: Path, slope: int) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(1000, 8))
    is_ill = rng.random(1000) < 1 / (1 + np.exp(-slope * inputs[:, 0]))
    frame = pd.DataFrame(inputs, columns=list("abcdefgh")).assign(diagnosis=np.where(is_ill, "ill", "well"))

    finding = judge(label_noise(table(tmp_path, frame)), LIMITS)

    assert finding.verdict == "pass" and not finding.table["flagged"].any()
    assert "may as well be hard to tell" in finding.summary


def test_a_fifth_of_wrong_labels_is_found_too(real: Callable[[str], Dataset]) -> None:
    dataset = real("digits")
    wrong = np.random.default_rng(2).permutation(len(dataset.targets))[:359]

    finding = label_noise(mislabelled(dataset, wrong))

    assert finding.measured == pytest.approx(0.2, abs=0.02)


def test_a_copy_with_the_same_wrong_label_does_not_vouch_for_it() -> None:
    images, labels = digits()
    given = labels.copy()
    given[:10] = (given[:10] + 5) % 10
    dataset = arrays(np.concatenate([images, images[:10]]), np.concatenate([given, given[:10]]))

    finding = label_noise(dataset)

    flagged = set(finding.table.loc[finding.table["flagged"], "id"])
    twice = {f"digit-{place}" for place in (*range(10), *range(1797, 1807))}
    assert len(twice & flagged) >= 16


def test_a_label_that_a_person_kept_is_doubted_no_more(real: Callable[[str], Dataset]) -> None:
    dataset = real("digits")
    wrong = np.random.default_rng(1).permutation(len(dataset.targets))[:54]
    doubted = mislabelled(dataset, wrong)
    decided = np.where(np.isin(np.arange(len(dataset.targets)), wrong), "keep", "")

    finding = judge(label_noise(replace(doubted, manifest=doubted.manifest.assign(decided=decided))), LIMITS)

    assert not set(dataset.manifest["id"].iloc[wrong]) & set(finding.table.loc[finding.table["flagged"], "id"])
    assert finding.verdict == "pass"


def test_wrong_labels_of_a_table_are_found(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    wrong = np.random.default_rng(3).permutation(len(frame))[:28]
    frame.loc[wrong, "diagnosis"] = frame.loc[wrong, "diagnosis"].map({"benign": "malignant", "malignant": "benign"})

    finding = judge(label_noise(table(tmp_path, frame)), LIMITS)

    first = finding.table.head(28)["path"].str.removeprefix("row:").astype(int)
    assert len(set(first) & set(wrong.tolist())) >= 22
    assert finding.verdict == "warn"


def test_wrong_numbers_are_suspected_first_and_come_with_what_is_expected(tmp_path: Path) -> None:
    frame = breast_cancer().drop(columns="diagnosis")
    wrong = np.random.default_rng(4).permutation(len(frame))[:20]
    frame.loc[wrong, "mean area"] = frame["mean area"].mean() + 1500 * np.where(np.arange(20) % 2, 1, -0.4)
    dataset = table(tmp_path, frame, "data.label='mean area'", "data.task=regression")

    finding = label_noise(dataset)

    first = finding.table.head(20)["path"].str.removeprefix("row:").astype(int)
    assert len(set(first) & set(wrong.tolist())) >= 15
    assert finding.table["suggested"].astype(float).between(0, 3000).all()


def test_labels_that_cannot_be_told_from_the_inputs_are_not_doubted() -> None:
    images, labels = digits()

    finding = label_noise(arrays(images, np.random.default_rng(0).permutation(labels)))

    assert finding.skipped


def test_so_few_examples_are_not_doubted() -> None:
    images, labels = digits()

    assert label_noise(arrays(images[:40], labels[:40])).skipped
