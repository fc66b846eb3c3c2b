"""One style for every figure: matplotlib without pyplot, drawn by Agg, readable in print and to the colour-blind."""

import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.typing import RcKeyType

# Okabe and Ito 2008, "Color Universal Design": told apart under every common colour blindness. Yellow is left out: too
# faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#3B3B3B")
INK = "#2b2b2b"
FAINT = "#8a8a8a"
SEQUENTIAL = "Blues"

DPI = 144
TITLE_SIZE = 10
REFERENCE_SIZE = 7.5  # points, of the names of reference lines
LONGEST_REFERENCE = 120.0  # points
REFERENCE_GAP = 7.0  # points between the chart and the name of a line
LABEL_LENGTH = 24
ROW, NARROWEST_ROW, ROOMY_ROWS, MOST_ROWS = 0.32, 0.14, 20, 70  # inches a row; beyond 20 narrower, beyond 70 not named
NAME_SIZE, USUAL_NAME, LONGEST_NAME = 8, 100, 200  # points; names wider than usual widen the figure
CELL = 0.95  # inches that a picture of a gallery has across
CAPTION_SIZE = 7  # points
ANNOTATED_CELLS = 15  # a heatmap of more rows or columns has no room for a number in each cell
WHY_LENGTH = 78  # characters a line of a checklist
LONGEST_CELL = 14  # characters of a table of text
LABELLED_CELLS = 30
SEVERAL_DECADES = 100  # an axis from 1 to more than this is marked at the powers of ten
FEW_STEPS = 8  # of 1, 2, 5, 10 an axis from 1 to less than this would show one or two
SMALLEST_WRITTEN, LARGEST_WRITTEN, MOST_DECIMALS = 1e-4, 1e9, 12  # beyond them powers of ten read better
REFERENCE_STYLE: dict[str, Any] = {"color": FAINT, "linewidth": 1.1, "linestyle": (0, (4, 3)), "zorder": 1}
FEW_POINTS = 16  # of a line: they are drawn as dots
LARGEST_DOT = 5.0  # points, of the lowest line's: a ring around those of one above it
LINE_STYLES = ("-", "--", "-.", ":")

STYLE: "dict[RcKeyType, Any]" = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}


@dataclass(frozen=True)
class Curve:
    """One line of a chart: `y` over `x`, both `(n,)`, with a band from `low` to `high` where they are given.

    One that is `ideal` was not measured: it is drawn as the reference lines are, below what was.
    """

    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    ideal: bool = False


def new_figure(width: float = 6.0, height: float = 3.5) -> "tuple[Figure, Axes]":
    """An empty figure of `width` by `height` inches with one chart in the house style."""
    figure, axes = new_grid(1, 1, width, height)
    return figure, axes[0, 0]


