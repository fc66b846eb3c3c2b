"""The findings of a run in the terminal: a table of all, and what does not hold told whole below it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from recipe.evidence import Finding, Verdict
from recipe.report.numbers import expectation, number

STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim", "knowledge": "cyan"}
STYLES |= {"holds": "green", "refuted": "cyan", "open": "cyan"}
WIDE = 100  # columns from which a table has room for summaries
EXPECTED_WIDTH = 26


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


def _cells(finding: Finding) -> tuple[Text, ...]:
    return (
        Text(f"  {finding.practice.partition('/')[2]}"),
        Text(finding.word, style=STYLES[finding.word]),
        Text("" if finding.measured is None else number(finding.measured)),
        Text(expectation(finding)),
        Text(finding.summary, style="dim" if finding.word == "skip" else "", no_wrap=True, overflow="ellipsis"),
    )
