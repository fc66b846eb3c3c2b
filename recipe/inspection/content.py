"""Which examples are equal, or nearly so: what data/duplicates and data/leakage look for."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset import Dataset
from recipe.dataset.clusters import equal_by_chance
from recipe.inspection.columns import features, is_identifier

Rows = NDArray[np.int64]

PAIRS_A_GROUP = 1_000  # as the tables promise: then the chain that links the group's members
RANDOM_PAIRS = 4_000  # the median of their distances is known to about 1 %
SKETCH_SIDE = 8  # images are compared at 8 x 8 first
CANDIDATES = 16  # of one example, nearest sketches first: measured exactly
CHUNK = 1_024  # examples compared at once: 1,024 x 60,000 distances are 240 MB
FEWEST_NUMBERS = 5  # in fewer dimensions honest rows lie arbitrarily near each other
SAME_PIXELS = 0.1  # of the range of values, mean over pixels: a copy, at most slightly brightened


@dataclass(frozen=True)
class Pair:
    """Two examples, as rows of the data set, whose content is equal, and what of it is."""

    a: int
    b: int
    kind: Literal["bytes", "content", "but_id"]


def equal_groups(dataset: Dataset) -> list[Rows]:
    """The groups, of two or more rows in order, whose decoded content is equal but for identifier columns."""
    keys = _content_keys(dataset)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return sorted((group for group in np.split(order, starts[1:]) if len(group) > 1), key=lambda group: int(group[0]))


def equal_pairs(dataset: Dataset, groups: list[Rows]) -> Iterator[Pair]:
    """The pairs of each group: all of them, or the first 1,000 and then the chain through its members."""
    content = dataset.manifest["content_id"].to_numpy()
    stored = dataset.manifest["bytes_id"].to_numpy() if "bytes_id" in dataset.manifest else np.full(len(content), None)
    for group in groups:
        for a, b in _pairs_of(group.tolist()):
            if content[a] != content[b]:
                yield Pair(a, b, "but_id")
            elif isinstance(stored[a], str) and stored[a] == stored[b]:
                yield Pair(a, b, "bytes")
            else:
                yield Pair(a, b, "content")


def coincidences(dataset: Dataset) -> float:
    """How many pairs of equal rows chance alone is expected to make, were the columns independent; 0 for images.

    A few coarse columns (sex, class, age in years) make equal rows that are no copies.
    """
    rows = compared_columns(dataset)
    return 0.0 if rows is None else equal_by_chance(rows)


def compared_columns(dataset: Dataset) -> pd.DataFrame | None:
    """The raw columns of a table in which equal rows agree: all inputs but those that only number rows."""
    rows = features(dataset)
    return None if rows is None else rows.drop(columns=[name for name in rows if is_identifier(rows[name])])


def near_pairs(dataset: Dataset, left: Rows, right: Rows, limit: float) -> pd.DataFrame:
    """For each row of `left` its nearest in `right`, where that is nearer than `limit` and not of equal content.

    Distances are relative: 1 is the distance of two ordinary examples (the median of random pairs). Images are centred
    and scaled to unit norm first, and their pixels must agree as well; rows are compared as prepared. Columns: a, b,
    distance, nearest first.
    """
    nothing = pd.DataFrame({"a": pd.Series(dtype="int64"), "b": pd.Series(dtype="int64"), "distance": []})
    if not len(left) or not len(right) or not _comparable(dataset):
        return nothing
    ordinary = _ordinary_distance(dataset)
    content = dataset.manifest["content_id"].to_numpy()
    found = []
    for a, candidates in _candidates(sketches(dataset), left, right, limit * ordinary):
        different = [b for b in candidates if content[a] != content[b] and _same_pixels(dataset, a, b)]
        if not different:
            continue
        distances = np.linalg.norm(_vectors(dataset, different) - _vectors(dataset, [a]), axis=1) / ordinary
        if distances.min() <= limit:
            found.append((a, different[int(distances.argmin())], float(distances.min())))
    if not found:
        return nothing
    return pd.DataFrame(found, columns=["a", "b", "distance"]).sort_values("distance", kind="stable")


def pooled(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images `(N, C, H, W)` as vectors `(N, D)`: pooled to at most 8 x 8 a channel, by an orthogonal projection."""
    for axis in (2, 3):
        size = images.shape[axis]
        if size > SKETCH_SIDE:
            edges = np.linspace(0, size, SKETCH_SIDE + 1).astype(int)[:-1]
            widths = np.diff(np.append(edges, size)).astype(np.float32)
            shape = [-1 if place == axis else 1 for place in range(4)]
            images = (np.add.reduceat(images, edges, axis=axis) / np.sqrt(widths).reshape(shape)).astype(np.float32)
    return images.reshape(len(images), -1)