def new_grid(
    rows: int, columns: int, width: float = 6.0, height: float = 3.5, share_x: bool = False, share_y: bool = False
) -> "tuple[Figure, NDArray[Any]]":
    """An empty figure with charts side by side; the charts come as an array `(rows, columns)` of Axes."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=share_x, sharey=share_y)
    for chart in axes.flat:
        chart.set_prop_cycle(color=PALETTE)
        for side in (chart.xaxis, chart.yaxis):
            _write_plainly(side)
    return figure, axes


def curves(
    lines: Mapping[str, Curve],
    x_label: str,
    y_label: str,
    title: str = "",
    references: Mapping[str, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    marks: Mapping[str, float] | None = None,
) -> "Figure":
    """Lines by name, with their bands, and reference lines by name: level ones (a target, chance), and upright `marks`.

    Serves learning curves, power laws and, with the identity as a line, reliability diagrams.
    """
    figure, chart = new_figure()
    for position, (name, line) in enumerate(lines.items()):
        style = REFERENCE_STYLE if line.ideal else _line_style(position, line)
        (drawn,) = chart.plot(line.x, line.y, label=plain(shortened(name, LONGEST_NAME, NAME_SIZE)), **style)
        if line.low is not None and line.high is not None:
            chart.fill_between(line.x, line.low, line.high, color=drawn.get_color(), alpha=0.18, linewidth=0)
    label(chart, x_label, y_label, title)
    if log_x:
        scale_by_ratio(chart, "x")
    elif all(_counts(line.x) for line in lines.values()):
        mark_whole_numbers(chart, "x")
    if log_y:
        scale_by_ratio(chart, "y")
    if len(lines) > 1:
        _legend(figure, chart, beside=len(lines) > 4)
    mark_references(figure, chart, references or {}, upright=False)
    mark_references(figure, chart, marks or {}, upright=True)
    return figure


def intervals(
    values: Mapping[str, tuple[float, float, float]],
    x_label: str,
    title: str = "",
    references: Mapping[str, float] | None = None,
    log_x: bool = False,
) -> "Figure":
    """One row a name, first on top: a figure with its interval, given as (value, low, high).

    What has no place along the axis, such as zero on a logarithmic scale, is written where it begins.
    """
    pitch = min(ROW, max(NARROWEST_ROW, ROOMY_ROWS * ROW / max(len(values), 1)))
    step = math.ceil(max(len(values), 1) / MOST_ROWS)
    size, crowding = min(NAME_SIZE, 0.85 * 72 * pitch), pitch / ROW
    names = [shortened(name, LONGEST_NAME, size) for name in values]
    wide = max((text_width(name, size) for name in names), default=0.0)
    width = 6.0 + max(0.0, wide - USUAL_NAME) / 72
    figure, chart = new_figure(width, height=1.2 + max(2 * ROW, pitch * len(values) / step))
    for position, (value, low, high) in enumerate(values.values()):
        colour = PALETTE[0]
        ends: dict[str, Any] = {"linewidth": 2.2 * crowding**0.5, "alpha": 0.55, "solid_capstyle": "round"}
        chart.plot([low, high], [position, position], color=colour, **ends)
        chart.plot([value], [position], marker="o", markersize=5.5 * crowding**0.5, color=colour)
        if not math.isfinite(value) or (log_x and value <= 0):
            beginning: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
            chart.annotate(f"{value:g}", (0, position), (4, 0), va="center", color=colour, fontsize=size, **beginning)
    chart.set_yticks(range(0, len(values), step), [plain(name) for name in names[::step]], fontsize=size)
    chart.set_ylim(len(values) - 0.4, -0.6)
    chart.grid(visible=False, axis="y")
    label(chart, x_label, title=title)
    if log_x:
        scale_by_ratio(chart, "x")
    mark_references(figure, chart, references or {}, upright=True)
    return figure


def bars(
    labels: Sequence[str], groups: Mapping[str, ArrayLike], y_label: str, x_label: str = "", title: str = ""
) -> "Figure":
    """Bars beside each other: for each label `(n,)` one bar of each group, whose values are `(n,)`."""
    figure, chart = new_figure()
    width = 0.8 / max(len(groups), 1)
    places = np.arange(len(labels))
    for position, (name, heights) in enumerate(groups.items()):
        offset = (position - (len(groups) - 1) / 2) * width
        shown = plain(shortened(name, LONGEST_NAME, NAME_SIZE))
        chart.bar(places + offset, np.asarray(heights, dtype=float), width * 0.94, label=shown)
    _tick_labels(chart, labels, axis="x")
    chart.grid(visible=False, axis="x")
    label(chart, x_label, y_label, title)
    if len(groups) > 1:
        _legend(figure, chart, beside=True)
    return figure


def gallery(images: NDArray[Any], titles: Sequence[str], title: str = "", columns: int = 8) -> "Figure":
    """Images `(N, C, H, W)`, uint8 or floats in 0..1, one or three channels, each under its title."""
    room = math.ceil((text_width(title, TITLE_SIZE, bold=True) / 72 + 0.2) / CELL)
    columns = max(1, min(columns, len(images)), room if title else 1)
    rows = max(1, math.ceil(len(images) / columns))
    captions = [_in_cell(caption) for caption in titles[: len(images)]]
    more_lines = max((caption.count("\n") for caption in captions), default=0)
    height = (1.2 + 0.12 * more_lines) * rows + (0.3 if title else 0)
    figure, charts = new_grid(rows, columns, width=max(2.4, CELL * columns), height=height)
    for chart in charts.flat:
        chart.set_axis_off()
    top = 255 if images.dtype == np.uint8 else 1
    for chart, image, caption in zip(charts.flat, images, captions, strict=False):
        pixels = image[:3] if image.shape[0] >= 3 else image[:1]
        chart.imshow(pixels.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=top, interpolation="nearest")
        chart.set_title(caption, fontsize=CAPTION_SIZE, fontweight="normal", loc="center", pad=2)
    if title:
        entitle(figure, title)
    return figure


def heatmap(
    matrix: ArrayLike,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    x_label: str = "",
    y_label: str = "",
    title: str = "",
    number_format: str = "g",
) -> "Figure":
    """A matrix `(rows, columns)` as colours, with its numbers where they fit; a confusion matrix, for one.

    `number_format` is a format specification, such as `.2f`. A value that is none leaves its cell empty.
    """
    values = np.asarray(matrix, dtype=float)
    rows, columns = values.shape
    side = min(7.0, max(3.2, 1.4 + 0.36 * max(rows, columns)))
    figure, chart = new_figure(width=side * 1.1, height=side)
    picture = chart.imshow(values, cmap=SEQUENTIAL, aspect="auto")
    chart.grid(visible=False)
    if max(rows, columns) <= ANNOTATED_CELLS:
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            colour = "white" if value > middle else INK
            chart.text(column, row, format(value, number_format), ha="center", va="center", fontsize=7, color=colour)
    else:
        scale = figure.colorbar(picture, ax=chart, shrink=0.8)
        scale.ax.tick_params(labelsize=8, length=0)
        scale.outline.set_visible(False)
    _tick_labels(chart, column_labels, axis="x")
    _tick_labels(chart, row_labels, axis="y")
    label(chart, x_label, y_label)
    entitle(figure, title)
    return figure


def text_table(
    cells: NDArray[np.object_], row_labels: Sequence[str], column_labels: Sequence[str], title: str = ""
) -> "Figure":
    """Cells of text `(rows, columns)`, those too long cut short, between their labels."""
    rows, columns = cells.shape
    figure, chart = new_figure(width=2.2 + 0.85 * columns, height=1.0 + 0.24 * rows)
    chart.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    chart.grid(visible=False)
    for row in range(0, rows, 2):
        chart.axhspan(row - 0.5, row + 0.5, color=FAINT, alpha=0.15, linewidth=0)
    for row, column in np.ndindex(rows, columns):
        text = str(cells[row, column])
        shown = text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
        chart.text(column, row, plain(shown), ha="center", va="center", fontsize=7.5, color=INK)
    _tick_labels(chart, column_labels, axis="x")
    _tick_labels(chart, row_labels, axis="y")
    label(chart, title=title)
    return figure


def checklist(lines: Sequence[tuple[str, str, str]], colours: Mapping[str, str], title: str = "") -> "Figure":
    """A line each: what was asked, the answer beside a dot of its colour, and why, broken where it is long."""
    broken = [(asked, answer, textwrap.wrap(why, WHY_LENGTH) or [""]) for asked, answer, why in lines]
    heights = [max(1, len(why)) for _, _, why in broken]
    figure, chart = new_figure(width=9.0, height=0.5 + 0.22 * sum(heights) + 0.08 * len(heights))
    chart.set(xlim=(0, 1), ylim=(sum(heights) + 0.4 * len(heights), -0.5))
    chart.set_axis_off()
    place = 0.0
    for asked, answer, why in broken:
        chart.text(0.0, place, plain(asked), fontsize=NAME_SIZE, fontweight="bold", color=INK, va="center")
        chart.plot([0.3], [place], marker="o", markersize=5, color=colours[answer], clip_on=False)
        chart.text(0.315, place, plain(answer), fontsize=NAME_SIZE, color=INK, va="center")
        for number, part in enumerate(why):
            chart.text(0.44, place + number, plain(part), fontsize=NAME_SIZE, color=INK, va="center")
        place += len(why) + 0.4
    entitle(figure, title)
    return figure


def label(chart: "Axes", x_label: str = "", y_label: str = "", title: str = "") -> None:
    """Name the axes of `chart` and give it its title, as every figure has them; alone, it gives it to its figure."""
    chart.set_xlabel(plain(x_label))
    chart.set_ylabel(plain(y_label))
    figure = chart.get_figure()
    if figure is not None and len(figure.axes) == 1:
        entitle(cast("Figure", figure), title)
    else:
        chart.set_title(plain(title), loc="left", fontsize=TITLE_SIZE, fontweight="bold", color=INK)


def entitle(figure: "Figure", title: str) -> None:
    """Write `title` over `figure` from its left edge, on two lines where it is wider than the figure."""
    room = 72 * figure.get_figwidth() - 12
    lines = _in_two(plain(title), room, TITLE_SIZE, bold=True)
    if title:
        style: dict[str, Any] = {"fontsize": TITLE_SIZE, "fontweight": "bold", "color": INK}
        figure.suptitle("\n".join(lines), x=6 / (room + 12), ha="left", **style)


def scale_by_ratio(chart: "Axes", along: Literal["x", "y"]) -> None:
    """A logarithmic scale for what `chart` shows by now, with several numbers along it however narrow its range is.

    Where nothing is above zero the scale stays as it is.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    side = chart.xaxis if along == "x" else chart.yaxis
    if not math.isfinite(side.get_minpos()):
        return
    (chart.set_xscale if along == "x" else chart.set_yscale)("log")
    low, high = sorted(side.get_view_interval())
    if high / low >= SEVERAL_DECADES:
        return  # matplotlib's own marks, one a decade
    narrow = high / low < FEW_STEPS
    side.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]) if narrow else LogLocator(subs=(1, 2, 5)))
    side.set_minor_locator(NullLocator())
    _write_plainly(side)


