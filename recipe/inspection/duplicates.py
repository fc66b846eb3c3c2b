"""Which examples are equal, or nearly so: what data/duplicates and data/leakage look for."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.clusters import equal_by_chance
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.inspection.columns import features, is_identifier, known_by

Rows = NDArray[np.int64]

PAIRS_A_GROUP = 1_000  # as the tables promise: then the chain that links the group's members
RANDOM_PAIRS = 4_000  # the median of their distances is known to about 1 %
CANDIDATES = 16  # of one example, nearest sketches first: measured exactly
CHUNK = 1_024  # examples at once
BLOCK_BYTES = 2**26  # of distances at once
AXIS_ROWS, AXIS_STEPS = 4_096, 20  # examples, and steps, that find the axis along which they differ most: any will do


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
    return equal_by_chance((rows[name] for name in rows), len(rows))


def compared_columns(dataset: Dataset) -> pd.DataFrame:
    """The raw columns of a table in which equal rows agree: all but those that only number rows."""
    return known_by(dataset).drop(columns=_identifiers(dataset))


def _identifiers(dataset: Dataset) -> list[str]:
    rows = features(dataset)
    return [str(name) for name in rows if is_identifier(rows[name])]


def near_pairs(dataset: Dataset, left: Rows, right: Rows, limit: float) -> pd.DataFrame:
    """For each row of `left` its nearest in `right`, where that is nearer than `limit` and not of equal content.

    Distances are relative: 1 is the distance of two ordinary examples (the median of random pairs). They are those of
    the kind's vectors, of which its sketches are a projection. That never lengthens: two examples are at least as far
    apart as their sketches, so none near is missed. Columns: a, b, distance, nearest first.
    """
    kind = kind_of(dataset.preparation)
    nothing = pd.DataFrame({"a": pd.Series(dtype="int64"), "b": pd.Series(dtype="int64"), "distance": []})
    if not len(left) or not len(right) or not kind.comparable(dataset.inputs):
        return nothing
    ordinary = _ordinary_distance(dataset)
    content = dataset.manifest["content_id"].to_numpy()
    found = []
    for place, candidates in _candidates(kind.sketches(dataset.inputs), left, right, limit * ordinary):
        a = int(left[place])
        others = (b for b in candidates if content[a] != content[b])
        different = [b for b in others if kind.are_copies(dataset.inputs[[a, b]])]
        if not different:
            continue
        distances = np.linalg.norm(_vectors(dataset, different) - _vectors(dataset, [a]), axis=1) / ordinary
        if distances.min() <= limit:
            found.append((place, a, different[int(distances.argmin())], float(distances.min())))
    if not found:
        return nothing
    pairs = pd.DataFrame(found, columns=["place", "a", "b", "distance"])
    return pairs.sort_values(["distance", "place"], ignore_index=True)[["a", "b", "distance"]]


def _content_keys(dataset: Dataset) -> NDArray[np.int64]:
    keys = pd.factorize(dataset.manifest["content_id"])[0].astype(np.int64)
    rows, identifiers = compared_columns(dataset), _identifiers(dataset)
    if not identifiers or not len(rows.columns):
        return keys
    without = np.zeros(len(rows), dtype=np.int64)
    for name in rows:
        cells = pd.factorize(rows[name].astype("str"))[0] + 1  # a missing cell is one too
        without = pd.factorize(without * (cells.max() + 1) + cells)[0].astype(np.int64)
    first_of_content = np.unique(keys, return_index=True)[1]
    return without[first_of_content][keys].astype(np.int64)


def _pairs_of(group: list[int]) -> Iterator[tuple[int, int]]:
    yield from islice(combinations(group, 2), PAIRS_A_GROUP)
    listed = len(group) * (len(group) - 1) // 2
    if listed > PAIRS_A_GROUP:
        shown = set(islice(combinations(group, 2), PAIRS_A_GROUP))
        yield from (link for link in pairwise(group) if link not in shown)


def _vectors(dataset: Dataset, rows: list[int] | Rows) -> NDArray[np.float32]:
    """The examples as vectors `(n, D)` in which near copies lie near."""
    return kind_of(dataset.preparation).vectors(dataset.inputs[rows])


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
    """Each place in `left` whose row has sketches of `right` within `limit`, and the nearest few of those.

    Along any one axis two sketches are no further apart than they are. So both sides are put in order along the axis in
    which sketches differ most, and each block of the one is compared with the stretch of the other that is in reach.
    """
    squares = np.einsum("nd,nd->n", sketches, sketches, dtype=np.float64)
    along = np.einsum("nd,d->n", sketches, _widest_axis(sketches[right[:: 1 + len(right) // AXIS_ROWS]]))
    places = np.argsort(along[left], kind="stable")
    others = right[np.argsort(along[right], kind="stable")]
    reach = limit**2 + 1e-5 * (squares[left] + limit**2)  # with the rounding of a float32 dot product; what passes is
    widest = float(np.sqrt(reach.max()))  # measured exactly
    start = 0
    while start < len(places):
        block = places[start : start + CHUNK]
        ends = along[left[block[[0, -1]]]] + [-widest, widest]
        first, last = np.searchsorted(along[others], ends)
        block = block[: max(1, BLOCK_BYTES // (sketches.itemsize * max(1, last - first)))]
        start += len(block)
        near = np.sort(others[first:last])
        yield from _within(sketches, squares, left, block, near, reach)


def _within(
    sketches: NDArray[np.float32],
    squares: NDArray[np.float64],
    left: Rows,
    block: Rows,
    near: Rows,
    reach: NDArray[np.float64],
) -> Iterator[tuple[int, list[int]]]:
    """The candidates in `near` of each place of `block`, whose squared distance is at most its `reach`."""
    if not len(near):
        return
    distances = sketches[left[block]] @ sketches[near].T
    distances *= -2
    distances += squares[near].astype(np.float32)
    limits = reach[block] - squares[left[block]]
    for row in np.flatnonzero(distances.min(1) <= limits):
        within = np.flatnonzero(distances[row] <= limits[row])
        nearest = within[np.argsort(distances[row, within], kind="stable")[:CANDIDATES]]
        yield int(block[row]), near[nearest].tolist()


def _widest_axis(sample: NDArray[np.float32]) -> NDArray[np.float64]:
    """A unit vector (D,) along which the sample (n, D) varies much: the power method's way to the first component."""
    centred = sample.astype(np.float64) - sample.mean(0, dtype=np.float64)
    axis = np.zeros(centred.shape[1])
    axis[centred.var(0).argmax()] = 1.0
    for _ in range(AXIS_STEPS):
        turned = centred.T @ (centred @ axis)
        length = float(np.linalg.norm(turned))
        if length == 0:
            break
        axis = turned / length
    return axis
