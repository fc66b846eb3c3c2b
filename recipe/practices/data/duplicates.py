"""data/duplicates: examples of equal content, and whether their labels agree."""

import math
from collections.abc import Sized

import pandas as pd

from recipe import drawing
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.coincidence import NONE, Coincidences, expected_coincidences
from recipe.inspection.content import Rows, compared_columns, equal_groups, equal_pairs
from recipe.statistics.intervals import wilson

SHOWN = 8  # groups in the gallery
COLUMNS = ["id_a", "path_a", "id_b", "path_b", "label_a", "label_b", "conflict", "kind"]


@practice("data/duplicates")
def duplicates(dataset: Dataset) -> Finding:
    """No example is there twice, and equal examples have equal labels.

    Equal is decoded content, whatever the file's bytes; rows may differ in a column that only numbers them. Where the
    columns are coarse, chance makes equal rows that are no copies, and equal rows with different labels that are no
    contradiction: what there is beyond chance is held to the limits.
    """
    groups = equal_groups(dataset)
    count = len(dataset.manifest)
    copies = sum(len(group) - 1 for group in groups)
    labels = dataset.manifest["label"]
    conflicting = [group for group in groups if labels.iloc[group].nunique(dropna=False) > 1]
    chance = _chance(dataset, groups)
    copied = min(copies, _beyond(sum(map(_pairs, groups)), chance.most_pairs))
    contradicted = min(len(conflicting), _beyond(_differing(labels, conflicting), chance.most_conflicts))
    return Finding(
        summary=_in_words(count, copies, len(groups), len(conflicting))
        + (_chance_in_words(chance, copied, contradicted) if chance.most_pairs else ""),
        measured=copies / count,
        interval=wilson(copies, count),
        advice="Keep one of each group; where the labels of a group differ, decide which is right.",
        requirements=(
            at_most(copied / count, "max_share", otherwise="warn"),
            at_most(contradicted, "max_conflicts"),
        ),
        figures=_gallery(dataset, conflicting + [group for group in groups if len(set(labels.iloc[group])) == 1]),
        table=_table(dataset, groups),
    )


def _chance(dataset: Dataset, groups: list[Rows]) -> Coincidences:
    """What chance makes of a table; pictures are never equal by chance."""
    rows = compared_columns(dataset)
    if rows is None or not groups:
        return NONE
    return expected_coincidences(rows, dataset.manifest["label"], dataset.preparation["classes"] is not None)


def _beyond(seen: int, by_chance: float) -> int:
    return max(0, math.ceil(seen - by_chance))


def _pairs(group: Sized) -> int:
    return math.comb(len(group), 2)


def _differing(labels: pd.Series, groups: list[Rows]) -> int:
    """The pairs of equal examples whose labels differ."""
    return sum(
        _pairs(group) - int(sum(math.comb(alike, 2) for alike in labels.iloc[group].value_counts(dropna=False)))
        for group in groups
    )


def _in_words(count: int, copies: int, groups: int, conflicting: int) -> str:
    more = f"; {conflicting} groups have more than one label." if groups else "."
    return f"{copies} of {count} examples are copies of another, in {groups} groups{more}"


def _chance_in_words(chance: Coincidences, copied: int, contradicted: int) -> str:
    found = f"{copied} copies and {contradicted} groups with more than one label are beyond that"
    return (
        f" The columns are so coarse that chance alone makes about {chance.pairs:.1f} equal pairs, "
        f"{chance.conflicts:.1f} of them with two labels; {found if copied or contradicted else 'none is beyond that'}."
    )


def _table(dataset: Dataset, groups: list[Rows]) -> pd.DataFrame:
    pairs = list(equal_pairs(dataset, groups))
    known = dataset.manifest[["id", "path", "label"]]
    a = known.iloc[[pair.a for pair in pairs]].reset_index(drop=True).add_suffix("_a")
    b = known.iloc[[pair.b for pair in pairs]].reset_index(drop=True).add_suffix("_b")
    table = pd.concat([a, b], axis=1)
    table["conflict"] = (table["label_a"] != table["label_b"]).astype(bool)
    table["kind"] = [pair.kind for pair in pairs]
    return table.sort_values("conflict", ascending=False, kind="stable", ignore_index=True)[COLUMNS]


def _gallery(dataset: Dataset, groups: list[Rows]) -> dict[str, object]:
    if dataset.inputs.ndim != 4 or not groups:
        return {}
    shown = [int(row) for group in groups[:SHOWN] for row in group[:2]]
    titles = [f"{dataset.manifest['label'].iloc[row]}" for row in shown]
    return {"pairs": drawing.gallery(dataset.inputs[shown], titles, title="Pairs of equal content, with their labels")}