def mark_whole_numbers(chart: "Axes", along: Literal["x", "y"]) -> None:
    """Marks at whole numbers only, along what counts: epochs, trials, examples."""
    from matplotlib.ticker import MaxNLocator

    (chart.xaxis if along == "x" else chart.yaxis).set_major_locator(
        MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True)
    )


def to_png(figure: "Figure") -> bytes:
    """`figure` as a PNG that holds in words what it shows, as its Title; the same figure gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    words = in_words(figure)
    with _without_glyph_warnings():  # savefig would draw it twice: once to lay it out
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None} | ({"Title": words} if words else {}))
    return buffer.getvalue()


def in_words(figure: "Figure") -> str:
    """What `figure` shows, for a caption: its title, and what its chart has along its axes; empty without either."""
    charts = [chart for chart in figure.axes if chart.get_xlabel() or chart.get_ylabel()]
    axes = ""
    if len(charts) == 1:
        axes = " against ".join(filter(None, (charts[0].get_ylabel(), charts[0].get_xlabel())))
    sentences = [text[:1].upper() + text[1:] for text in (figure.get_suptitle(), axes) if text]
    return ". ".join(sentences).replace("\n", " ").replace(r"\$", "$")


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide `text` is drawn, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="sans-serif", size=size, weight="bold" if bold else "normal")
    with _without_glyph_warnings():
        width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def shortened(text: str, width: float, size: float) -> str:
    """`text` on one line, with as much of its middle left out as lets it be drawn in `width` points."""
    short = text = " ".join(text.split())
    for left in range(len(text) - 1, 1, -1):
        if text_width(short, size) <= width:
            break
        short = f"{text[: (left + 1) // 2]}…{text[len(text) - left // 2 :]}"
    return short


def plain(text: object) -> str:
    """A user's text as matplotlib may draw it: no TeX, on one line, shortened in the middle."""
    words = " ".join(str(text).split())
    if len(words) > 3 * LABEL_LENGTH:
        words = f"{words[: 2 * LABEL_LENGTH]}…{words[-LABEL_LENGTH + 1 :]}"
    return words.replace("$", r"\$")


