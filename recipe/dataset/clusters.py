"""Which examples belong together, as groups and exact copies do: they go to one split and count as one draw."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.stored import Dataset

FEWEST_GROUPS = 20  # as draws: a Kolmogorov-Smirnov distance of 0.4 is beyond chance in so many, Massey 1951

Once = Literal["copies", "groups"]


@dataclass(frozen=True)
class Draws:
    """Rows (M,) of which none tells of another, and what counts once among them; None where nothing is left out."""

    rows: NDArray[np.int64]
    once: Once | None


def counted_once(draws: Iterable[Draws]) -> str:
    """How the examples behind figures over `draws` are counted, in words; empty where each is."""
    found = {one.once for one in draws} - {None}
    if found == {"copies"}:
        return "counting each set of copies once"
    if found == {"groups"}:
        return "counting one example of each group"
    return "counting copies once, and groups where there are many" if found else ""


def tied_together(examples: pd.DataFrame) -> pd.Series:
    """A number for each set of examples that copies (`content_id`) and groups (`group`, or missing) tie together."""
    units = pd.Series(pd.factorize(examples["content_id"])[0], index=examples.index)
    grouped = examples["group"].notna()
    while grouped.any():
        joined = units.where(~grouped, units.groupby(examples["group"]).transform("min"))
        joined = joined.groupby(examples["content_id"]).transform("min").astype(units.dtype)
        if joined.equals(units):
            break
        units = joined
    return units


def independent(dataset: Dataset, rows: NDArray[np.int64]) -> Draws:
    """Of each cluster in `rows` one example by chance, in order: draws that do not tell of each other.

    Where `rows` hold few groups they are let be, and only copies are left out: of so few draws nothing could be said.
    """
    clusters = clusters_of(dataset)[rows]
    once: Once = "copies"
    if dataset.manifest["group"].notna().any():
        if len(np.unique(clusters)) < FEWEST_GROUPS:
            clusters = clusters_of(replace(dataset, manifest=dataset.manifest.assign(group=None)))[rows]
        else:
            once = "groups"
    order = np.random.default_rng(0).permutation(len(rows))
    _, first = np.unique(clusters[order], return_index=True)
    return Draws(np.sort(rows[order[first]]), once if len(first) < len(rows) else None)


def clusters_of(dataset: Dataset) -> NDArray[np.int64]:
    """The cluster of each example (N,): its group, and the copies of its content.

    Equal rows of a table so coarse that chance makes some are no copies: only its groups are clusters.
    """
    examples = dataset.manifest
    copies = not examples["content_id"].is_unique
    if copies and _are_coarse(dataset):
        examples = examples.assign(content_id=examples["id"])
    return tied_together(examples).to_numpy(dtype=np.int64)


def _are_coarse(dataset: Dataset) -> bool:
    """Whether chance alone is expected to make a pair of equal rows of a table's inputs."""
    columns, dropped = (dataset.preparation.get(name) or () for name in ("columns", "dropped"))
    names = [*(column["name"] for column in columns), *dropped]
    if dataset.time_column is not None and dataset.time_column not in dataset.settings.data.ignore:
        names.append(dataset.time_column)  # by which rows are told apart too
    return equal_by_chance(map(dataset.raw_column, names), len(dataset.manifest)) >= 1


def equal_by_chance(columns: Iterable[pd.Series], count: int) -> float:
    """How many pairs of `count` rows chance alone is expected to make equal, were the `columns` independent.

    Of examples without columns, such as images, none.
    """
    pairs = count * (count - 1) / 2
    shares = [equal_pairs(column) / max(pairs, 1) for column in columns]
    return math.prod(shares) * pairs if shares else 0.0


def equal_pairs(column: pd.Series) -> float:
    """How many pairs of rows have the same value in `column`; missing is a value."""
    counts = column.value_counts(dropna=False).to_numpy(dtype=float)
    return float((counts * (counts - 1)).sum() / 2)
