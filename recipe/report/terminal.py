"""The findings of a run in the terminal: a table of all, and what does not hold told whole below it."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich import box
from rich.console import JustifyMethod
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from recipe.evidence import Finding, Verdict
from recipe.report.numbers import cost_in_words, expectation, number

STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim", "knowledge": "cyan"}
STYLES |= {"holds": "green", "refuted": "cyan", "open": "cyan"}
WIDE = 100  # columns from which a table has room for summaries
EXPECTED_WIDTH = 26
BAR = 24  # columns of the largest part of an error, so that the numbers beside it fit a terminal of 80
NUMBERS = ("share", "by")
WRAPPED = {"costs": 15, "set": 16}  # in lines of so many columns at least, each at its spaces; all else is whole in one


def taken(run: Mapping[str, Any]) -> Iterator[Text]:
    """What was taken of the data, and what is to be known of it."""
    if run.get("taken"):
        yield Text(run["taken"])
    for note in run.get("notes", ()):
        yield Text.assemble(("note ", "yellow"), note)
    if run.get("taken"):
        yield Text()


def summary_table(findings: Sequence[Finding], width: int) -> Table:
    """Every practice with its verdict and numbers in a line, under its stage; and what was seen where there is room."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=False, show_edge=False)
    table.add_column("practice", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("expected", max_width=EXPECTED_WIDTH, no_wrap=True, overflow="ellipsis")
    if width >= WIDE:
        table.add_column("seen", ratio=1)
    for stage, members in groupby(findings, key=lambda finding: finding.practice.partition("/")[0]):
        table.add_row(Text(stage, style="bold"))
        for finding in members:
            table.add_row(*_cells(finding)[: len(table.columns)])
    return table


def told_whole(findings: Sequence[Finding], *verdicts: Verdict) -> Iterator[Text | Padding]:
    """What was seen, and what to do about it, of the findings with one of `verdicts`."""
    for finding in findings:
        if finding.verdict in verdicts:
            yield Text.assemble("\n", (finding.word, STYLES[finding.word]), f" {finding.practice}")
            yield Padding(Text(finding.summary), (0, 0, 0, 2))
            yield Padding(Text(finding.advice, style="italic"), (0, 0, 0, 2))


def budget_tables(finding: Finding, reports: Path) -> Iterator[Table | Text]:
    """What the error is made of, a bar each, then what would lower it; `reports` holds the finding's table."""
    assert finding.table is not None, "an error budget lists its parts"
    with (reports / finding.table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    longest = max((abs(float(row["error"])) for row in rows if row["kind"] == "part" and row["error"]), default=0.0)
    parts = _table("where the error comes from", "", "share", "95 % interval")
    for row in rows:
        if row["kind"] in ("part", "beside"):
            bar = _bar(float(row["error"] or 0), longest) if row["kind"] == "part" else Text("")
            parts.add_row(Text(row["name"]), bar, *_error_cells(row))
    steps = _table("what would lower it", "by", "95 % interval", "costs", "set")
    for row in rows:
        if row["kind"] == "step":
            steps.add_row(
                Text(row["name"]),
                *_error_cells(row),
                Text(cost_in_words(float(row["trainings"] or 0), int(row["examples"] or 0))),
                Text(row["setting"]),
            )
    yield parts
    yield steps
    yield Text(finding.summary)


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """`rows` of text as they are: no cell is markup, and none is cut off."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        justify: JustifyMethod = "right" if name in NUMBERS else "left"
        table.add_column(
            name, justify=justify, no_wrap=name not in WRAPPED, min_width=WRAPPED.get(name), overflow="fold"
        )
    return table


def _bar(value: float, longest: float) -> Text:
    length = round(BAR * abs(value) / longest) if longest else 0
    return Text("█" * length, style="cyan" if value >= 0 else "green")


def _error_cells(row: Mapping[str, str]) -> tuple[Text, Text]:
    if not row["error"]:
        return Text("not told", style="dim"), Text("")
    value, low, high = (100 * float(row[name]) for name in ("error", "low", "high"))
    return Text(f"{value:.2f} %"), Text(f"[{low:.2f}, {high:.2f}]")


def _cells(finding: Finding) -> tuple[Text, ...]:
    return (
        Text(f"  {finding.practice.partition('/')[2]}"),
        Text(finding.word, style=STYLES[finding.word]),
        Text("" if finding.measured is None else number(finding.measured)),
        Text(expectation(finding)),
        Text(finding.summary, style="dim" if finding.word == "skip" else "", no_wrap=True, overflow="ellipsis"),
    )