def _write_plainly(side: "Axis") -> None:
    """Numbers along `side` as they are, with the digits that tell neighbours apart: never as an offset from another."""
    from matplotlib.ticker import FuncFormatter

    side.set_major_formatter(FuncFormatter(lambda value, _: _as_written(value, side.get_majorticklocs())))
    side.isDefault_majfmt = True  # names and dates that are drawn along it still bring their own


def _as_written(value: float, marks: NDArray[Any]) -> str:
    """`value`, one of the `marks` along an axis, with the fewest decimals that show all of them as they are."""
    steps = np.diff(np.unique(marks))
    close = 1e-3 * (steps.min() if len(steps) else abs(value) or 1.0)
    largest = np.abs(marks).max()
    ratio = largest / np.abs(marks)[np.abs(marks) > close].min(initial=largest)
    if ratio > SEVERAL_DECADES or not (largest == 0 or SMALLEST_WRITTEN <= largest < LARGEST_WRITTEN):
        return f"{value:.6g}".replace("-", "−")
    decimals = next(
        (n for n in range(MOST_DECIMALS) if np.all(np.abs(np.round(marks, n) - marks) < close)), MOST_DECIMALS
    )
    return f"{value:,.{decimals}f}".replace("-", "−")


def _counts(values: ArrayLike) -> bool:
    return np.asarray(values).dtype.kind in "iu"


def _line_style(position: int, line: Curve) -> dict[str, Any]:
    """How the line at `position` is drawn: dashed unlike the one below it, which shows through where they agree.

    Few points are shown as points, so that what was measured stands out from what joins it.
    """
    style: dict[str, Any] = {"linewidth": 1.6, "linestyle": LINE_STYLES[position % len(LINE_STYLES)]}
    if len(np.asarray(line.x)) <= FEW_POINTS:
        style |= {"marker": "o", "markersize": max(3.0, LARGEST_DOT - 1.2 * position)}
    return style


def _in_cell(caption: str) -> str:
    """A caption as wide as its picture in a gallery: on one line, or on two, broken at an arrow if there is one."""
    room = 72 * CELL - 6
    words = " ".join(str(caption).split())
    if text_width(words, CAPTION_SIZE) <= room:
        return plain(words)
    first, arrow, second = words.partition(" → ")
    lines = [f"{first}{arrow.rstrip()}", second] if arrow else _in_two(words, room, CAPTION_SIZE)
    return "\n".join(plain(shortened(line, room, CAPTION_SIZE)) for line in lines)


