"""data/duplicates: examples of equal content, and whether their labels agree."""

from __future__ import annotations

import math
from collections.abc import Sized
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

from recipe.dataset.counted import counted
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.chance_duplicates import NONE, Coincidences, expected_coincidences
from recipe.inspection.duplicates import Rows, compared_columns, equal_groups, equal_pairs
from recipe.settings.strict import Strict
from recipe.statistics.intervals import wilson

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined

SHOWN = 8  # groups in the picture
COLUMNS = ["id_a", "path_a", "id_b", "path_b", "label_a", "label_b", "conflict", "kind"]


class Limits(Strict):
    max_share: float = Field(ge=0, le=1)
    max_conflicts: float = Field(ge=0)


class DeliveryLimits(Strict):
    max_conflicts: float = Field(ge=0)
    max_conflict_share: float = Field(ge=0, le=1)


@practice("data/duplicates")
def duplicates(dataset: Dataset) -> Finding:
    """No example is there twice, and equal examples have equal labels.

    Equal is decoded content, whatever the file's bytes; rows may differ in a column that only numbers them. Where the
    columns are coarse, chance makes equal rows that are no copies, and equal rows with different labels that are no
    contradiction: what there is beyond chance is held to the limits.
    A group of which a person has found every example fine is none.
    """
    groups = [group for group in equal_groups(dataset) if not dataset.kept[group].all()]
    count = len(dataset.manifest)
    copies = sum(len(group) - 1 for group in groups)
    labels = dataset.manifest["label"]
    conflicting = [group for group in groups if labels.iloc[group].nunique(dropna=False) > 1]
    chance = _chance(dataset, groups)
    copied = min(copies, _beyond(sum(map(_pairs, groups)), chance.most_pairs))
    contradicted = min(len(conflicting), _beyond(_differing(labels, conflicting), chance.most_conflicts))
    return Finding(
        summary=_in_words(dataset, copies, groups, conflicting)
        + (_chance_in_words(chance, copied, contradicted) if chance.most_pairs else ""),
        measured=copies / count,
        interval=wilson(copies, count),
        advice="Where examples are copies, keep one of each group; where the labels of a group differ, decide which "
        "is right.",
        requirements=(
            at_most(copied / count, "max_share", otherwise="warn"),
            at_most(contradicted, "max_conflicts"),
        ),
        figures=_gallery(dataset, conflicting + [group for group in groups if len(set(labels.iloc[group])) == 1]),
        table=_table(dataset, groups),
    )


@practice("data/duplicates")
def duplicates_of_delivery(examined: Examined) -> Finding:
    """What is delivered is new, and nothing known comes under another label.

    Content that is in already is not taken twice; what is known under another label is set aside, whichever is right.
    """
    total = examined.total
    known, conflicts = len(examined.known), len(examined.conflicting)
    are, they = ("is", "it is") if known == 1 else ("are", "they are")
    contradict = "contradicts the label that it has" if conflicts == 1 else "contradict the label that they have"
    summary = f"{known} of {total} examples {are} in the data set already, or came twice: {they} not taken again"
    summary += f"; {conflicts} {contradict} there or in the delivery." if conflicts else "."
    return Finding(
        summary=summary if known or conflicts else f"None of {total} examples is in the data set already.",
        measured=known / total,
        interval=wilson(known, total),
        advice="Where there are two labels, decide which is right; where known examples came again, ask the sender "
        "why.",
        requirements=(
            at_most(conflicts, "max_conflicts", otherwise="warn"),
            at_most(conflicts / total, "max_conflict_share"),
        ),
        table=_twins(examined),
    )


def _chance(dataset: Dataset, groups: list[Rows]) -> Coincidences:
    """What chance makes of a table; what has no columns, as pictures, is never equal by chance."""
    if not groups:
        return NONE
    rows = compared_columns(dataset)
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


def _in_words(dataset: Dataset, copies: int, groups: list[Rows], conflicting: list[Rows]) -> str:
    if not groups:
        return f"None of {len(dataset.manifest)} examples is a copy of another."
    are = "is a copy" if copies == 1 else "are copies"
    told = f"{copies} of {len(dataset.manifest)} examples {are} of another, in {counted(len(groups), 'group')}"
    if conflicting:
        have = "has" if len(conflicting) == 1 else "have"
        told += f"; {len(conflicting)} {have} more than one label, the first {_pair(dataset, conflicting[0])}"
    else:
        told += f", the first {_pair(dataset, groups[0])}"
    return f"{told}."


def _pair(dataset: Dataset, group: Rows) -> str:
    """Two examples of a group with their labels, two different ones if there are."""
    known = dataset.manifest.iloc[group][["path", "label"]].drop_duplicates("label")
    shown = known if len(known) > 1 else dataset.manifest.iloc[group]
    first, second = (f"{row.path} ('{row.label}')" for row in shown.head(2).itertuples())
    return f"{first} and {second}"


def _chance_in_words(chance: Coincidences, copied: int, contradicted: int) -> str:
    groups = f"{counted(contradicted, 'group')} with more than one label"
    found = f"{counted(copied, 'copy', 'copies')} and {groups} are beyond that"
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
    if not groups:
        return {}
    shown = [int(row) for group in groups[:SHOWN] for row in group[:2]]
    titles = [f"{dataset.manifest['label'].iloc[row]}" for row in shown]
    draw = kind_of(dataset.preparation).draw
    drawn = draw(dataset.inputs[shown], titles, "Pairs of equal content, with their labels")
    return {"pairs": drawn} if drawn else {}


def _twins(examined: Examined) -> pd.DataFrame:
    """Each delivered example (a) that has a twin (b) in the data set or earlier in the delivery."""
    rows = pd.concat([examined.known, examined.conflicting]).sort_index()
    rows = rows[rows["twin"] >= 0]
    columns = ["id", "path", "label", "content_id", "bytes_id"]
    both = pd.concat([examined.reference.manifest, examined.dataset.manifest], ignore_index=True)[columns]
    a = examined.dataset.manifest[columns].iloc[rows.index].reset_index(drop=True)
    b = both.iloc[rows["twin"]].reset_index(drop=True)
    kind = pd.Series("but_id", index=a.index).mask(a["content_id"] == b["content_id"], "content")
    return pd.DataFrame(
        {
            "id_a": a["id"],
            "path_a": a["path"],
            "id_b": b["id"],
            "path_b": b["path"],
            "label_a": a["label"],
            "label_b": b["label"],
            "conflict": a["label"].astype("str") != b["label"].astype("str"),
            "kind": kind.mask(a["bytes_id"] == b["bytes_id"], "bytes"),
        }
    )
