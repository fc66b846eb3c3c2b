"""data/unreadable: what could not be read, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from recipe.dataset.manifest import DECIDED
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.statistics.intervals import wilson

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined


class Limits(Strict):
    max_examples: float = Field(ge=0)
    max_share: float = Field(ge=0, le=1)


class DeliveryLimits(Limits):
    pass


@practice("data/unreadable")
def unreadable(dataset: Dataset) -> Finding:
    """Every example that the source names can be read.

    What does not decode, is cut short, empty, of the wrong type or missing is in quarantine; the rest goes on.
    """
    quarantine = dataset.quarantine[dataset.quarantine["kind"] != DECIDED]
    refused = quarantine[quarantine["kind"] != "label"]
    count = len(refused)
    total = len(dataset.manifest) + len(quarantine)
    left_out = len(quarantine) if count else 0  # with those without a label, which alone are no concern here
    if count:
        first = refused.iloc[0]
        summary = f"{count} of {total} examples could not be read; the first is {first['path']}: {first['reason']}."
    else:
        summary = f"All {total} examples could be read."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="Where the table lists any, mend or delete them: they were left out of this run.",
        requirements=(
            at_most(count, "max_examples", otherwise="warn"),
            at_most(left_out / total, "max_share"),
        ),
        table=refused[["id", "path", "reason"]],
    )


@practice("data/unreadable")
def unreadable_of_delivery(examined: Examined) -> Finding:
    """Every example that is delivered can be read.

    What does not decode, is cut short, empty, of the wrong type or missing is set aside; the rest goes on.
    """
    finding = unreadable.measure(examined.dataset)
    told = " ".join([finding.summary, *examined.dataset.notes])
    return replace(
        finding, summary=told, advice="Where the table lists any, ask the sender for them: they are set aside."
    )