def _in_two(words: str, room: float, size: float, bold: bool = False) -> list[str]:
    """The words that have `room`, in points, on a first line, and the others if there are any."""
    parts = words.split(" ")
    starts = (n for n in range(len(parts), 0, -1) if text_width(" ".join(parts[:n]), size, bold) <= room)
    fitting = next(starts, len(parts))
    return [" ".join(line) for line in (parts[:fitting], parts[fitting:]) if line]


def mark_references(figure: "Figure", chart: "Axes", levels: Mapping[str, float], upright: bool) -> None:
    """Dashed lines over a chart that is drawn otherwise, their names outside of it where nothing else is."""
    notes = []
    for name, level in levels.items():
        note: dict[str, Any] = {
            "text": plain(shortened(name, LONGEST_REFERENCE, REFERENCE_SIZE)),
            "fontsize": REFERENCE_SIZE,
            "color": INK,
            "textcoords": "offset points",
            "arrowprops": {"arrowstyle": "-", "color": FAINT, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 0}
            | {"relpos": (0.5, 0) if upright else (0, 0.5)},
        }
        if upright:
            chart.axvline(level, **REFERENCE_STYLE)
            above: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (0, REFERENCE_GAP)}
            notes.append(chart.annotate(xy=(level, 1), ha="center", va="bottom", **above, **note))
        else:
            chart.axhline(level, **REFERENCE_STYLE)
            beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (REFERENCE_GAP, 0)}
            notes.append(chart.annotate(xy=(1, level), ha="left", va="center", **beside, **note))
    _move_apart(figure, chart, notes, upright)


def _move_apart(figure: "Figure", chart: "Axes", notes: "Sequence[Annotation]", along_x: bool) -> None:
    """Shift the names of reference lines along their axis until none lies on another or leaves the figure."""
    from matplotlib.text import Text

    if not notes:
        return
    with _without_glyph_warnings():
        figure.draw_without_rendering()
        boxes = [Text.get_window_extent(note) for note in notes]  # the words alone, without what leads to the line
    inside = chart.get_window_extent()
    if along_x:
        ends, bounds = [(box.x0, box.x1) for box in boxes], (inside.x0, figure.bbox.x1)
    else:
        ends, bounds = [(box.y0, box.y1) for box in boxes], (inside.y0, inside.y1)
    gap = REFERENCE_SIZE * (1.0 if along_x else 0.2) * figure.dpi / 72
    centres = [(low + high) / 2 for low, high in ends]
    moved = spread(centres, [high - low + gap for low, high in ends], *bounds)
    for note, was, now in zip(notes, centres, moved, strict=True):
        shift = (now - was) * 72 / figure.dpi
        x, y = note.get_position()
        note.set_position((x + shift, y) if along_x else (x, y + shift))


def spread(centres: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """`centres` of labels of these `sizes`, moved so that in their order none lies on another, from `low` to `high`."""
    order = sorted(range(len(centres)), key=centres.__getitem__)
    moved, end = list(centres), low
    for i in order:
        moved[i] = max(moved[i], end + sizes[i] / 2)
        end = moved[i] + sizes[i] / 2
    end = high
    for i in reversed(order):
        moved[i] = min(moved[i], end - sizes[i] / 2)
        end = moved[i] - sizes[i] / 2
    return moved


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    """A user's label may hold letters that the font lacks: drawn as boxes, and no concern of the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _tick_labels(chart: "Axes", labels: Sequence[str], axis: str) -> None:
    """Every label where there is room, else every n-th; long ones are shortened and, along x, turned."""
    step = math.ceil(max(len(labels), 1) / LABELLED_CELLS)
    shown = [plain(label) for label in labels][::step]
    shown = [label if len(label) <= LABEL_LENGTH else f"{label[: LABEL_LENGTH - 1]}…" for label in shown]
    places = range(0, len(labels), step)
    if axis == "y":
        chart.set_yticks(places, shown)
        return
    crowded = sum(len(label) for label in shown) > 60
    chart.set_xticks(places, shown, rotation=45 if crowded else 0, ha="right" if crowded else "center")


def _legend(figure: "Figure", chart: "Axes", beside: bool) -> None:
    style: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": INK}
    if beside:
        figure.legend(*chart.get_legend_handles_labels(), loc="outside right upper", **style)
    else:
        chart.legend(**style)
