"""Which examples people are asked about, and in which order: the same for everybody."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recipe.dataset.manifest import digest

DRAW, ORDER = "draw", "order"  # of two drawings by chance that know nothing of one another


def drawn(manifest: pd.DataFrame, split: str, count: int | None, strata: bool) -> list[int]:
    """The rows of `count` examples of a split (all where it is None), in an order that tells nothing of their labels.

    Chance is a hash of the id: the draw does not hang on the order of the rows, and hardly changes as the set grows.

    Args:
        manifest: id, split and label.
        strata: draw one of each class, and of the rest the share of each, as far as `count` goes.
    """
    rows = np.flatnonzero(manifest["split"] == split)
    ids = manifest["id"].to_numpy(dtype=object)
    by_chance = sorted(rows.tolist(), key=lambda row: digest(f"{DRAW}:{ids[row]}".encode()))
    if count is not None:
        labels = manifest["label"].to_numpy(dtype=object)
        by_chance = _in_proportion(by_chance, labels[by_chance].tolist(), count) if strata else by_chance[:count]
    return sorted(by_chance, key=lambda row: digest(f"{ORDER}:{ids[row]}".encode()))


def _in_proportion(rows: Sequence[int], labels: Sequence[str], count: int) -> list[int]:
    """`count` of the rows: the first of each class, then of each class as many as its share has most claim to."""
    by_class: dict[str, list[int]] = {}
    for row, label in zip(rows, labels, strict=True):
        by_class.setdefault(label, []).append(row)
    claims = [
        (place > 0, (place + 0.5) / len(members), label, row)
        for label, members in by_class.items()
        for place, row in enumerate(members)
    ]
    return [row for *_, row in sorted(claims)[:count]]
