"""The file of annotations: CSV with a line for each label that a person gave, only ever added to.

The last line of an example, a person and a pass is what counts; one without a label takes it back.
"""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipe.errors import DataError, WorkspaceError
from recipe.report.spreadsheet import cell, text_of
from recipe.runtime.text_files import text_in

COLUMNS = ("id", "who", "label", "seconds", "at", "pass")
HEADER = ",".join(COLUMNS)


@dataclass(frozen=True)
class Answer:
    """A label that a person gave: of which example, after how many seconds, when (UTC), and in which pass, its `turn`.

    An empty label takes an earlier one back.
    """

    id: str
    who: str
    label: str
    seconds: float
    at: str
    turn: int = 1


def read_answers(path: Path, name: str) -> list[Answer]:
    """What counts in the file at `path`, in the order in which it was first given; nothing where there is no file.

    A line that a crash has cut off counts as none.

    Args:
        name: what the file is called in a sentence.

    Raises:
        DataError: it is no such file.
    """
    if not path.exists():
        return []
    lines = text_in(path, name).split("\n")
    if lines[0].strip() not in ("", HEADER):
        raise DataError(f"Line 1 of {name} is not {HEADER}: it is no file of annotations, or was changed by hand.")
    counting = {(one.id, one.who, one.turn): one for one in _whole(lines[1:])}
    return [one for one in counting.values() if one.label]


def add_answer(path: Path, answer: Answer) -> None:
    """Add `answer` to the file at `path`; it is on the disk when this returns.

    Raises:
        WorkspaceError: it cannot be written.
    """
    line = io.StringIO()
    row = (answer.id, cell(answer.who), cell(answer.label), f"{answer.seconds:.1f}", answer.at, answer.turn)
    csv.writer(line, lineterminator="\n").writerow(row)
    text = line.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            if not file.tell():
                text = f"{HEADER}\n{text}"
            else:
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else f"\n{text}"  # a line that was cut off ends here
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WorkspaceError(f"Cannot write {path}: {error.strerror}. Free the disk or give permission.") from error


def _whole(lines: list[str]) -> Iterator[Answer]:
    """Each line on its own, so that a quotation mark that is not closed takes no other line with it."""
    for line in lines:
        row = next(csv.reader([line]), [])
        if len(row) == len(COLUMNS) and row[-1].strip().isdecimal():
            id, who, label, seconds, at, turn = row
            yield Answer(id, text_of(who), text_of(label), _number(seconds), at, int(turn))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
