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
    """One reading of the test labels: when, by what, of which data, and the figure it gave."""

    when: str
    reader: str
    data: str
    examples: int
    figure: float


def record_reading(workspace: Path, reader: str, data: str, examples: int, figure: float) -> None:
    """Append one reading to the workspace's ledger; whole lines only, so that a crash leaves no half one."""
    reading = Reading(datetime.now(UTC).isoformat(timespec="seconds"), reader, data, examples, figure)
    path = workspace / LEDGER
    path.parent.mkdir(exist_ok=True)
    with open(path, "ab") as ledger:
        ledger.write(f"{json.dumps(asdict(reading))}\n".encode())
        ledger.flush()
        os.fsync(ledger.fileno())


def readings(workspace: Path, data: str) -> list[Reading]:
    """The readings of the data set `data` so far, oldest first; a torn last line counts as none."""
    path = workspace / LEDGER
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Reading(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return [reading for reading in found if reading.data == data]
