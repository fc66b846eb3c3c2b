"""The error on the test set as one bar of its parts, and what each step would take off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipe import drawing
from recipe.error_budget.advice import Step
from recipe.error_budget.parts import Part
from recipe.report.numbers import cost_in_words
from recipe.statistics.intervals import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR = 0.62  # of a row
FAR = 2.0  # times as far to the right as the parts reach
WIDTH, HEIGHT_OF_ROW = 7.2, 0.42  # inches


def draw_parts(parts: Sequence[Part], total: float, unit: str, beside: Mapping[str, float]) -> Figure:
    """A waterfall: each part begins where the one before it ends, and the last row is their sum, the whole error.

    `unit` is what the errors are shares of; `beside` are errors of others by name, such as the best baseline's, as
    upright lines where they are not so far off that the parts would have no room.
    """
    shown = [one for one in parts if one.told]
    figure, chart = drawing.new_figure(WIDTH, 1.6 + HEIGHT_OF_ROW * (len(shown) + 1))
    begin = 0.0
    for row, part in enumerate(shown):
        value, low, high = (100 * one for one in (part.error.value, part.error.low, part.error.high))
        end = begin + value
        chart.barh(row, value, BAR, left=begin, color=drawing.PALETTE[row % len(drawing.PALETTE)], zorder=2)
        chart.plot([begin + low, begin + high], [row, row], color=drawing.INK, linewidth=1.2, zorder=3)
        chart.plot([end, end], [row, row + 1], color=drawing.FAINT, linewidth=0.8, zorder=1)
        _write(chart, row, max(begin, begin + high), part.error.value)
        begin = end
    chart.barh(len(shown), 100 * total, BAR, color=drawing.INK, zorder=2)
    _write(chart, len(shown), 100 * total, total, fontweight="bold")
    names = [*(one.name for one in shown), "error on the test set"]
    chart.set_yticks(range(len(names)), names, fontsize=drawing.NAME_SIZE)
    chart.set_ylim(len(names) - 0.4, -0.6)
    chart.axvline(0.0, color=drawing.FAINT, linewidth=0.8, zorder=1)
    chart.grid(visible=False, axis="y")
    drawing.label(chart, f"% of {unit}", title="Where the error on the test set comes from")
    near = {name: 100 * error for name, error in beside.items() if error <= FAR * max(total, _right_end(shown))}
    drawing.mark_references(figure, chart, near, upright=True)
    return figure


def _right_end(parts: Sequence[Part]) -> float:
    """How far to the right the widest of the intervals ends."""
    ends, begin = [0.0], 0.0
    for part in parts:
        ends.append(begin + part.error.high)
        begin += part.error.value
    return max(ends)


def _write(chart: Axes, row: int, right_of: float, error: float, **style: Any) -> None:
    place: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
    chart.annotate(written(error), (right_of, row), fontsize=drawing.NAME_SIZE, color=drawing.INK, **place, **style)


def written(error: float) -> str:
    """An error as it is read: a share in percent."""
    return f"{100 * error:.2f} %"


def draw_steps(steps: Sequence[Step], unit: str) -> Figure:
    """What each step would take off the error, with its interval, and its cost; the most promising on top."""
    rows = {f"{one.name}: {cost_in_words(one.trainings, one.examples)}": _in_percent(one.gain) for one in steps}
    title = "What would lower it, by how much, and at what cost"
    return drawing.intervals(rows, f"taken off, % of {unit}", title, references={"nothing": 0.0})


def _in_percent(one: Estimate) -> tuple[float, float, float]:
    return 100 * one.value, 100 * one.low, 100 * one.high
