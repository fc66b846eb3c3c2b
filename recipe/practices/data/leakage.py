"""data/leakage: what a test example shares with training that a new one would not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, get_args

import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.dataset.counted import counted
from recipe.dataset.kind import kind_of
from recipe.dataset.splits import SPLITS, TRAIN
from recipe.dataset.stored import Dataset
from recipe.dataset.time_split import no_later_than_training
from recipe.evidence import Finding, at_most, practice, skip
from recipe.inspection.duplicates import equal_groups, equal_pairs, near_pairs
from recipe.inspection.group_columns import group_columns
from recipe.inspection.leakage_kinds import Answer, kinds_of_leakage
from recipe.inspection.target_leakage import column_scores
from recipe.settings.strict import Strict
from recipe.statistics.intervals import wilson

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined

COLUMNS = ["kind", "id_a", "path_a", "split_a", "id_b", "path_b", "split_b", "group", "column", "score", "distance"]
SHARED = {"label": "their label", "columns": "half of all else or more"}
KINDS = ("exact", "near", "group", "column", "unnamed group")
MOST_SHOWN = 20  # columns in the figure
IN_TIME = (
    "Of a split by time, what comes again later as it was before is no leak, and what belongs together stays so by "
    "data.group_column: look at the pairs."
)
OWN_SPLIT = "mend the split, or give the data without one: then one is drawn that keeps copies and groups together."
CONTRADICTION = "Where the labels of a pair differ, decide which is right, or whether the inputs can tell them apart."


class Settings(Strict):
    near_images: float = Field(ge=0)
    near_rows: float = Field(ge=0)
    column_score: float = Field(gt=0, le=1)
    rank_correlation: float = Field(gt=0, le=1)
    column_rows: int = Field(ge=100)


class Limits(Strict):
    max_exact: float = Field(ge=0)
    max_near: float = Field(ge=0)
    max_group: float = Field(ge=0)
    max_column: float = Field(ge=0)
    max_unnamed: float = Field(ge=0)


class DeliveryLimits(Strict):
    max_near: float = Field(ge=0)
    max_near_share: float = Field(ge=0, le=1)


@practice("data/leakage")
def leakage(dataset: Dataset) -> Finding:
    """No example, and no group, is in two splits, not even nearly, and no single column gives the label away.

    Of a split by time it is told whether all that is held out is later than what is trained on.

    The picture goes through the eight kinds of Kapoor and Narayanan 2023, with a reason where one cannot be seen.
    Kaufman et al. 2012, "Leakage in data mining": what is not known when the model is used must not be learnt from.
    """
    settings: Settings = dataset.settings.stages.data.leakage
    unnamed = group_columns(dataset)
    scores = column_scores(dataset, settings.column_rows, settings.column_score, settings.rank_correlation)
    crossings = pd.concat(
        [
            _exact(dataset),
            _near(dataset, kind_of(dataset.preparation).near_limit(settings)),
            _groups(dataset),
            scores[scores["leaks"]].assign(kind="column"),
            unnamed.assign(kind="unnamed group")[["kind", "column", "score"]],
        ],
        ignore_index=True,
    ).reindex(columns=COLUMNS)
    count = {kind: int((crossings["kind"] == kind).sum()) for kind in KINDS}
    figures = {"kinds": _checklist(dataset, count)}
    figures |= {"columns": _figure(scores, settings.column_score)} if len(scores) else {}
    return Finding(
        summary=_summary(dataset, crossings, unnamed) + _order_in_words(dataset),
        measured=sum(count.values()),
        advice=" ".join(_advice(dataset, crossings, unnamed)),
        requirements=(
            at_most(count["exact"], "max_exact"),
            at_most(count["group"], "max_group"),
            at_most(count["column"], "max_column"),
            at_most(count["near"], "max_near", otherwise="warn"),
            at_most(count["unnamed group"], "max_unnamed", otherwise="warn"),
        ),
        figures=figures,
        table=crossings,
    )


@practice("data/leakage")
def leakage_of_delivery(examined: Examined) -> Finding:
    """No delivered example is nearly equal to one of the validation or test split.

    Equal ones are in the data set already and stay in the split that they have.
    """
    near = examined.near_held_out
    count, total = len(near), examined.total
    if examined.reference.time_column is not None:
        return skip("The split is by time: no example is held out for good, so none can be too near to such a one.")
    summary = f"None of {total} examples is a near copy of a held-out one."
    if count:
        path = examined.dataset.manifest["path"].iat[near.index[0]]
        are = "is a near copy of a held-out one" if count == 1 else "are near copies of held-out ones"
        summary = f"{count} of {total} examples {are}; the first, {path}: "
        summary += f"{near['reason'].iloc[0]}."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="They are set aside, since a model that learnt them would look better than it is: ask the sender where "
        "they come from.",
        requirements=(
            at_most(count, "max_near", otherwise="warn"),
            at_most(count / total, "max_near_share"),
        ),
        table=_crossings_of_delivery(examined, near),
    )


def _advice(dataset: Dataset, crossings: pd.DataFrame, unnamed: pd.DataFrame) -> Iterator[str]:
    """What to do about what was found, and about nothing else."""
    kinds = set(crossings["kind"])
    if dataset.time_column is not None and kinds & {"exact", "near", "group"}:
        yield IN_TIME
    elif dataset.split_given and kinds & {"exact", "group"}:
        yield f"The split is your own: {OWN_SPLIT}"
    elif kinds & {"exact", "group"}:
        yield "Delete one of each pair, or all but one part of each group."
    if dataset.time_column is None and "near" in kinds:
        yield _advice_on_near(dataset)
    if any(_differing(dataset, crossings, kind) for kind in ("exact", "near")):
        yield CONTRADICTION
    for name in unnamed["column"][:1]:
        yield f"Where rows of one '{name}' belong together, name it: data.group_column={name}."
    for name in crossings.loc[crossings["kind"] == "column", "column"][:1]:
        yield f"Leave out a column that would not be known when the model is used (data.ignore=[{name}])."


def _advice_on_near(dataset: Dataset) -> str:
    """What to do about near copies: it depends on who split the data, and on whether groups are named."""
    if dataset.split_given:
        return (
            "Look at the nearly equal pairs: where two show the same thing, move both to one side of your split, or "
            "delete one."
        )
    if dataset.manifest["group"].notna().any():
        return (
            "Look at the nearly equal pairs: where two show the same thing and are of two groups, give them one group, "
            "or delete one."
        )
    return (
        "Look at the nearly equal pairs: where two show the same thing, give them one group in a column of their own "
        "(data.group_column), or delete one."
    )


def _differing(dataset: Dataset, crossings: pd.DataFrame, kind: str) -> int:
    """How many pairs of a kind have two classes for labels."""
    if dataset.preparation["classes"] is None:
        return 0
    pairs, labels = crossings[crossings["kind"] == kind], dataset.manifest.set_index("id")["label"]
    return int((pairs["id_a"].map(labels) != pairs["id_b"].map(labels)).sum())


def _summary(dataset: Dataset, crossings: pd.DataFrame, unnamed: pd.DataFrame) -> str:
    if not len(crossings):
        return "Nothing crosses between the splits, and no column gives the label away."
    columns = crossings.loc[crossings["kind"] == "column", "column"].tolist()
    groups = int((crossings["kind"] == "group").sum())
    parts = [
        _pairs_in_words(dataset, crossings, "exact", "pair", "of equal content in two splits"),
        _pairs_in_words(dataset, crossings, "near", "nearly equal pair", "in two splits"),
        f"{counted(groups, 'group')} in two splits" if groups else "",
        f"the label is given away by {', '.join(map(repr, columns[:5]))}" if columns else "",
        *(
            f"the {one.groups} values of '{one.column}' repeat, in rows that share {SHARED[str(one.shared)]}: split by "
            f"it, data.group_column={one.column}"
            for one in unnamed.itertuples()
        ),
    ]
    told = "; ".join(part for part in parts if part)
    return f"{told[0].upper()}{told[1:]}."


def _order_in_words(dataset: Dataset) -> str:
    """Of a split by time, whether what is tested is later than what is trained on."""
    if dataset.time_column is None:
        return ""
    early = no_later_than_training(dataset.manifest, dataset.manifest["split"])
    held_out = int((dataset.manifest["split"] != TRAIN).sum())
    told = "all are later than training"
    if early:
        told = f"all but {early} are later than training; " + (
            "that stays with a later one of its group, or a later copy"
            if early == 1
            else "those stay with later ones of their groups, or later copies"
        )
    return f" Of {held_out} examples for validation and test, {told}."


def _pairs_in_words(dataset: Dataset, crossings: pd.DataFrame, kind: str, pair: str, told: str) -> str:
    """How many pairs of a kind there are, how many of them with different labels, and the first; empty for none."""
    count, differing = int((crossings["kind"] == kind).sum()), _differing(dataset, crossings, kind)
    if not count:
        return ""
    which = "" if count == differing == 1 else f"{differing} of them "
    labels = f", {which}with different labels" if differing else ""
    return f"{counted(count, pair)} {told}{labels}, such as {_pair(crossings, kind)}"


def _pair(crossings: pd.DataFrame, kind: str) -> str:
    first = crossings[crossings["kind"] == kind].iloc[0]
    return f"{first['path_a']} ({first['split_a']}) and {first['path_b']} ({first['split_b']})"


def _exact(dataset: Dataset) -> pd.DataFrame:
    splits = dataset.manifest["split"].to_numpy()
    crossing = [group for group in equal_groups(dataset) if len(set(splits[group])) > 1]
    pairs = [pair for pair in equal_pairs(dataset, crossing) if splits[pair.a] != splits[pair.b]]
    exact = [(pair.a, pair.b) for pair in pairs if pair.kind != "but_id"]
    but_id = [(pair.a, pair.b) for pair in pairs if pair.kind == "but_id"]
    return pd.concat(
        [
            _crossings(dataset, exact).assign(kind="exact", score=1.0, distance=0.0),
            _crossings(dataset, but_id).assign(kind="near", score=1.0, distance=0.0),
        ]
    )


def _near(dataset: Dataset, limit: float) -> pd.DataFrame:
    train, validation, test = (dataset.where(split) for split in SPLITS)
    found = [
        near_pairs(dataset, left, right, limit)
        for left, right in ((validation, train), (test, train), (test, validation))
    ]
    pairs = pd.concat(found, ignore_index=True).sort_values("distance", kind="stable", ignore_index=True)
    crossings = _crossings(dataset, list(zip(pairs["a"], pairs["b"], strict=True)))
    return crossings.assign(kind="near", score=1 - pairs["distance"], distance=pairs["distance"])


def _groups(dataset: Dataset) -> pd.DataFrame:
    """One row for each group and pair of splits that it is in, with its first example in each."""
    groups = dataset.manifest["group"]
    pairs = []
    for _, members in groups.dropna().groupby(groups, sort=False):
        splits = dataset.manifest["split"].loc[members.index].drop_duplicates()
        pairs += list(combinations(splits.index, 2))
    rows = _crossings(dataset, pairs)
    return rows.assign(kind="group", score=1.0, group=[groups[a] for a, _ in pairs])


def _crossings(dataset: Dataset, pairs: list[tuple[int, int]]) -> pd.DataFrame:
    known = dataset.manifest[["id", "path", "split"]]
    sides = [known.iloc[[pair[side] for pair in pairs]].reset_index(drop=True) for side in (0, 1)]
    return pd.concat([sides[0].add_suffix("_a"), sides[1].add_suffix("_b")], axis=1)


def _checklist(dataset: Dataset, count: dict[str, int]) -> object:
    """What the data say of each kind of leakage in Kapoor and Narayanan's taxonomy."""
    lines = [(kind.name, kind.answer, kind.told) for kind in kinds_of_leakage(dataset, count)]
    colours = dict(zip(get_args(Answer), (drawing.PALETTE[2], drawing.PALETTE[1], drawing.FAINT), strict=True))
    return drawing.checklist(lines, colours, "Eight kinds of leakage")


def _figure(scores: pd.DataFrame, limit: float) -> object:
    shown = scores.head(MOST_SHOWN)
    values = {name: (score, 0.0, score) for name, score in zip(shown["column"], shown["score"], strict=True)}
    title = "How well one column alone tells the label"
    return drawing.intervals(values, "0 chance, 1 perfect, out of fold", title, references={"limit": limit})


def _crossings_of_delivery(examined: Examined, near: pd.DataFrame) -> pd.DataFrame:
    a = examined.dataset.manifest[["id", "path"]].iloc[near.index].reset_index(drop=True)
    b = examined.reference.manifest[["id", "path", "split"]].iloc[near["twin"]].reset_index(drop=True)
    table = pd.concat([a.add_suffix("_a"), b.add_suffix("_b")], axis=1)
    return table.assign(kind="near", split_a="delivery").reindex(columns=COLUMNS)
