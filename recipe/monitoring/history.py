"""What was monitored so far: a line a call in `.recipe/monitor.jsonl`, a point a batch in the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter, ValidationError

from recipe import drawing
from recipe.monitoring.champion import Estimate
from recipe.runtime import journal
from recipe.runtime.workspace import private_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JOURNAL = "monitor.jsonl"
MOST_DRAWN = 60  # batches, the last ones
MOST_DATES = 8  # below a picture
MINUTES = len("2026-11-25T12:34")  # of a time, as it is shown


@dataclass(frozen=True)
class Entry:
    """One call: when, of which data set, batch and content, and what came of it. `figure` is None without labels, else
    that of the `metric` of this name; empty: the usual one.

    `confidence` is the mean of the largest probabilities with its 95 % interval; None for a regression, or without a
    model. `unfamiliar` is the share of inputs, `drifted` names the columns.
    """

    when: str
    data: str
    batch: str
    content: str
    rows: int
    unreadable: int
    champion: str | None
    unfamiliar: float | None
    drifted: tuple[str, ...]
    confidence: Estimate | None
    figure: Estimate | None
    labelled: int
    verdict: str
    metric: str = ""


def record(workspace: Path, entry: Entry) -> None:
    """Append `entry` to the journal.

    Raises:
        WorkspaceError: the workspace cannot be written.
    """
    journal.append(private_folder(workspace) / JOURNAL, asdict(entry))


def read_entries(workspace: Path) -> list[Entry]:
    """Every call, oldest first."""
    found, entry = [], TypeAdapter(Entry)
    for content in journal.entries(workspace / ".recipe" / JOURNAL):
        with suppress(ValidationError):
            found.append(entry.validate_python(content))
    return found


def batches(entries: Sequence[Entry], data: str) -> list[Entry]:
    """One entry a batch of the data set `data`, in the order of their first call: what the last call of it measured.

    A metric stays known where a later call came without the labels.
    """
    kept: dict[str, Entry] = {}
    for entry in entries:
        if entry.data != data:
            continue
        before = kept.get(entry.content, entry)
        told = before if entry.figure is None else entry
        kept[entry.content] = replace(
            entry, when=before.when, figure=told.figure, labelled=told.labelled, metric=told.metric
        )
    return list(kept.values())


def draw_over_time(
    points: Sequence[tuple[str, Estimate]], y_label: str, title: str, reference: Estimate | None, reference_name: str
) -> Figure | None:
    """A point a batch (when, estimate) with its interval, beside a level with its own; None where there is no point."""
    if not points:
        return None
    shown = points[-MOST_DRAWN:]
    places = np.arange(len(shown))
    values, lows, highs = (np.array([getattr(one, end) for _, one in shown]) for end in ("value", "low", "high"))
    picture, chart = drawing.new_figure()
    if reference is not None:
        chart.axhspan(reference.low, reference.high, color=drawing.PALETTE[2], alpha=0.15, linewidth=0)
        chart.axhline(reference.value, color=drawing.PALETTE[2], linewidth=1.2, linestyle="--", label=reference_name)
    ends = np.maximum([values - lows, highs - values], 0.0)
    chart.errorbar(places, values, yerr=ends, fmt="o-", markersize=4.5, linewidth=1.2, elinewidth=1.6, label="batches")
    step = -(-len(shown) // MOST_DATES)
    chart.set_xticks(places[::step], [when[:MINUTES].replace("T", "\n") for when, _ in shown][::step])
    chart.set_xlim(-0.6, len(shown) - 0.4)
    drawing.label(chart, "batch, by when it was first monitored (UTC)", y_label, title)
    chart.legend(frameon=False, fontsize=8)
    return picture
