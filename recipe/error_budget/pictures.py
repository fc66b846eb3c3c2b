"""The error on the test set as one bar of its parts, and what each step would take off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recipe import drawing
from recipe.error_budget.advice import Step
from recipe.error_budget.parts import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAR = 0.62  # of a row
WIDTH, HEIGHT_OF_ROW = 7.2, 0.42  # inches


def draw_parts(parts: Sequence[Part], total: float, unit: str, beside: Mapping[str, float]) -> Figure:
    """A waterfall: each part begins where the one before it ends, and the last row is their sum, the whole error.

    `beside` are errors of others by name, such as the best baseline's, as upright lines.
    """
    shown = [one for one in parts if one.told]
    figure, chart = drawing.new_figure(WIDTH, 1.6 + HEIGHT_OF_ROW * (len(shown) + 1))
    begin = 0.0
    for row, part in enumerate(shown):
        low, high = part.error.low - part.error.value, part.error.high - part.error.value
        end = begin + part.error.value
        colour = drawing.PALETTE[row % (len(drawing.PALETTE) - 1)]
        chart.barh(row, part.error.value, BAR, left=begin, color=colour, zorder=2)
        chart.plot([end + low, end + high], [row, row], color=drawing.INK, linewidth=1.2, zorder=3)
        chart.plot([end, end], [row, row + 1], color=drawing.FAINT, linewidth=0.8, zorder=1)
        chart.annotate(
            written(part.error.value),
            (max(end, begin, end + high), row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=drawing.NAME_SIZE,
            color=drawing.INK,
        )
        begin = end
    chart.barh(len(shown), total, BAR, color=drawing.INK, zorder=2)
    chart.annotate(
        written(total),
        (total, len(shown)),
        (5, 0),
        textcoords="offset points",
        va="center",
        fontsize=drawing.NAME_SIZE,
        fontweight="bold",
        color=drawing.INK,
    )
    names = [*(one.name for one in shown), "error on the test set"]
    chart.set_yticks(range(len(names)), names, fontsize=drawing.NAME_SIZE)
    chart.set_ylim(len(names) - 0.4, -0.6)
    chart.axvline(0.0, color=drawing.FAINT, linewidth=0.8, zorder=1)
    chart.grid(visible=False, axis="y")
    drawing.label(chart, unit, title="Where the error on the test set comes from")
    drawing.mark_references(figure, chart, beside, upright=True)
    return figure


def written(error: float) -> str:
    """An error as it is read: a share in percent."""
    return f"{100 * error:.2f} %"


def draw_steps(steps: Sequence[Step], unit: str) -> Figure:
    """What each step would take off the error, with its interval, the most promising on top."""
    rows = {one.name: (one.gain.value, one.gain.low, one.gain.high) for one in steps}
    return drawing.intervals(rows, unit, "What would lower it, and by how much", references={"nothing": 0.0})
