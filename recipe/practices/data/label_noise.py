"""data/label_noise: which of the given labels are probably wrong, and whether a delivery's labels mean the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.dataset.target_scale import in_own_units
from recipe.evidence import Finding, at_least, at_most, practice, skip
from recipe.inspection.label_noise import LabelNoise, label_noise_of
from recipe.inspection.label_probe import SURE, probe_labels
from recipe.settings.strict import Strict

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined


SHOWN = 24  # labels in the picture
MOST_CLASSES = 30  # that a table of true and given classes has room for

# A delivery a week is told of once in twenty years by chance alone.
LEAST_BY_CHANCE = 0.001


class Limits(Strict):
    max_share: float = Field(ge=0, le=1)


class DeliveryLimits(Strict):
    max_doubt: float = Field(ge=0, le=1)
    max_share: float = Field(ge=0, le=1)


@practice("data/label_noise")
def label_noise(dataset: Dataset) -> Finding:
    """The labels are right: what a cheap model makes of an example that it has not seen is what the example is called.

    Confident learning (Northcutt, Jiang and Chuang 2021) by a kernel ridge regression, from which each example is left
    out with all its copies. Held to the limit is the least that the share of wrong labels may be.
    """
    noise = label_noise_of(dataset)
    if noise is None:
        return skip(
            "There are too few examples or too many classes for a quick probe, or it cannot tell the labels well "
            "enough to doubt any."
        )
    classes = dataset.preparation["classes"]
    table = _table(dataset, noise)
    return Finding(
        summary=_in_words(noise, len(table)),
        measured=noise.share,
        interval=noise.interval,
        advice="Look at the flagged ones in data.html, the most suspicious first; mark those that are wrong, export "
        "the marks and take them in with `recipe decide`. Where many of one class are called another, say better what "
        "sets them apart.",
        requirements=(at_most(noise.interval[0], "max_share", otherwise="warn"),),
        figures=_gallery(dataset, table) | _joint(noise, classes),
        table=table.drop(columns="row"),
    )


@practice("data/label_noise")
def label_noise_of_delivery(examined: Examined) -> Finding:
    """A probe trained on the data set agrees with the delivered labels as it does with the data set's own.

    Shuffled, shifted or differently coded labels are no example's own fault, so that only a look at all finds them.
    """
    new = examined.new
    probe = probe_labels(examined.reference, new)
    if probe is None:
        return skip("There are too few examples, or a quick probe cannot tell the labels of the data set well enough.")
    known = new.manifest[["id", "path", "label"]].iloc[probe.examples["row"]].reset_index(drop=True)
    table = pd.DataFrame(
        {
            "id": known["id"],
            "path": known["path"],
            "given": known["label"],
            "suggested": probe.examples["suggested"],
            "score": probe.examples["score"],
            "flagged": probe.examples["flagged"],
        }
    )
    low, high = probe.interval
    doubted = int(table["flagged"].sum())
    return Finding(
        summary=f"A probe agrees with {probe.agreement:.3f} of the labels, where the data set's own give "
        f"{probe.expected:.3f}: about {probe.wrong_share:.0%} [{low:.0%}, {high:.0%}] may be wrong, and "
        f"{doubted} {'is' if doubted == 1 else 'are'} in doubt where chance makes {SURE * len(table):.1f}.",
        measured=probe.wrong_share,
        interval=probe.interval,
        advice="Where labels are in doubt, ask the sender how they were made: a shuffled column, another coding, or a "
        "file joined to the wrong rows looks like this; the table lists the most doubtful first.",
        requirements=(
            at_most(low, "max_share"),
            at_most(low, "max_doubt", otherwise="warn"),
            at_least(by_chance(doubted, len(table)), LEAST_BY_CHANCE, otherwise="warn"),
        ),
        table=table,
    )


def by_chance(doubted: int, count: int) -> float:
    """How likely so many of `count` labels as good as the data set's own are in doubt."""
    from scipy.stats import binom

    return float(binom.sf(doubted - 1, count, SURE))


def _table(dataset: Dataset, noise: LabelNoise) -> pd.DataFrame:
    """Every example, the most suspicious first; `row` is its place in the data set."""
    classes = dataset.preparation["classes"]
    if classes is None:
        suggested = in_own_units(np.asarray(noise.suggested, dtype=float), dataset.preparation["target"])
    else:
        suggested = np.array(classes, dtype=object)[noise.suggested]
    known = dataset.manifest[["id", "path", "label"]].rename(columns={"label": "given"})
    table = known.assign(suggested=suggested, score=noise.score, flagged=noise.flagged, row=np.arange(len(known)))
    return table.sort_values(["flagged", "score"], ascending=False, kind="stable", ignore_index=True)


def _in_words(noise: LabelNoise, count: int) -> str:
    low, high = noise.interval
    flagged = int(noise.flagged.sum())
    if not flagged:
        return (
            f"Nothing says that any of {count:,} labels is wrong: what a quick probe does not foretell, {high:.1%} at "
            "most, may as well be hard to tell."
        )
    told = f"About {noise.share:.2%} of the labels [{low:.2%}, {high:.2%}] are probably wrong"
    are, surely = "is" if flagged == 1 else "are", round(noise.surely_wrong)
    told = f"{told}: {flagged:,} of {count:,} {are} flagged"
    if surely >= flagged:
        return f"{told}, and should turn out wrong."
    return (
        f"{told}. Of these at least {surely} should turn out wrong, and all where people err most on what is ambiguous."
    )


def _gallery(dataset: Dataset, table: pd.DataFrame) -> dict[str, object]:
    """The flagged examples that are most suspicious, each with what it is called and what it may be."""
    shown = table[table["flagged"]].head(SHOWN)
    if not len(shown):
        return {}
    titles = [f"{one.given} → {_short(one.suggested)}?" for one in shown.itertuples()]
    title = "The most suspicious labels: given → suggested"
    drawn = kind_of(dataset.preparation).draw(dataset.inputs[shown["row"].to_numpy()], titles, title)
    return {"suspicious": drawn} if drawn else {}


def _short(suggested: object) -> str:
    return f"{suggested:.4g}" if isinstance(suggested, float) else str(suggested)


def _joint(noise: LabelNoise, classes: list[str] | None) -> dict[str, object]:
    """How many examples of each class are estimated to be called another."""
    if noise.joint is None or classes is None or len(classes) > MOST_CLASSES:
        return {}
    wrong = noise.joint.copy()
    np.fill_diagonal(wrong, np.nan)
    if np.nansum(wrong) < 1:
        return {}
    title = "Estimated number of wrong labels"
    return {"joint": drawing.heatmap(wrong, classes, classes, "given label", "true class", title, ".0f")}
