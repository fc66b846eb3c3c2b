"""The file of decisions: CSV with the columns id, action, value and why, a decision a line; read and added to."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from recipe.dataset.decided import ACTIONS, GROUP, RELABEL, Decision, Decisions, contradict
from recipe.errors import DataError
from recipe.report.spreadsheet import cell, text_of
from recipe.runtime.text_files import text_in
from recipe.settings import nearest

COLUMNS = ("id", "action", "value", "why")
WITH_A_VALUE = (RELABEL, GROUP)
DELIMITERS = ",;\t"  # a spreadsheet of a country with decimal commas writes the second
SHOWN = 40  # characters of a cell in a sentence


@dataclass(frozen=True)
class Layout:
    """How a file is written: its columns in their order, and what stands between cells."""

    columns: tuple[str, ...] = COLUMNS
    delimiter: str = ","


def read_decisions(path: Path, name: str) -> Decisions:
    """The decisions in the file at `path`, each once; none where there is no file.

    Args:
        name: what the file is called in a sentence.

    Raises:
        DataError: it is no such file, or two of its lines contradict each other; with the line.
    """
    if not path.exists():
        return Decisions(name)
    text = text_in(path, name)
    lines = [_decision(row, line, name) for line, row in _rows(text, _layout(text, name), name)]
    return Decisions(name, tuple(_each_once(lines, name)))


def with_added(path: Path, name: str, decisions: Sequence[Decision]) -> str:
    """The whole content of the file with `decisions` behind what it holds, which stays to the last character.

    Raises:
        DataError: it is no such file.
    """
    text = text_in(path, name) if path.exists() else ""
    layout = _layout(text, name) if text.strip() else Layout()
    added = io.StringIO()
    writer = csv.DictWriter(added, layout.columns, delimiter=layout.delimiter, lineterminator="\n", restval="")
    if not text.strip():
        text = ""
        writer.writeheader()
    for one in decisions:
        writer.writerow({column: cell(str(getattr(one, column))) for column in COLUMNS})
    return text + ("\n" if text and not text.endswith("\n") else "") + added.getvalue()


def _layout(text: str, name: str) -> Layout:
    first = text.partition("\n")[0].rstrip("\r")
    delimiter = max(DELIMITERS, key=first.count)
    columns = tuple(column.strip() for column in next(csv.reader([first], delimiter=delimiter), []))
    for column in COLUMNS:
        if columns.count(column) != 1:
            has = "has no column" if column not in columns else "has more than one column"
            raise DataError(f"Line 1 of {name} {has} '{column}': begin it with {','.join(COLUMNS)}.")
    return Layout(columns, delimiter)


def _rows(text: str, layout: Layout, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each row below the header, by column, with the line that it begins in; empty ones are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True)
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"Line {line} of {name} is not CSV ({error}): mend it.") from error
        if row is None:
            return
        if line > 1 and any(one.strip() for one in row):
            if len(row) != len(layout.columns):
                raise DataError(
                    f"Line {line} of {name} has {len(row)} cells where {len(layout.columns)} are due: put a text with "
                    f"'{layout.delimiter}' in it between double quotes."
                )
            yield line, dict(zip(layout.columns, row, strict=True))
        line = reader.line_num + 1


def _decision(row: Mapping[str, str], line: int, name: str) -> Decision:
    cells = {column: normalize("NFC", text_of(row[column]).strip()) for column in COLUMNS}
    action, where = cells["action"], f"Line {line} of {name}"
    if not cells["id"]:
        raise DataError(f"{where} has no id: name the example by its id.")
    if action not in ACTIONS:
        raise DataError(
            f"{where} has the action '{action[:SHOWN]}'{nearest(action, list(ACTIONS))}: it is one of "
            f"{', '.join(ACTIONS)}."
        )
    if (action in WITH_A_VALUE) != bool(cells["value"]):
        has = "a label" if action == RELABEL else "the name of a group" if action == GROUP else "no value"
        raise DataError(f"{where} has the value '{cells['value'][:SHOWN]}': the action {action} takes {has}.")
    return Decision(cells["id"], action, cells["value"], cells["why"], line)


def _each_once(lines: Sequence[Decision], name: str) -> Iterator[Decision]:
    """The decisions without repeated ones.

    Raises:
        DataError: two contradict each other.
    """
    known: dict[str, list[Decision]] = {}
    for one in lines:
        before = known.setdefault(one.id, [])
        for other in before:
            if contradict(other, one):
                raise DataError(
                    f"Line {one.line} of {name} says {in_words(one)} of the example {one.id[:SHOWN]}, and line "
                    f"{other.line} says {in_words(other)}: delete one of the two."
                )
        if not any((other.action, other.value) == (one.action, one.value) for other in before):
            before.append(one)
            yield one


def in_words(decision: Decision) -> str:
    """What was decided, without on what: `relabel 7`."""
    return f"{decision.action} {decision.value[:SHOWN]}".strip()
