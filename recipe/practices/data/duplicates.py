"""data/duplicates: examples of equal content, and whether their labels agree."""

import pandas as pd

from recipe import drawing
from recipe.dataset import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.content import Rows, coincidences, equal_groups, equal_pairs
from recipe.intervals import wilson

SHOWN = 8  # groups in the gallery
COLUMNS = ["id_a", "path_a", "id_b", "path_b", "label_a", "label_b", "conflict", "kind"]


@practice("data/duplicates")
def duplicates(dataset: Dataset) -> Finding:
    """No example is there twice, and equal examples have equal labels.

    Equal is decoded content, whatever the file's bytes; rows may differ in a column that only numbers them. Where the
    columns are so coarse that chance makes equal rows, equal rows with different labels are no contradiction.
    """
    groups = equal_groups(dataset)
    count = len(dataset.manifest)
    copies = sum(len(group) - 1 for group in groups)
    labels = dataset.manifest["label"]
    conflicting = [group for group in groups if labels.iloc[group].nunique(dropna=False) > 1]
    by_chance = coincidences(dataset) if groups else 0.0
    coarse = by_chance >= 1
    summary = f"{copies} of {count} examples are copies of another, in {len(groups)} groups"
    summary += f"; {len(conflicting)} groups have more than one label." if groups else "."
    if coarse:
        summary += f" The columns are so coarse that chance alone makes about {by_chance:.0f} equal pairs."
    return Finding(
        summary=summary,
        measured=copies / count,
        interval=wilson(copies, count),
        advice="Keep one of each group; where the labels of a group differ, decide which is right.",
        requirements=(
            at_most(0 if coarse else copies / count, "max_share", otherwise="warn"),
            at_most(0 if coarse else len(conflicting), "max_conflicts"),
        ),
        figures=_gallery(dataset, conflicting + [group for group in groups if len(set(labels.iloc[group])) == 1]),
        table=_table(dataset, groups),
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
