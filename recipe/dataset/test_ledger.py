"""The one door to the test split, and the ledger of who went through it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

LEDGER = Path(".recipe") / "test_ledger.jsonl"


@dataclass(frozen=True)
class Reading:
    """One reading of the test labels: when, by what, of which state of the data, the figure, and of which data set."""

    when: str
    reader: str
    data: str
    examples: int
    figure: float
    name: str = ""


def record_reading(workspace: Path, reader: str, data: str, examples: int, figure: float, name: str = "") -> None:
    """Append one reading to the workspace's ledger; whole lines only, so that a crash leaves no half one."""
    reading = Reading(datetime.now(UTC).isoformat(timespec="seconds"), reader, data, examples, figure, name)
    path = workspace / LEDGER
    path.parent.mkdir(exist_ok=True)
    with open(path, "ab") as ledger:
        ledger.write(f"{json.dumps(asdict(reading))}\n".encode())
        ledger.flush()
        os.fsync(ledger.fileno())


def readings(workspace: Path, data: str) -> list[Reading]:
    """The readings of `data`, a data set by name or one state of it, so far, oldest first; a torn line counts as none.

    A data set that grows keeps its test examples, so that what was read of an earlier state counts on.
    """
    path = workspace / LEDGER
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Reading(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return [reading for reading in found if data in (reading.data, reading.name)]
