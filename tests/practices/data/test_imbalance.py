import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

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


@pytest.mark.fault("data/imbalance", "warn: a class cut to a fifth; fail: a class missing from a split")
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
    assert list(finding.table.columns[:5]) == ["split", "class", "count", "ratio", "flagged"]
    assert list(finding.table.columns[5:]) == ["effective", "recall", "recall_low", "recall_high"]


def test_the_breast_cancer_classes_pass(tmp_path: Path) -> None:
    finding = judge(imbalance(table(tmp_path, breast_cancer())), LIMITS)

    assert finding.verdict == "pass"
    assert finding.measured == 357 / 212


def test_a_number_as_label_is_skipped(real: Callable[[str], Dataset]) -> None:
    assert judge(imbalance(real("diabetes")), LIMITS).verdict == "skip"


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer"])
@pytest.mark.parametrize("seed", range(5))
def test_a_class_cut_to_a_fifth_is_named(real: Callable[[str], Dataset], name: str, seed: int) -> None:
    whole = real(name)
    rng = np.random.default_rng(seed)
    place = int(rng.integers(len(whole.preparation["classes"])))

    finding = judge(imbalance(_thinned(whole, place, 5, rng)), LIMITS)

    cut = whole.preparation["classes"][place]
    assert finding.verdict == "warn"
    assert f"'{cut}' is rare" in finding.summary
    assert finding.table.loc[finding.table["flagged"], "class"].unique().tolist() == [cut]


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer"])
def test_classes_as_they_are_pass(real: Callable[[str], Dataset], name: str) -> None:
    finding = judge(imbalance(real(name)), LIMITS)

    assert finding.verdict == "pass"
    assert not finding.table["flagged"].any()


@pytest.mark.parametrize("loader", ["load_iris", "load_wine"])
@pytest.mark.parametrize("seed", range(5))
def test_of_three_small_classes_the_one_cut_to_a_fifth_is_named(loader: str, seed: int, tmp_path: Path) -> None:
    bunch = getattr(sklearn.datasets, loader)(as_frame=True)
    frame = bunch.data.assign(diagnosis=bunch.target_names[bunch.target])
    cut = str(bunch.target_names[np.random.default_rng(seed).integers(3)])
    own = frame[frame["diagnosis"] == cut]
    thinned = frame.drop(own.sample(frac=0.8, random_state=seed).index)
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()

    assert judge(imbalance(table(tmp_path / "whole", frame)), LIMITS).verdict == "pass"
    finding = judge(imbalance(table(tmp_path / "cut", thinned)), LIMITS)

    assert finding.verdict == "warn"
    assert f"'{cut}' is rare" in finding.summary


def test_each_of_two_classes_cut_to_a_fifth_is_named(real: Callable[[str], Dataset]) -> None:
    rng = np.random.default_rng(0)

    summary = imbalance(_thinned(_thinned(real("digits"), 3, 5, rng), 8, 5, rng)).summary

    assert "'3' is rare" in summary and "'8' is rare" in summary


def test_a_long_tail_is_told_as_one_and_no_class_of_it_is_named_rare(real: Callable[[str], Dataset]) -> None:
    tailed, rng = real("mnist5k"), np.random.default_rng(0)
    for place in range(10):
        tailed = _thinned(tailed, place, 20 ** (place / 9), rng)

    finding = judge(imbalance(tailed), LIMITS)

    assert finding.verdict == "warn"
    assert "fall off as a long tail does" in finding.summary
    assert "is rare" not in finding.summary
    assert not finding.table["flagged"].all()


def test_many_small_classes_that_are_uneven_by_chance_are_no_long_tail() -> None:
    images, _ = digits()
    drawn = np.random.default_rng(0).integers(200, size=len(images))

    finding = imbalance(arrays(images, drawn))

    assert finding.measured > 10
    assert "long tail" not in finding.summary


def test_what_a_rare_class_costs_is_its_recall_with_an_interval(real: Callable[[str], Dataset]) -> None:
    thinned = _thinned(real("mnist5k"), 5, 20, np.random.default_rng(0))

    finding = imbalance(thinned)

    found, low, high, evenly = (
        int(figure) for figure in re.findall(r"finds (\d+)% of them \[(\d+)%, (\d+)%\], and (\d+)%", finding.summary)[0]
    )
    assert low < found < high
    assert found < evenly
    rare = finding.table[finding.table["class"] == "5"]
    assert rare["recall"].mean() < finding.table["recall"].mean() - 0.1
    assert (rare["recall_low"] <= rare["recall"]).all() and (rare["recall"] <= rare["recall_high"]).all()


def test_a_class_that_is_rare_in_the_test_set_alone_is_told_with_where() -> None:
    images, labels = digits()
    splits = np.resize(["train", "train", "validation", "test"], len(labels)).astype(object)
    splits[np.flatnonzero((labels == 3) & (splits == "test"))[5:]] = "train"

    finding = judge(imbalance(arrays(images, labels, split=splits)), LIMITS)

    assert finding.verdict == "warn"
    assert "In one of the splits alone '3' is rare." in finding.summary
    assert finding.table.loc[finding.table["flagged"], ["split", "class"]].to_numpy().tolist() == [["test", "3"]]


def test_a_set_whose_inputs_are_all_one_value_has_its_classes_counted() -> None:
    images, labels = digits()

    finding = judge(imbalance(arrays(np.full_like(images, 7), labels)), LIMITS)

    assert finding.verdict == "pass"
    assert finding.table["count"].sum() == 1797


def test_classes_of_few_examples_are_counted_without_a_recall() -> None:
    images, _ = digits()

    finding = judge(imbalance(arrays(images[:40], np.arange(40) // 4)), LIMITS)

    assert finding.table["recall"].isna().all()
    assert finding.table["count"].sum() == 40


def _thinned(whole: Dataset, place: int, times: float, rng: np.random.Generator) -> Dataset:
    """The data set with the class at `place` cut to so many times fewer examples."""
    own = np.flatnonzero(whole.targets == place)
    gone = rng.permutation(own)[round(len(own) / times) :]
    kept = np.setdiff1d(np.arange(len(whole.targets)), gone)
    return replace(
        whole,
        manifest=whole.manifest.iloc[kept].reset_index(drop=True),
        inputs=np.asarray(whole.inputs)[kept],
        targets=whole.targets[kept],
        rows=whole.rows.iloc[kept].reset_index(drop=True),
    )
