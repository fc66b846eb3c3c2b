from collections.abc import Callable

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from recipe.browsing.vectors import MOST_DIMENSIONS, byte_vectors
from recipe.dataset.kind import flat, kind_of
from recipe.dataset.stored import Dataset
from tests.practices.data.conftest import real

__all__ = ["real"]
NEIGHBOURS = 12


def nearest(vectors: np.ndarray) -> np.ndarray:
    found = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute").fit(vectors).kneighbors(vectors[:300])[1]
    return found[:, 1:]


def recall(exact: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(exact, found, strict=True)]))


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer", "diabetes"])
def test_neighbours_by_the_bytes_are_those_by_the_pooled_vectors(real: Callable[[str], Dataset], name: str) -> None:
    dataset = real(name)
    pooled = kind_of(dataset.preparation).pooled

    vectors = byte_vectors(dataset.inputs, pooled)

    assert vectors.dtype == np.int8
    assert recall(nearest(pooled(dataset.inputs)), nearest(vectors.astype(np.float32))) >= 0.9


def test_many_numbers_are_projected_to_a_few_that_keep_neighbours(real: Callable[[str], Dataset]) -> None:
    images = flat(real("mnist5k").inputs)

    vectors = byte_vectors(images, flat)

    assert vectors.shape == (5000, MOST_DIMENSIONS)
    assert recall(nearest(images), nearest(vectors.astype(np.float32))) >= 0.8


def test_one_wild_number_does_not_make_all_others_alike(real: Callable[[str], Dataset]) -> None:
    rows = np.array(real("breast_cancer").inputs)
    exact = nearest(rows)
    rows[5, 0] = 1e9
    rows[6, 1] = np.nan

    assert recall(exact, nearest(byte_vectors(rows, flat).astype(np.float32))) >= 0.85


def test_constant_rows_have_vectors_of_nothing() -> None:
    assert not byte_vectors(np.ones((20, 100), np.float32), flat).any()
