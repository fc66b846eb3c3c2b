"""data/unreadable, of a delivery: what could not be read, and what was left out beside."""

from dataclasses import replace

from recipe.deliveries.fates import Examined
from recipe.evidence import Finding, practice
from recipe.practices.data.unreadable import unreadable as of_data_set


@practice("data/unreadable")
def unreadable(examined: Examined) -> Finding:
    """Every example that is delivered can be read.

    What does not decode, is cut short, empty, of the wrong type or missing is set aside; the rest goes on.
    """
    finding = of_data_set.measure(examined.dataset)
    told = " ".join([finding.summary, *examined.dataset.notes])
    return replace(finding, summary=told, advice="Ask the sender for what the table lists; it is set aside.")
