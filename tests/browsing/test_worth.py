from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from recipe.browsing.listed import listed_in
from recipe.browsing.surveyed import Surveyed
from recipe.browsing.worth import FEW, ToDo, to_do
from recipe.evidence import Finding
from recipe.practices.data.duplicates import duplicates
from recipe.practices.data.leakage import leakage
from tests.browsing.made import WRONG, digits_with_faults, label_noise, surveyed
from tests.faults.data import arrays, digits, with_test_images_in_train


def first_things(of: Surveyed) -> list[ToDo]:
    manifest = of.dataset.manifest
    listed = listed_in(of.findings, of.dataset.workspace / "reports", manifest["id"])
    return to_do(of.findings, listed, manifest["split"])


def test_wrong_labels_are_worth_the_share_of_them_with_its_interval(tmp_path: Path) -> None:
    [noise] = [one for one in first_things(digits_with_faults(tmp_path)) if one.practice == "data/label_noise"]

    assert noise.touched == len(WRONG)
    assert noise.share == pytest.approx(5 / 600)
    assert noise.stake is not None
    assert (noise.stake.low, noise.stake.value, noise.stake.high) == pytest.approx((2.5 / 600, 5 / 600, 10 / 600))
    assert "0.8% [0.4%, 1.7%]" in noise.at_stake


def test_a_contradiction_is_worth_one_label_at_least_and_two_at_most(tmp_path: Path) -> None:
    [copies] = [one for one in first_things(digits_with_faults(tmp_path)) if one.practice == "data/duplicates"]

    assert copies.touched == 4
    assert copies.stake is not None
    assert (copies.stake.low, copies.stake.value, copies.stake.high) == (1 / 600, None, 2 / 600)


def test_a_contradiction_among_many_copies_counts_its_group_once(tmp_path: Path) -> None:
    images, labels = digits()
    dataset = arrays(images[[*range(100), 0, 0]], [*labels[:100], 5, 6])

    [copies] = first_things(surveyed(tmp_path, dataset, [duplicates(dataset)]))

    assert copies.stake is not None
    assert (copies.stake.low, copies.stake.high) == (1 / 102, 3 / 102)


def test_seen_test_images_are_worth_at_most_their_share_of_the_test_split(tmp_path: Path) -> None:
    dataset = with_test_images_in_train(20)

    [leaks] = first_things(surveyed(tmp_path, dataset, [leakage(dataset)]))

    assert leaks.touched == 40
    assert leaks.stake is not None
    assert (leaks.stake.low, leaks.stake.value) == (0, None)
    assert leaks.stake.high == pytest.approx(20 / (dataset.manifest["split"] == "test").sum())


def test_what_a_figure_can_be_off_by_most_comes_first_and_the_rest_by_what_they_touch(tmp_path: Path) -> None:
    images, labels = digits()
    dataset = arrays(images[:300], labels[:300])
    ids = dataset.manifest["id"]
    listing = [
        Finding(summary="", table=ids.iloc[:count].to_frame(), practice=f"data/made_up_{count}")
        for count in (10, 100, 50, 60, 70, 80)
    ]
    found = first_things(surveyed(tmp_path, dataset, [*listing, label_noise(dataset, (1,))]))

    assert len(found) == FEW
    assert [one.practice.rpartition("_")[2] for one in found] == ["noise", "100", "80", "70", "60"]


def test_a_column_that_is_flagged_is_named_after_what_touches_examples(tmp_path: Path) -> None:
    images, labels = digits()
    dataset = arrays(images[:300], labels[:300])
    columns = pd.DataFrame({"column": ["brightness", "width"], "score": [0.9, 0.1], "flagged": [True, False]})
    bias = Finding(summary="", table=columns, practice="data/bias")

    found = first_things(surveyed(tmp_path, dataset, [bias, label_noise(dataset, (1,))]))

    assert [(one.practice, one.columns, one.touched) for one in found] == [
        ("data/label_noise", (), 1),
        ("data/bias", ("brightness",), 0),
    ]


def test_clean_digits_leave_nothing_to_do(tmp_path: Path) -> None:
    images, labels = digits()
    dataset = arrays(images, labels)
    calm = label_noise(dataset, ())

    assert first_things(surveyed(tmp_path, dataset, [replace(calm, measured=0.0), duplicates(dataset)])) == []
