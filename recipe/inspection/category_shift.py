"""How far a column of categories, or of classes, has moved."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recipe.dataset.columns import MAX_CATEGORIES
from recipe.inspection.shift import Shift, percent, unmoved
from recipe.statistics.contingency import Counts, homogeneity


def shift_of_categories(reference: pd.Series, batch: pd.Series, new: Sequence[str]) -> Shift:
    """How far `batch` (M,) lies from `reference` (N,), both text; a missing cell is a value like any other.

    The score is the total variation distance, with the rarest of very many values taken together. `new` are the values
    to name as new: the two may be a part of what was given, which has more.
    """
    codes, names = pd.factorize(pd.concat([reference, batch], ignore_index=True), use_na_sentinel=False)
    if len(names) == 1:
        return unmoved("All values are the same in both.")
    counts = np.stack([np.bincount(part, minlength=len(names)) for part in np.split(codes, [len(reference)])])
    common = _common(counts)
    shares = common / common.sum(1, keepdims=True)
    return Shift(
        score=float(np.abs(shares[1] - shares[0]).sum() / 2),
        p_value=homogeneity(common),
        detail=_in_words(counts, names, new),
    )


def _common(counts: Counts) -> Counts:
    """Counts (2, V) of the `MAX_CATEGORIES` commonest values in both samples together, and of all the rest as one."""
    if counts.shape[1] <= MAX_CATEGORIES:
        return counts
    order = np.argsort(-counts.sum(0), kind="stable")
    common, rest = counts[:, order[:MAX_CATEGORIES]], counts[:, order[MAX_CATEGORIES:]]
    return np.column_stack([common, rest.sum(1)])


def new_values(reference: pd.Series, batch: pd.Series) -> Sequence[str]:
    """The values of `batch` (M,) that `reference` (N,) never has, both text, the commonest first."""
    unseen = batch[~batch.isin(reference)].dropna()
    return list(unseen.value_counts(sort=False).sort_values(ascending=False, kind="stable").index)


def _in_words(counts: Counts, names: pd.Index, new: Sequence[str]) -> str:
    """The value whose share moved most, and those that are new."""
    before, after = counts / counts.sum(1, keepdims=True)
    most = int(np.abs(after - before).argmax())
    subject = "Missing values make up" if pd.isna(names[most]) else f"'{names[most]}' makes up"
    moved = f"{subject} {percent(after[most])} where the reference has {percent(before[most])}"
    if not new:
        return f"{moved}."
    others = f" and {len(new) - 1} other {'value' if len(new) == 2 else 'values'} are" if len(new) > 1 else " is"
    return f"{moved}; '{new[0]}'{others} new."
