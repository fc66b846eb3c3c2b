"""Which examples belong together, as groups and exact copies do: they go to one split and count as one draw."""

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
    if copies and dataset.rows is not None and equal_by_chance(_inputs(dataset)) >= 1:
        examples = examples.assign(content_id=examples["id"])
    return tied_together(examples).to_numpy(dtype=np.int64)


def equal_by_chance(rows: pd.DataFrame) -> float:
    """How many pairs of equal rows chance alone is expected to make, were the columns independent."""
    pairs = len(rows) * (len(rows) - 1) / 2
    agree = [_equal_pairs(rows[name]) / max(pairs, 1) for name in rows]
    return float(np.prod(agree)) * pairs


def _equal_pairs(column: pd.Series) -> float:
    counts = column.value_counts(dropna=False).to_numpy(dtype=float)
    return float((counts * (counts - 1)).sum() / 2)


def _inputs(dataset: Dataset) -> pd.DataFrame:
    """A table's raw columns without its label, split and group."""
    assert dataset.rows is not None, "only a table has rows"
    data = dataset.settings.data
    return dataset.rows.drop(columns=[data.label, data.split_column, data.group_column], errors="ignore")
