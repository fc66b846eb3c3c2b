"""The ledger of the test labels: who read them, when, and the metric that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from recipe.runtime import journal

LEDGER = Path(".recipe") / "test_ledger.jsonl"


@dataclass(frozen=True)
class Reading:
    """One reading of the test labels: when, by what, of which state of the data, the metric, and of which data set.

    `model` names the model that was held to them; empty where that is not known.
    """

    when: str
    reader: str
    data: str
    examples: int
    figure: float
    name: str = ""
    model: str = ""


def record_reading(
    workspace: Path, reader: str, data: str, examples: int, figure: float, name: str = "", model: str = ""
) -> None:
    """Append one reading to the workspace's ledger.

    Raises:
        WorkspaceError: it cannot be written.
    """
    journal.append(workspace / LEDGER, asdict(Reading(journal.now(), reader, data, examples, figure, name, model)))


def readings(workspace: Path, data: str) -> list[Reading]:
    """The readings of `data`, a data set by name or one state of it, so far, oldest first; a torn line counts as none.

    A data set that grows keeps its test examples, so that what was read of an earlier state counts on; split by time it
    keeps those that are still among the latest.
    """
    found = []
    for entry in journal.entries(workspace / LEDGER):
        with suppress(TypeError):
            found.append(Reading(**entry))
    return [reading for reading in found if data in (reading.data, reading.name)]


def times_read(found: Sequence[Reading]) -> int:
    """How often the labels told something new: the same model's answers on the same data, read again, do not.

    So whoever makes a run again, of which all else is equal, finds the same number.
    """
    known = {(one.reader, one.data, one.model) for one in found if one.model}
    return len(known) + sum(not one.model for one in found)
