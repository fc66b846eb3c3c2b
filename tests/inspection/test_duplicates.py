"""Near pairs are those that comparing everything with everything finds, in blocks of a bounded size."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recipe.dataset.stored import Dataset
from recipe.inspection import duplicates as content
from recipe.inspection.duplicates import near_pairs
from tests.faults.data import arrays, digits


def images_with_noisy_copies(count: int) -> Dataset:
    """All digits, and behind them noisy copies of the first."""
    images = digits()[0].astype(int)
    noise = np.random.default_rng(0).integers(-3, 4, (count, *images.shape[1:]))
    images = np.vstack([images, np.clip(images[:count] + noise, 0, 255)]).astype(np.uint8)
    return arrays(images, np.full(len(images), "a"))


def rows_with_noisy_copies(count: int) -> Dataset:
    """The same as rows of a table, standardised."""
    dataset = images_with_noisy_copies(count)
    rows = dataset.inputs.reshape(len(dataset.inputs), -1).astype(np.float32)
    rows = (rows - rows.mean(0)) / (rows.std(0) + 1)
    return replace(dataset, inputs=rows, preparation=dataset.preparation | {"kind": "table"})


def all_with_all(dataset: Dataset, left: content.Rows, right: content.Rows, limit: float) -> list[tuple[int, int]]:
    """The nearest in `right` of each in `left`, where it is near, by comparing all vectors and then the pixels."""
    ordinary = content._ordinary_distance(dataset)
    vectors = content._vectors(dataset, np.arange(len(dataset.inputs))).astype(np.float64)
    found = []
    for a in left:
        distances = np.linalg.norm(vectors[right] - vectors[a], axis=1) / ordinary
        if distances.min() <= limit:
            found.append((float(distances.min()), int(a), int(right[distances.argmin()])))
    return [(a, b) for _, a, b in sorted(found)]


@pytest.mark.parametrize("limit", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("made", [images_with_noisy_copies, rows_with_noisy_copies])
def test_near_pairs_are_those_of_all_with_all_whatever_the_blocks(
    made: Callable[[int], Dataset], limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = made(40)
    order = np.random.default_rng(1).permutation(len(dataset.inputs))
    left, right = np.sort(order[:400]), np.sort(order[400:])
    whole = near_pairs(dataset, left, right, limit)
    monkeypatch.setattr(content, "BLOCK_BYTES", 40_000)
    in_blocks = near_pairs(dataset, left, right, limit)
    assert in_blocks.equals(whole)
    assert set(zip(whole["a"], whole["b"], strict=True)) == set(all_with_all(dataset, left, right, limit))
    assert whole["distance"].is_monotonic_increasing
