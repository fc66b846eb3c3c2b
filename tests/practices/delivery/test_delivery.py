"""Each practice that a delivery is checked by has a fault that it must catch; sound images pass them all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipe.deliveries.examination import Examined, examine
from recipe.deliveries.reading import Delivered
from recipe.evidence import Finding, Practice, judge
from recipe.practices.data.blank import blank_of_delivery
from recipe.practices.data.corrupt_labels import corrupt_labels_of_delivery
from recipe.practices.data.drift import drift_of_delivery
from recipe.practices.data.duplicates import duplicates_of_delivery
from recipe.practices.data.expectations import expectations_of_delivery
from recipe.practices.data.label_noise import label_noise_of_delivery
from recipe.practices.data.leakage import leakage_of_delivery
from recipe.practices.data.unreadable import unreadable_of_delivery
from tests.faults.data import arrays, composed, digits

LIMITS = composed().thresholds.of("delivery")
KNOWN = 1200  # digits that the data set holds; the others are delivered


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    yield


def delivered(images: np.ndarray, labels: np.ndarray, left_out: tuple[tuple[str, str], ...] = ()) -> Examined:
    """A delivery of these digits beside the first ones; `left_out` are the reason and kind of what has no place."""
    known, names = digits()
    reference = arrays(known[:KNOWN], names[:KNOWN])
    dataset = arrays(images, labels)
    rows = [
        {"id": f"x{i}", "path": f"{i}.png", "label": "1", "reason": r, "kind": k} for i, (r, k) in enumerate(left_out)
    ]
    if rows:
        dataset = replace(dataset, quarantine=pd.DataFrame(rows))
    return examine(Delivered(Path("june"), reference, dataset))


def fresh(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    images, labels = digits()
    return images[KNOWN : KNOWN + count].copy(), labels[KNOWN : KNOWN + count].copy()


def found(practice: Practice, examined: Examined) -> Finding:
    return judge(practice(examined), LIMITS)


def test_sound_images_pass() -> None:
    examined = delivered(*fresh())
    for practice in (
        unreadable_of_delivery,
        blank_of_delivery,
        corrupt_labels_of_delivery,
        duplicates_of_delivery,
        leakage_of_delivery,
    ):
        assert found(practice, examined).verdict == "pass", practice.id


def test_near_copies_are_taken_in_where_the_split_is_by_time_and_holds_nothing_out_for_good() -> None:
    known, names = digits()
    reference = replace(arrays(known[:KNOWN], names[:KNOWN]), time_column="when")
    held_out = reference.where("test")[:5]
    nearly = np.clip(known[held_out].astype(int) + 2, 0, 255).astype(np.uint8)
    examined = examine(Delivered(Path("june"), reference, arrays(nearly, names[held_out])))
    assert len(examined.new_rows) == 5
    finding = found(leakage_of_delivery, examined)
    assert finding.verdict == "skip" and "no example is held out for good" in finding.summary


@pytest.mark.fault("data/unreadable", "warn: a file that does not decode; fail: most of them")
def test_files_that_do_not_decode_fail_unreadable() -> None:
    broken = (("the file is cut short", "unreadable"),) * 350
    assert found(unreadable_of_delivery, delivered(*fresh(), left_out=broken)).verdict == "fail"


@pytest.mark.fault("data/corrupt_labels", "warn: a label that the data set does not know; fail: most of them")
def test_labels_that_the_data_set_does_not_know_fail_corrupt_labels() -> None:
    unknown = (("the data set has no class 'cat'", "label"),) * 350
    finding = found(corrupt_labels_of_delivery, delivered(*fresh(), left_out=unknown))
    assert finding.verdict == "fail"


@pytest.mark.fault("data/blank", "warn: a black image; fail: most of them")
def test_black_images_fail_blank() -> None:
    images, labels = fresh()
    images[:200] = 0
    assert found(blank_of_delivery, delivered(images, labels)).verdict == "fail"


@pytest.mark.fault("data/duplicates", "warn: an image that is known under another label; fail: most of them")
def test_known_images_under_other_labels_fail_duplicates() -> None:
    images, labels = digits()
    assert found(duplicates_of_delivery, delivered(images[:100], (labels[:100] + 1) % 10)).verdict == "fail"


@pytest.mark.fault("data/drift", "fail: inverted images")
def test_inverted_images_fail_drift() -> None:
    images, labels = fresh()
    assert found(drift_of_delivery, delivered(255 - images, labels)).verdict == "fail"


@pytest.mark.fault("data/label_noise", "warn: labels in doubt; fail: shuffled labels")
def test_shuffled_labels_fail_label_noise() -> None:
    images, labels = fresh()
    shuffled = np.random.default_rng(1).permutation(labels)
    assert found(label_noise_of_delivery, delivered(images, shuffled)).verdict == "fail"


@pytest.mark.parametrize(("wrong", "verdict"), [(0, "pass"), (20, "warn")])
def test_a_tenth_of_the_labels_wrong_is_in_doubt_though_it_is_little_in_the_mean(wrong: int, verdict: str) -> None:
    images, labels = fresh(200)
    labels = labels.copy()
    labels[:wrong] = (labels[:wrong] + 1 + np.arange(wrong) % 9) % 10
    finding = found(label_noise_of_delivery, delivered(images, labels))
    assert finding.verdict == verdict, finding.summary


@pytest.mark.fault("data/leakage", "warn: a near copy of a held-out image; fail: most of them")
def test_near_copies_of_held_out_images_fail_leakage() -> None:
    images, labels = digits()
    reference = arrays(images[:KNOWN], labels[:KNOWN])
    held_out = reference.where("test")[:60]
    nearly = images[held_out].astype(int) + np.random.default_rng(0).normal(0, 4, images[held_out].shape)
    finding = found(leakage_of_delivery, delivered(np.clip(nearly, 0, 255).round().astype(np.uint8), labels[held_out]))
    assert finding.verdict == "fail"
    assert "near copies of held-out" in finding.summary


@pytest.mark.fault("data/expectations", "fail: the columns are not those of the data set, an id that is there twice")
def test_an_id_that_is_there_twice_fails_expectations() -> None:
    examined = delivered(*fresh(50))
    ids = examined.dataset.manifest["id"].tolist()
    twice = replace(examined.dataset, manifest=examined.dataset.manifest.assign(id=[ids[1], *ids[1:]]))
    again = replace(examined, delivered=replace(examined.delivered, dataset=twice))
    assert found(expectations_of_delivery, again).verdict == "fail"
