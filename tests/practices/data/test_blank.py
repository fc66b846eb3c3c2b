from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.blank import blank
from tests.faults.data import arrays, breast_cancer, composed, digits, table

LIMITS = composed().thresholds.of("data")


def test_black_saturated_constant_and_noise_images_are_named() -> None:
    images, labels = digits()
    images = images.copy()
    images[0], images[1], images[2] = 0, 255, 99
    images[3] = np.random.default_rng(0).integers(0, 256, (8, 8))

    finding = judge(blank(arrays(images, labels)), LIMITS)

    reasons = dict(zip(finding.table["id"], finding.table["reason"], strict=True))
    assert reasons == {"digit-0": "black", "digit-1": "saturated", "digit-2": "constant", "digit-3": "noise"}
    assert finding.verdict == "warn"
    assert finding.table["score"].is_monotonic_decreasing


def test_pale_images_with_transparency_are_told_to_vanish_on_white_and_white_ones_without_are_not() -> None:
    images, labels = digits()
    images = images.copy()
    images[:2] = 255
    white = arrays(images, labels)
    modes = ["LA", "L", *["L"] * (len(images) - 2)]

    finding = blank(replace(white, manifest=white.manifest.assign(mode=modes)))

    assert finding.table["reason"].tolist() == ["white on the white put behind it", "saturated"]
    assert "Of these 1 has transparency, which is laid on white, and what is pale vanishes there" in finding.advice
    assert "transparency" not in blank(white).advice


def test_one_blank_image_holds_nothing_and_two_hold_nothing() -> None:
    images, labels = digits()
    images = images.copy()

    images[0] = 0
    assert "1 of 1797 examples holds nothing" in blank(arrays(images, labels)).summary
    images[1] = 0
    assert "2 of 1797 examples hold nothing" in blank(arrays(images, labels)).summary


def test_an_image_whose_lower_half_is_grey_is_partly_missing(real: Callable[[str], Dataset]) -> None:
    images = real("mnist5k").inputs[:2000, 0].copy()
    images[7, 14:] = 128

    finding = blank(arrays(images, ["digit", "number"] * 1000))

    assert finding.table[["id", "reason"]].to_numpy().tolist() == [["digit-7", "partly missing"]]


@pytest.mark.fault("data/blank", "warn: a black, constant or noisy image; fail: more than one in a hundred")
def test_more_blank_images_than_allowed_fail() -> None:
    images, labels = digits()
    images = images.copy()
    images[:40] = 0

    assert judge(blank(arrays(images, labels)), LIMITS).verdict == "fail"


def test_a_row_without_values_is_empty(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    frame.loc[5, frame.columns[:-1]] = np.nan

    finding = judge(blank(table(tmp_path, frame)), LIMITS)

    assert finding.table[["path", "reason", "score"]].to_numpy().tolist() == [["row:5", "empty", 1.0]]
    assert finding.verdict == "warn"


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer", "diabetes"])
def test_real_data_hold_something(real: Callable[[str], Dataset], name: str) -> None:
    assert judge(blank(real(name)), LIMITS).verdict == "pass"


def test_images_that_are_noise_by_nature_are_left_alone() -> None:
    images, labels = digits()
    shuffled = np.random.default_rng(0).permutation(64)

    finding = blank(arrays(images.reshape(-1, 64)[:, shuffled].reshape(-1, 8, 8), labels))

    assert finding.measured == 0
