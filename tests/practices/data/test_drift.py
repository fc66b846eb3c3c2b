from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.drift import drift
from tests.faults.data import arrays, breast_cancer, composed, digits, table

LIMITS = composed().thresholds.of("data")


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer", "diabetes"])
def test_splits_by_chance_pass(real: Callable[[str], Dataset], name: str) -> None:
    finding = judge(drift(real(name)), LIMITS)

    assert (finding.verdict, finding.measured) == ("pass", 0)
    assert list(finding.table.columns) == ["column", "score", "p_value", "flagged", "split", "detail"]
    assert finding.table["column"].is_unique
    assert "(all)" in set(finding.table["column"])
    assert list(finding.figures) == ["columns"]


@pytest.mark.fault("data/drift", "warn: splits that are not by chance, such as by writer or by time")
def test_a_split_that_was_given_by_writer_is_named() -> None:
    images, labels = digits()  # they come writer after writer
    splits = np.repeat(["train", "validation", "test"], [1200, 300, 297])

    finding = judge(drift(arrays(images, labels, split=splits)), LIMITS)

    assert finding.verdict == "warn"
    assert finding.measured is not None and finding.measured > 0.2
    assert "All columns together differ between training and validation of the split that was given" in finding.summary


def test_a_source_that_fills_the_test_split_is_named_with_its_share() -> None:
    images, labels = digits()
    splits = np.resize(["train", "train", "train", "validation", "test"], len(labels))
    scanner = np.where(splits == "test", "new scanner", "old scanner")
    dataset = arrays(images, labels, split=splits, scanner=scanner)

    finding = judge(drift(with_user_column(dataset, "scanner")), LIMITS)

    assert finding.verdict == "warn"
    assert "'scanner' differs between training and test of the split that was given (1.00)" in finding.summary
    assert "is new" in finding.summary


def test_a_table_split_by_time_is_named_with_the_column_that_moved(tmp_path: Path) -> None:
    ordered = breast_cancer().sort_values("mean radius", kind="stable")
    splits = np.repeat(["train", "validation", "test"], [369, 100, 100])

    finding = judge(drift(table(tmp_path, ordered.assign(split=splits))), LIMITS)

    assert finding.verdict == "warn"
    assert finding.table["flagged"].iloc[0]
    assert "mean radius" in set(finding.table["column"][finding.table["flagged"]])


def test_a_class_that_only_one_split_has_is_named() -> None:
    images, labels = digits()
    splits = np.resize(["train", "train", "train", "validation", "test"], len(labels)).astype(object)
    splits[(labels == 3) & (splits == "test")] = "train"

    finding = judge(drift(arrays(images, labels, split=splits)), LIMITS)

    flagged = finding.table[finding.table["flagged"]].set_index("column")
    assert finding.verdict == "warn"
    assert flagged.loc["label", "detail"].startswith("'3' makes up 0.0 % where the reference has ")
    assert flagged.loc["label", "split"] == "test"


def with_user_column(dataset: Dataset, name: str) -> Dataset:
    return replace(dataset, user_columns=(name,))


def test_copies_that_one_split_holds_do_not_move_it() -> None:
    images, labels = digits()
    chance = np.random.default_rng(0)
    brightest = np.argsort(images.reshape(len(images), -1).mean(1))[-40:]
    order = chance.permutation(len(images))
    splits = np.empty(len(images), dtype=object)
    splits[order] = np.repeat(["train", "validation", "test"], [1200, 300, 297])
    copied = brightest[splits[brightest] == "validation"]
    assert len(copied) >= 3
    more = np.repeat(copied, 40)
    dataset = arrays(
        np.concatenate([images, images[more]]),
        np.concatenate([labels, labels[more]]),
        split=np.concatenate([splits, np.full(len(more), "validation")]),
    )

    finding = judge(drift(dataset), LIMITS)

    assert finding.verdict == "pass", finding.summary


def test_groups_count_once_where_there_are_many(tmp_path: Path) -> None:
    rows = breast_cancer().iloc[:120]
    more = rows.loc[rows.index.repeat(np.random.default_rng(1).choice([1, 60], len(rows), p=[0.9, 0.1]))]
    noise = np.random.default_rng(0).normal(0, 1e-3, len(more))
    visits = more.assign(group=[f"patient {place}" for place in more.index], **{"mean area": more["mean area"] + noise})

    finding = judge(drift(table(tmp_path, visits)), LIMITS)

    assert finding.verdict == "pass", finding.summary


def people_who_wrote_every_digit(*counts: int) -> Dataset:
    """The first digits of each class shared out, one of each to a person; so many people in each split."""
    images, labels = digits()
    people = sum(counts)
    rows = np.stack([np.flatnonzero(labels == label)[:people] for label in range(10)], axis=1).ravel()
    person = np.repeat(np.arange(people), 10)
    splits = np.repeat(["train", "validation", "test"], counts)[person]
    return arrays(images[rows], labels[rows], split=splits, group=[f"person {number}" for number in person])


def test_shares_of_one_example_of_each_group_are_said_to_be_that() -> None:
    table = drift(people_who_wrote_every_digit(20, 24, 30)).table.set_index("column")

    assert table["detail"].str.startswith("Counting one example of each group, ").all()
    assert " makes up " in table.loc["label", "detail"]


def test_a_value_that_every_split_has_is_never_new_whichever_examples_are_counted() -> None:
    table = drift(people_who_wrote_every_digit(20, 24, 30)).table.set_index("column")

    assert "new" not in table.loc["label", "detail"]


def test_a_value_that_training_lacks_is_new_though_its_group_counts_by_another_example() -> None:
    dataset = people_who_wrote_every_digit(20, 24, 30)
    names = np.where(dataset.manifest["split"] == "train", "inside", "outside")
    names[::10] = "first"
    dataset = replace(dataset, manifest=dataset.manifest.assign(place=names))

    table = drift(with_user_column(dataset, "place")).table.set_index("column")

    assert table.loc["place", "detail"].endswith("; 'outside' is new.")


def test_copies_that_count_once_are_told_where_nothing_moved_and_in_the_figure() -> None:
    images, labels = digits()
    dataset = arrays(np.repeat(images, 2, axis=0), np.repeat(labels, 2))

    finding = drift(dataset)

    assert finding.summary.endswith("comparisons, counting each set of copies once.")
    assert finding.figures["columns"].get_suptitle() == "The columns that moved most, counting each set of copies once"


def test_nothing_is_said_of_counting_where_each_example_counts(real: Callable[[str], Dataset]) -> None:
    finding = drift(real("digits"))

    assert "ounting" not in finding.summary
    assert not finding.table["detail"].str.contains("ounting").any()
