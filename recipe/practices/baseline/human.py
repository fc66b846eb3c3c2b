"""baseline/human: what a person reaches on the same examples, and how well people agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch

from recipe import drawing
from recipe.annotation.agreement import agreement, closeness
from recipe.annotation.annotated import Annotated
from recipe.dataset.counted import counted
from recipe.dataset.labels import label_numbers
from recipe.evidence import Finding, practice, skip
from recipe.statistics.clusters import bootstrap_r2_of_clusters, share_interval
from recipe.training.experiment import Experiment

GIVEN = "the data set"
MOST_CLASSES = 30  # of which a confusion can be read
ROUNDS = 2000  # of the bootstrap of R2
FEWEST_NUMBERS = 2  # that a variance can be told of
HOW = (
    "Nobody has annotated any example of these data. `recipe annotate --sample 100` shows 100 of the test split, "
    "without their labels, and takes yours; the figure is then the one to reach."
)
NOTHING = float("nan")


@dataclass(frozen=True)
class Compared:
    """Two labellings of the same examples: the first a person's, beside the data set's or another pass or person's.

    Of classes `figure` is the share labelled alike, of quantities R2; `low` and `high` end its 95 % interval. `seconds`
    is the median that one label took the first.
    """

    who: str
    beside: str
    examples: int
    figure: float
    low: float
    high: float
    kappa: float = NOTHING
    kappa_low: float = NOTHING
    kappa_high: float = NOTHING
    rmse: float = NOTHING
    correlation: float = NOTHING
    correlation_low: float = NOTHING
    correlation_high: float = NOTHING
    seconds: float = NOTHING


@practice("baseline/human")
def human(annotated: Annotated | Experiment) -> Finding:
    """A person who sees the same inputs sets the figure to reach; where people disagree, no model can please all.

    Accuracy of annotations against the given labels, and Cohen's kappa, of each person and pass; the same between two
    of them on what both labelled. Of a regression R2, the root of the mean squared error, and the correlation. Copies
    and groups count once in the intervals. An experiment made by hand knows of no annotations. Source: the recipe, 2,
    "human baseline".
    """
    if not isinstance(annotated, Annotated):
        return skip(HOW)
    people = dict(_people(annotated))
    if not people:
        return skip(HOW)
    ours = [_beside_given(name, answers, annotated) for name, answers in people.items()]
    pairs = [_between(*two, annotated) for two in combinations(people.items(), 2)]
    rows = [*ours, *(pair for pair in pairs if pair is not None)]
    best = max(ours, key=lambda one: one.examples)  # who labelled most, the first of several
    annotated.note(best.examples, best.figure, best.who)
    return Finding(
        summary=" ".join(_in_words(one, annotated) for one in rows),
        measured=best.figure,
        interval=(best.low, best.high),
        advice="Where a person and the data set differ, look at the example, and correct the label where the person "
        "is right (`recipe decide`). Where two people differ, say in writing what the label means.",
        figures=_drawn(best.who, people[best.who], annotated),
        table=pd.DataFrame([asdict(one) for one in rows]),
    )


def _people(annotated: Annotated) -> Iterator[tuple[str, pd.DataFrame]]:
    """What each person said in each pass, that is of use, by a name for both."""
    answers = annotated.answers
    if annotated.classes is None:
        numbers = label_numbers(answers["label"])
        answers = answers[~np.isnan(numbers)]
    for (who, turn), said in answers.groupby(["who", "turn"], sort=False):
        if annotated.classes is not None or len(said) >= FEWEST_NUMBERS:
            yield str(who) if turn == 1 else f"{who} in pass {turn}", said.reset_index(drop=True)


def _beside_given(name: str, said: pd.DataFrame, annotated: Annotated) -> Compared:
    return _compared((name, GIVEN), said["label"], said["given"], said, annotated)


def _between(
    first: tuple[str, pd.DataFrame], second: tuple[str, pd.DataFrame], annotated: Annotated
) -> Compared | None:
    """How two people, or passes, agree on what both labelled; None where that is too little."""
    both = first[1].merge(second[1][["id", "label"]], on="id", suffixes=("", "_other"))
    if len(both) < FEWEST_NUMBERS:
        return None
    return _compared((first[0], second[0]), both["label"], both["label_other"], both, annotated)


def _compared(
    names: tuple[str, str], said: pd.Series, other: pd.Series, rows: pd.DataFrame, annotated: Annotated
) -> Compared:
    units = torch.tensor(rows["unit"].tolist())
    found: dict[str, Any] = (_near if annotated.classes is None else _alike)(said, other, units)
    return Compared(*names, len(rows), seconds=float(rows["seconds"].median()), **found)


def _alike(said: pd.Series, other: pd.Series, units: torch.Tensor) -> dict[str, float]:
    """How often two lists of classes (N,) are the same."""
    right = torch.from_numpy((said.to_numpy(dtype=object) == other.to_numpy(dtype=object)).astype(np.float64))
    alone = len(units.unique()) == len(units)
    found = agreement(said.tolist(), other.tolist(), share_interval(right, None if alone else units))
    share, kappa = found.share, found.kappa
    ends = {"kappa": kappa.value, "kappa_low": kappa.low, "kappa_high": kappa.high}
    return {"figure": share.value, "low": share.low, "high": share.high, **ends}


def _near(said: pd.Series, other: pd.Series, units: torch.Tensor) -> dict[str, float]:
    """How near a list of quantities (N,) is to another."""
    first, second = label_numbers(said), label_numbers(other)
    found = closeness(second, first)
    outputs, targets = (torch.from_numpy(one[:, np.newaxis]) for one in (first, second))
    low, high = bootstrap_r2_of_clusters(outputs, targets, units, ROUNDS)
    tied = found.correlation
    ends = {"correlation": tied.value, "correlation_low": tied.low, "correlation_high": tied.high}
    return {"figure": found.r2, "low": low, "high": high, "rmse": found.rmse, **ends}


def _in_words(one: Compared, annotated: Annotated) -> str:
    kind = f"{annotated.split} example"
    given = one.beside == GIVEN
    interval = f"{one.figure:.4f} [{one.low:.4f}, {one.high:.4f}]"
    if annotated.classes is not None:
        right = round(one.figure * one.examples)
        beyond = f"kappa {one.kappa:.3f} [{one.kappa_low:.3f}, {one.kappa_high:.3f}]"
        of = f"{right} of {counted(one.examples, kind)}"
        told = f"labels {of} as the data set does" if given else f"and {one.beside} label {of} alike"
        return f"{one.who} {told}: {interval}, {beyond}{_pace(one) if given else ''}."
    near = f"off by {one.rmse:.4g} (RMSE), correlation {one.correlation:.3f}"
    told = f"on {counted(one.examples, kind)}" if given else f"and {one.beside} on {counted(one.examples, kind)}"
    return f"{one.who} {told}: R2 {interval}, {near}{_pace(one) if given else ''}."


def _pace(one: Compared) -> str:
    return f", {one.seconds:.1f} s a label" if one.seconds == one.seconds else ""


def _drawn(name: str, said: pd.DataFrame, annotated: Annotated) -> dict[str, object]:
    classes = annotated.classes
    if classes is None:
        figure, chart = drawing.new_figure(4.5, 4.0)
        chart.scatter(label_numbers(said["given"]), label_numbers(said["label"]), s=14)
        drawing.label(chart, "given", f"said by {drawing.plain(name)}", "A person beside the data set")
        return {"beside_given": figure}
    if len(classes) > MOST_CLASSES:
        return {}
    counts = pd.crosstab(said["given"], said["label"]).reindex(index=classes, columns=classes, fill_value=0)
    names = [drawing.plain(one) for one in classes]
    title = f"What {drawing.plain(name)} says of each class"
    return {"confusion": drawing.heatmap(counts.to_numpy(), names, names, "said", "given", title)}