def _content_keys(dataset: Dataset) -> NDArray[np.int64]:
    keys = pd.factorize(dataset.manifest["content_id"])[0].astype(np.int64)
    rows = features(dataset)
    if rows is None:
        return keys
    identifiers = [name for name in rows if is_identifier(rows[name])]
    if not identifiers or rows.shape[1] == len(identifiers):
        return keys
    hashes = pd.util.hash_pandas_object(rows.drop(columns=identifiers).astype(str), index=False)
    without = pd.factorize(hashes)[0]
    first_of_content = np.unique(keys, return_index=True)[1]
    return without[first_of_content][keys].astype(np.int64)


def _pairs_of(group: list[int]) -> Iterator[tuple[int, int]]:
    yield from islice(combinations(group, 2), PAIRS_A_GROUP)
    listed = len(group) * (len(group) - 1) // 2
    if listed > PAIRS_A_GROUP:
        shown = set(islice(combinations(group, 2), PAIRS_A_GROUP))
        yield from (link for link in pairwise(group) if link not in shown)


def _comparable(dataset: Dataset) -> bool:
    if _is_image(dataset):
        return True
    sample = np.asarray(dataset.inputs[:CHUNK])
    return sum(len(np.unique(sample[:, column])) > 2 for column in range(sample.shape[1])) >= FEWEST_NUMBERS


def _vectors(dataset: Dataset, rows: list[int] | Rows) -> NDArray[np.float32]:
    """The examples as vectors `(n, D)`: images centred and of unit norm (zero where they are constant)."""
    flat = np.asarray(dataset.inputs[rows], dtype=np.float32).reshape(len(rows), -1)
    if not _is_image(dataset):
        return flat
    flat = flat - flat.mean(1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)


def sketches(dataset: Dataset) -> NDArray[np.float32]:
    """Vectors pooled to at most 8 x 8 pixels a channel, scaled so that pooling is an orthogonal projection.

    A projection never lengthens: two examples are at least as far apart as their sketches, so none near is missed.
    """
    count = len(dataset.inputs)
    parts = []
    for start in range(0, count, CHUNK):
        rows = np.arange(start, min(start + CHUNK, count))
        vectors = _vectors(dataset, rows)
        parts.append(pooled(vectors.reshape(len(rows), *dataset.inputs.shape[1:])) if _is_image(dataset) else vectors)
    return np.concatenate(parts)


def _is_image(dataset: Dataset) -> bool:
    return dataset.inputs.ndim == 4


def _ordinary_distance(dataset: Dataset) -> float:
    draws = np.random.default_rng(0).integers(0, len(dataset.inputs), (2, RANDOM_PAIRS))
    a, b = np.sort(draws[:, draws[0] != draws[1]], axis=0)
    differences = [
        np.linalg.norm(_vectors(dataset, a[part]) - _vectors(dataset, b[part]), axis=1)
        for part in np.array_split(np.arange(len(a)), 1 + len(a) // CHUNK)
    ]
    return max(float(np.median(np.concatenate(differences))), float(np.finfo(np.float32).tiny))


def _candidates(
    sketches: NDArray[np.float32], left: Rows, right: Rows, limit: float
) -> Iterator[tuple[int, list[int]]]:
    """Each row of `left` that has sketches of `right` within `limit`, and the nearest few of those."""
    others = sketches[right]
    squares = (others**2).sum(1)
    for start in range(0, len(left), CHUNK):
        rows = left[start : start + CHUNK]
        own = (sketches[rows] ** 2).sum(1)
        distances = squares - 2 * (sketches[rows] @ others.T)
        rounding = 1e-5 * (own + limit**2)  # of a float32 dot product; what passes is measured exactly
        reach = limit**2 - own + rounding
        for place in np.flatnonzero(distances.min(1) <= reach):
            within = np.flatnonzero(distances[place] <= reach[place])
            nearest = within[np.argsort(distances[place, within], kind="stable")[:CANDIDATES]]
            yield int(rows[place]), right[nearest].tolist()


def _same_pixels(dataset: Dataset, a: int, b: int) -> bool:
    if not _is_image(dataset):
        return True
    pixels = np.asarray(dataset.inputs[[a, b]], dtype=np.float32)
    if not pixels[0].any() or not pixels[1].any():
        return False
    return bool(np.abs(pixels[0] - pixels[1]).mean() <= SAME_PIXELS * 255)
