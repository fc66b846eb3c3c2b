"""data/variation, data/resolution, data/position: what a probe makes of inputs from which something was taken."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.position import POOLED, position
from recipe.practices.data.resolution import resolution
from recipe.practices.data.variation import variation
from tests.faults.data import arrays, breast_cancer, composed, digits, table

LIMITS = composed().thresholds.of("data")


def textures(count: int = 400, side: int = 16) -> Dataset:
    """Pictures of faint stripes three pixels apart, upright or level."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    row, column = np.mgrid[:side, :side]
    pictures = []
    for label in labels:
        phase, strength = rng.integers(0, 3), rng.uniform(15, 25)
        stripes = ((column if label else row) + phase) % 3 == 0
        pictures.append(np.clip(strength * stripes + rng.normal(60, 12, (side, side)), 0, 255))
    return arrays(np.array(pictures, dtype=np.uint8), labels)


def halves(count: int = 400, side: int = 16) -> Dataset:
    """Pictures that are brighter on the left or on the right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    column = np.linspace(-1, 1, side) * np.ones((side, 1))
    pictures = [120 + 50 * (2 * label - 1) * column + rng.normal(0, 10, (side, side)) for label in labels]
    return arrays(np.clip(pictures, 0, 255).astype(np.uint8), labels)


def test_a_size_at_which_the_stripes_that_tell_classes_apart_vanish_is_not_enough() -> None:
    finding = judge(resolution(textures()), LIMITS)

    assert finding.measured >= 8
    assert finding.table.set_index("size")["gain_high"]["6 x 6"] < -0.2
    assert finding.verdict == "pass" and finding.knowledge


def test_classes_that_differ_from_left_to_right_need_little_detail() -> None:
    finding = resolution(halves())

    assert finding.measured <= 6
    assert "is enough" in finding.summary


def test_of_textures_local_features_are_enough() -> None:
    finding = position(textures())

    assert "local features are enough" in finding.summary
    assert finding.interval[1] > -0.02


def test_of_digits_the_whole_shape_matters(real: Callable[[str], Dataset]) -> None:
    finding = position(real("digits"))

    assert "the whole shape matters" in finding.summary
    scores = finding.table.set_index("change")["score"]
    assert scores[POOLED] < scores["as it is"] - 0.1


def test_digits_that_were_moved_are_told_better_with_their_position_removed() -> None:
    images, labels = digits()
    rng = np.random.default_rng(0)
    wide = np.zeros((len(images), 16, 16), np.uint8)
    for row, (y, x) in enumerate(rng.integers(0, 9, (len(images), 2))):
        wide[row, y : y + 8, x : x + 8] = images[row]

    finding = variation(arrays(wide, labels))

    assert "position" in finding.summary and "remove it before training" in finding.summary


def test_digits_as_they_are_hold_no_variation_that_stands_in_the_way(real: Callable[[str], Dataset]) -> None:
    finding = judge(variation(real("digits")), LIMITS)

    assert "none of that stands in the way" in finding.summary
    assert finding.measured == pytest.approx(21, abs=2)
    assert finding.verdict == "pass" and set(finding.figures) == {"classes", "removed", "components"}


def test_numbers_over_many_decades_are_told_better_as_ranks(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    numbers = frame.columns[:-1]
    frame[numbers] = np.exp(4 * (frame[numbers] - frame[numbers].mean()) / frame[numbers].std())

    finding = variation(table(tmp_path, frame))

    assert "with numbers as ranks" in finding.summary and "That variation is in the way" in finding.summary


def test_rows_have_neither_resolution_nor_places(tmp_path: Path) -> None:
    rows = table(tmp_path, breast_cancer())

    assert resolution(rows).skipped and position(rows).skipped


@pytest.mark.parametrize("ask", [resolution, position, variation])
def test_a_few_examples_are_not_tried(ask: Callable[[Dataset], object]) -> None:
    images, labels = digits()

    assert ask(arrays(images[:60], labels[:60])).skipped  # type: ignore[attr-defined]
