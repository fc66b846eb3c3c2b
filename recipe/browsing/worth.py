"""What to do first: the findings that cost most, each with what it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.browsing.listed import Listed
from recipe.dataset.counted import counted
from recipe.dataset.splits import TRAIN
from recipe.evidence import Finding

FEW = 5  # that a person reads before looking at anything
LABELS = {"given", "suggested"}  # columns of a table that doubts labels
CROSSING = {"split_a", "split_b"}  # of one that lists what lies in two splits


@dataclass(frozen=True)
class Stake:
    """By how much a figure that is measured on these data can be off, as shares of 1: the likeliest, and the ends.

    `value` is None where only the ends are known.
    """

    value: float | None
    low: float
    high: float

    @property
    def size(self) -> float:
        return self.high if self.value is None else self.value


@dataclass(frozen=True)
class ToDo:
    """One finding worth a person's time.

    `touched` counts the examples that it flags, a `share` of all, and `columns` are those that it flags; `stake` is
    what a figure can be off by, and `at_stake` says so in a sentence, where that can be derived.
    """

    practice: str
    summary: str
    advice: str
    touched: int
    share: float
    columns: tuple[str, ...]
    stake: Stake | None
    at_stake: str


def to_do(findings: Sequence[Finding], listed: Sequence[Listed], splits: pd.Series, most: int = FEW) -> list[ToDo]:
    """The findings that flag examples or columns: first what a figure can be off by most, then what touches most.

    `splits` (N,) are those of the examples. What is at stake is derived, never guessed, from what a table holds:

    - labels in doubt (`given`, `suggested`): a figure against labels of which a share is wrong can be off by that share
      (Northcutt, Athalye and Mueller 2021, "Pervasive Label Errors in Test Sets", section 4), so the finding's own
      figure and interval are the stake;
    - examples in two splits (`split_a`, `split_b`): a figure on a split of which a share was seen in training can be
      too good by that share at most, and not at all where the net would have known them anyhow;
    - equal content under two labels (`conflict`): of each pair one label at least is wrong, both at most.
    """
    told = {one.practice: one for one in listed}
    found = [_of(finding, told[finding.practice], splits) for finding in findings if finding.practice in told]
    worthy = [one for one in found if one.touched or one.columns]
    return sorted(worthy, key=lambda one: (-(one.stake.size if one.stake else 0.0), -one.touched))[:most]


def _of(finding: Finding, listed: Listed, splits: pd.Series) -> ToDo:
    stake, told = _stake(finding, listed, splits)
    touched = int(listed.flagged.sum())
    return ToDo(
        finding.practice, finding.summary, finding.advice, touched, touched / len(splits), listed.columns, stake, told
    )


def _stake(finding: Finding, listed: Listed, splits: pd.Series) -> tuple[Stake | None, str]:
    columns = set(listed.table.columns)
    if columns >= LABELS and finding.measured is not None and finding.interval is not None:
        return _of_labels(finding.measured, finding.interval)
    if columns >= CROSSING:
        return _of_crossing(listed, splits)
    if "conflict" in columns:
        return _of_conflicts(listed, len(splits))
    return None, ""


def _of_labels(share: float, interval: tuple[float, float]) -> tuple[Stake, str]:
    low, high = interval
    told = f"A figure against these labels can be off by {share:.1%} [{low:.1%}, {high:.1%}], the share that is wrong."
    return Stake(share, low, high), told


def _of_crossing(listed: Listed, splits: pd.Series) -> tuple[Stake | None, str]:
    """The split beside training of which the largest part lies in another one too."""
    shares = dict(_shares_seen(listed.flagged, splits))
    if not shares:
        return None, ""
    split = max(shares, key=lambda name: shares[name])
    told = f"A figure on the {split} split can be too good by up to {shares[split]:.2%}, the share of it that was seen."
    return Stake(None, 0.0, shares[split]), told


def _shares_seen(flagged: NDArray[np.bool_], splits: pd.Series) -> Iterator[tuple[str, float]]:
    for name in splits.dropna().unique():
        there = (splits == name).to_numpy()
        if name != TRAIN and (flagged & there).any():
            yield str(name), float((flagged & there).sum() / there.sum())


def _of_conflicts(listed: Listed, count: int) -> tuple[Stake | None, str]:
    """At least one wrong label a group of contradicting pairs, at most all labels in them."""
    pairs = listed.table[listed.table["conflict"] == "true"]
    if pairs.empty:
        return None, ""
    groups, members = _components(pairs["id_a"], pairs["id_b"])
    low, high = groups / count, members / count
    told = f"Between {counted(groups, 'label')} and {members:,} are wrong, for equal content has two: a figure against "
    return Stake(None, low, high), f"{told}them can be off by {low:.2%} to {high:.2%}."


def _components(a: pd.Series, b: pd.Series) -> tuple[int, int]:
    """How many groups the pairs form, and of how many examples."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    codes, names = pd.factorize(pd.concat([a, b], ignore_index=True))
    ends = codes[: len(a)], codes[len(a) :]
    graph = coo_array((np.ones(len(a)), ends), shape=(len(names), len(names)))
    return int(connected_components(graph, directed=False)[0]), len(names)
