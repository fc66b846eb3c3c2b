"""What `recipe why` found, as a table in the terminal, a page, a picture and a CSV file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from recipe.report.numbers import number
from recipe.report.spreadsheet import table_csv
from recipe.runtime.workspace import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from recipe.attribution.attribute import Attribution, Step

PAGE, TABLE, PICTURE = "index.html", "why.csv", "waterfall.png"
COLUMNS = ("factor", "from", "to", "figure", "change", "low", "high", "share", "beyond_seed")
CELL = 28  # columns of the terminal that a cell may take
DECIMALS = 4
ROUNDING = 1e-9
HALF = 0.28  # of a bar's height, where rows are 1 apart


def write_why(folder: Path, why: Attribution) -> Path:
    """Write the page, the picture and the CSV file of `why` into `folder`; gives the page.

    Raises:
        WorkspaceError: the folder cannot be written.
    """
    from recipe.drawing import to_png

    picture = to_png(waterfall(why))
    write_whole(folder / PICTURE, picture)
    write_whole(folder / TABLE, _csv(why))
    write_whole(folder / PAGE, _page(why, picture))
    return folder / PAGE


def headline(why: Attribution) -> str:
    """The whole change in a sentence, and the largest of what it is made of; all of those that are equally large."""
    most = max(round(abs(step.change), DECIMALS) for step in why.steps)
    largest = [step for step in why.steps if round(abs(step.change), DECIMALS) == most]
    whole = (
        f"{why.metric} is {number(why.whole.value)} in {why.b} and {number(why.value)} in {why.a}, on {why.examples} "
        f"validation examples that neither was trained on: a change of {signed(why.whole.change)} "
        f"[{signed(why.whole.low)}, {signed(why.whole.high)}]"
    )
    if len(why.steps) == 1:
        return f"{whole}, and {why.steps[0].factor} is all that differs."
    if not most:
        return f"{whole}. Nothing that was swapped changes it."
    told = ", ".join(f"{step.factor}: {signed(step.change)}" for step in largest)
    return f"{whole}. The largest part{' is' if len(largest) == 1 else 's are'} {told}."


def remarks(why: Attribution) -> list[str]:
    """What a person should know to read the steps, a sentence each."""
    if why.seed_change is None:
        return [*why.notes, "How much another seed changes is not known: --seeds 2 makes two more runs to see it."]
    told = f"{why.seeds} runs that differ by the seed alone are up to {number(why.seed_change)} apart"
    within = [step.factor for step in why.steps if step.beyond_seed is False]
    if within:
        return [*why.notes, f"{told}: what {_listed(within)} changed is no more than that."]
    return [*why.notes, f"{told}."]


def signed(value: float) -> str:
    """A change as a person reads it, with its sign; nought has none."""
    text = number(round(value, DECIMALS) + 0.0)
    return text if text.startswith("−") or not round(value, DECIMALS) else f"+{text}"


def why_table(why: Attribution) -> Table:
    """The steps, and the whole below them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for name in ("factor", "from", "to"):
        table.add_column(name, max_width=CELL, overflow="fold")
    for name in ("change", "low", "high", "share", "seed"):
        table.add_column(name, justify="right", no_wrap=True)
    for step in (*why.steps, why.whole):
        words = [Text(word) for word in (step.factor, step.before, step.after)]
        table.add_row(*words, *_numbers(step), style="bold" if step is why.whole else "")
    return table


def waterfall(why: Attribution) -> Figure:
    """The metric of the one run, what each step adds to it or takes away, with its interval, and that of the other."""
    from recipe.drawing import FAINT, INK, PALETTE, label, new_figure, plain

    names = [why.a, *(step.factor for step in why.steps), why.b]
    figure, chart = new_figure(width=7.0, height=1.3 + 0.42 * len(names))
    note: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "color": INK}
    levels = [why.value, *(step.value for step in why.steps)]
    for place, level in enumerate(levels):
        chart.plot([level, level], [place + HALF, place + 1 - HALF], color=FAINT, linewidth=0.8)
    for place, (step, level) in enumerate(zip(why.steps, levels, strict=False), start=1):
        ends = [level + step.low, level + step.high]
        worse = step.change > 0 if why.lower_is_better else step.change < 0
        colour = PALETTE[1] if worse else PALETTE[2]
        chart.barh(place, step.change, left=level, height=2 * HALF, color=colour, alpha=0.75)
        chart.plot(ends, [place, place], color=INK, linewidth=1.1, marker="|", markersize=6)
        chart.annotate(signed(step.change), (max(*ends, level, step.value), place), (6, 0), **note)
    for place, level in ((0, levels[0]), (len(names) - 1, levels[-1])):
        chart.plot([level], [place], marker="o", markersize=6.5, color=PALETTE[0])
        chart.annotate(number(level), (level, place), (8, 0), **note)
    chart.set_yticks(range(len(names)), [plain(name) for name in names])
    chart.set_ylim(len(names) - 0.5, -0.5)
    chart.use_sticky_edges = False  # a bar may touch the frame, its number may not
    chart.margins(x=0.12)
    chart.grid(visible=False, axis="y")
    if why.metric == "accuracy":  # room to the right of 1 is for the numbers
        low, high = chart.get_xlim()
        chart.set_xticks([tick for tick in chart.get_xticks() if low <= tick <= min(high, 1.0 + ROUNDING)])
    label(chart, f"{why.metric} on {why.examples} validation examples", title=f"From {why.a} to {why.b}")
    return figure


def _numbers(step: Step) -> list[str]:
    beyond = {None: "", True: "beyond", False: "within"}[step.beyond_seed]
    share = "" if step.share is None else f"{step.share:.0%}".replace("-", "−")
    return [signed(step.change), signed(step.low), signed(step.high), share, beyond]


def _csv(why: Attribution) -> str:
    """A row a step, then the whole; an empty cell where nothing can be said."""
    import pandas as pd

    table = pd.DataFrame([astuple(step) for step in (*why.steps, why.whole)], columns=list(COLUMNS))
    return table_csv(table.assign(beyond_seed=table["beyond_seed"].map({True: "true", False: "false"})))


def _page(why: Attribution, picture: bytes) -> str:
    environment = Environment(
        loader=PackageLoader("recipe.attribution", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("why.html.j2").render(
        why=why,
        headline=headline(why),
        remarks=remarks(why),
        rows=[(step, _numbers(step)) for step in (*why.steps, why.whole)],
        picture=base64.b64encode(picture).decode("ascii"),
        table=TABLE,
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
