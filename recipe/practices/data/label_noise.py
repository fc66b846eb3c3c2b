"""data/label_noise, of a delivery: its labels mean what the data set's labels mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

from recipe.evidence import Finding, at_least, at_most, practice, skip
from recipe.inspection.label_probe import SURE, probe_labels
from recipe.settings.strict import Strict

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined


# A delivery a week is told of once in twenty years by chance alone.
LEAST_BY_CHANCE = 0.001


class DeliveryLimits(Strict):
    max_doubt: float = Field(ge=0, le=1)
    max_share: float = Field(ge=0, le=1)


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
