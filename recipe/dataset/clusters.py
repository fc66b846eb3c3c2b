"""Which examples belong together, as groups and exact copies do: they go to one split and count as one draw."""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.stored import Dataset


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
    return equal_by_chance(map(dataset.raw_column, names), len(dataset.manifest)) >= 1


def equal_by_chance(columns: Iterable[pd.Series], count: int) -> float:
    """How many pairs of `count` rows chance alone is expected to make equal, were the `columns` independent.

    Of examples without columns, such as images, none.
    """
    pairs = count * (count - 1) / 2
    shares = [_equal_pairs(column) / max(pairs, 1) for column in columns]
    return math.prod(shares) * pairs if shares else 0.0


def _equal_pairs(column: pd.Series) -> float:
    counts = column.value_counts(dropna=False).to_numpy(dtype=float)
    return float((counts * (counts - 1)).sum() / 2)
