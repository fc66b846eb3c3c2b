"""Two distributions of each column that moved, drawn over each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recipe import drawing
from recipe.dataset.preparation import DAYS_A_YEAR
from recipe.inspection.column_pair import ColumnPair, read_alike
from recipe.inspection.drift import WHOLE, Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 6  # drawn
MOST_BARS = 10  # categories of one: those that moved most
NAME_LENGTH = 10  # letters of a category below its bars
SHORT_NAME = 2  # letters that stand beside each other without being turned
BINS = 24
MIDDLE = (0.002, 0.998)  # quantiles between which numbers are drawn, or one wild cell would leave a single bar


@dataclass(frozen=True)
class Compared:
    """A column to draw: its name, that of the batch, and what the reference and the batch hold of it."""

    column: str
    batch_name: str
    reference: pd.Series
    batch: pd.Series
    is_label: bool = False


def draw_shifts(columns: Sequence[Compared], reference_name: str, title: str) -> "Figure | None":
    """The first few of `columns`, that of the reference and that of the batch each; None where none can be drawn."""
    drawable = [one for one in columns if one.reference.notna().any() and one.batch.notna().any()][:MOST_COLUMNS]
    if not drawable:
        return None
    across = min(3, len(drawable))
    down = -(-len(drawable) // across)
    figure, charts = drawing.new_grid(down, across, width=2.6 * across + 1.2, height=2.1 * down + 0.5)
    for chart, one in zip(charts.flat, drawable, strict=False):
        pair = read_alike(one.reference, one.batch, one.is_label)
        (_draw_categories if pair.kind == "category" else _draw_numbers)(chart, pair, (reference_name, one.batch_name))
        chart.set_xlabel(drawing.plain(one.column))
    for chart in charts.flat[len(drawable) :]:
        chart.set_axis_off()
    named: dict[str, Any] = {}
    for chart in charts.flat:
        named |= {name: handle for handle, name in zip(*chart.get_legend_handles_labels(), strict=True)}
    figure.legend(list(named.values()), list(named), loc="outside right upper", frameon=False, fontsize=8)
    figure.suptitle(
        drawing.plain(title), fontsize=drawing.TITLE_SIZE, fontweight="bold", x=0.01, ha="left", color=drawing.INK
    )
    return figure


def moved(reference: Sample, batch: Sample, table: pd.DataFrame, label: str, batch_name: str) -> list[Compared]:
    """What moved by the `table` of `drift` and both samples hold, the furthest first; the labels are named `label`."""
    compared = []
    for name in table.loc[(table["score"] > 0) & (table["column"] != WHOLE), "column"]:
        if name in reference.columns and name in batch.columns:
            compared.append(Compared(name, batch_name, reference.columns[name], batch.columns[name]))
        elif name == label and reference.labels is not None and batch.labels is not None:
            compared.append(Compared(label, batch_name, reference.labels, batch.labels, is_label=True))
    return compared


def _draw_numbers(chart: "Axes", pair: ColumnPair, names: tuple[str, str]) -> None:
    samples = [numbers[~np.isnan(numbers)] for numbers in (pair.reference, pair.batch)]
    if pair.kind == "date":
        samples = [1970 + days / DAYS_A_YEAR for days in samples]
    present = [numbers for numbers in samples if len(numbers)]  # a batch may hold no number at all
    low = min((float(np.quantile(numbers, MIDDLE[0])) for numbers in present), default=0.0)
    high = max((float(np.quantile(numbers, MIDDLE[1])) for numbers in present), default=1.0)
    edges = np.histogram_bin_edges(np.array([low, high]), bins=BINS)
    for place, (numbers, name) in enumerate(zip(samples, names, strict=True)):
        heights, _ = np.histogram(np.clip(numbers, edges[0], edges[-1]), bins=edges)
        filled = place == 0
        colour = _colour(name, names)
        share = heights / max(len(numbers), 1)
        chart.stairs(share, edges, fill=filled, alpha=0.4 if filled else 1.0, color=colour, label=name)
    chart.set_ylabel("share")


def _draw_categories(chart: "Axes", pair: ColumnPair, names: tuple[str, str]) -> None:
    shares = [text.fillna("missing").value_counts(normalize=True) for text in (pair.reference, pair.batch)]
    both = pd.concat(shares, axis=1).fillna(0.0).set_axis(["before", "after"], axis=1)
    moved = (both["after"] - both["before"]).abs().sort_values(ascending=False, kind="stable").index[:MOST_BARS]
    shown = sorted(map(str, moved))
    for place, (side, name) in enumerate(zip(both, names, strict=True)):
        heights = both[side].reindex(shown).to_numpy()
        chart.bar(
            np.arange(len(shown)) + 0.4 * place,
            heights,
            0.38,
            alpha=0.4 if place == 0 else 1.0,
            color=_colour(name, names),
            label=name,
        )
    written = [text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH - 1]}…" for text in shown]
    turned: dict[str, Any] = {"rotation": 45, "ha": "right"} if max(map(len, written)) > SHORT_NAME else {}
    chart.set_xticks(np.arange(len(shown)) + 0.2, [drawing.plain(text) for text in written], **turned)
    chart.set_ylabel("share")


def _colour(name: str, names: tuple[str, str]) -> str:
    """One for the reference, and one for each batch by its name, the same in every chart."""
    if name == names[0]:
        return drawing.PALETTE[0]
    return drawing.PALETTE[2] if name == "test" else drawing.PALETTE[1]
