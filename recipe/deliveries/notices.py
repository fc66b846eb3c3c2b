"""What is told of a delivery: a page to whoever keeps the data set, and a letter to whoever sent it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from recipe.dataset.manifest import place_in_words
from recipe.deliveries.quarantine import REASONS
from recipe.deliveries.record import REFUSED, TAKEN, Kind, Outcome
from recipe.errors import WorkspaceError
from recipe.evidence import Finding
from recipe.pipeline.check import UNMET
from recipe.report.findings import RunResult, StageResult, read, save
from recipe.report.page import Opening, write_page

LISTED = 10  # reasons that the letter names, most frequent first
READABLE = "Every example that is delivered can be read."
ENDS: Mapping[Kind, str] = {
    "accepted": "was taken in",
    "partly accepted": "was taken in, but for some examples",
    "nothing new": "holds nothing new",
    "drifted": "was set aside: it is unlike what came before",
    "rejected": "was set aside",
}
REQUESTS: Mapping[Kind, str] = {
    "partly accepted": "Please put right what is listed and send those examples again; the others need not come again.",
    "nothing new": "Please put right what is listed and send those examples again.",
    "drifted": "Please look whether the way in which the examples are chosen, measured or exported has changed. If it "
    "was not meant to, put it right and send all of it again; if it was, tell us what has changed.",
    "rejected": "Please put this right and send all of it again: none of it was taken.",
}


def write_delivery_page(report: Path, outcome: Outcome) -> None:
    """Write the page of a delivery that is done with into `report`, which may hold the findings about it.

    Raises:
        WorkspaceError: it cannot be written.
    """
    try:
        result = read(report)
    except WorkspaceError:  # it could not be read, so that nothing was measured
        unread = Finding(outcome.why, practice="data/unreadable", hypothesis=READABLE, verdict="fail")
        result = RunResult({"delivery": outcome.name}, (StageResult("data", (unread,), 0.0),))
    result = replace(result, run={**result.run, "outcome": outcome.kind})
    save(report, result)
    told = " ".join(finding.summary for finding in result.findings if finding.verdict == "fail")
    why = "" if outcome.why == told else outcome.why
    held = counts(outcome) if outcome.kind not in REFUSED else ""
    places = f"What was not taken is kept in {outcome.quarantine}." if outcome.quarantine else ""
    version = f"The data set's version is {outcome.version}." if outcome.kind in TAKEN else ""
    opening = Opening(
        headline=f"{outcome.name} {ENDS[outcome.kind]}.",
        lede=" ".join(part for part in (why, held, version, places) if part),
        failures=UNMET,
    )
    write_page(report, result, opening=opening)


def letter(outcome: Outcome, reasons: pd.DataFrame) -> str:
    """What to tell the sender: what came of the delivery, why, and what is asked of them, as a plain text to send on.

    Args:
        reasons: path and reason of each example that was set aside for a fault of its own.
    """
    told = [part for part in (outcome.why, counts(outcome)) if part]
    lines = [f"Your delivery '{outcome.name}' {ENDS[outcome.kind]}.", "", *told, ""]
    frequent = reasons.loc[reasons["reason"] != outcome.why, "reason"].value_counts()
    if len(frequent):
        lines.append(f"What could not be used ({len(reasons)}; each is listed in {REASONS}):")
        for reason, count in frequent.head(LISTED).items():
            first = reasons.loc[reasons["reason"] == reason, "path"].iloc[0]
            lines.append(f"- {count} x {reason} (the first: {place_in_words(first)})")
        if len(frequent) > LISTED:
            lines.append(f"- and {len(frequent) - LISTED} other reasons")
        lines.append("")
    return "\n".join([*lines, REQUESTS[outcome.kind], ""])


def counts(outcome: Outcome) -> str:
    """How many of its examples are known and not usable, in a sentence; nothing where there is nothing to say."""
    new, known, aside = outcome.new, outcome.known, outcome.aside
    if outcome.kind in TAKEN:  # the reason counts the others
        return f"{known} {'is' if known == 1 else 'are'} known already." if known else ""
    total = new + known + aside
    parts = [f"{count} {what}" for count, what in ((known, "known already"), (aside, "not usable")) if count]
    return f"It holds {total} examples{', ' if parts else ''}{' and '.join(parts)}." if total else ""
