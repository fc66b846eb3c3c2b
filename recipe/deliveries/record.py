"""The record of deliveries: what became of each, a line in .recipe/deliveries.jsonl, written once it is done."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from recipe.runtime import journal
from recipe.runtime.workspace import private_folder, write_json

Kind = Literal["accepted", "partly accepted", "nothing new", "drifted", "rejected", "first version"]
TAKEN: tuple[Kind, ...] = ("accepted", "partly accepted")
REFUSED: tuple[Kind, ...] = ("rejected", "drifted")  # all of it is set aside
RECORD, TOLD = "deliveries.jsonl", "deliveries_told.json"


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery.

    Attributes:
        id: its own, by time and name. name: as it was delivered.
        new, known, aside: how many of its examples were taken, were in the data set already, were set aside.
        version: of the data set afterwards, as DVC knows it; `out` is DVC's whole entry, which can restore it.
        why: one sentence.
        report, quarantine: where to read on, relative to the workspace; empty where there is none.
    """

    id: str
    name: str
    kind: Kind
    new: int = 0
    known: int = 0
    aside: int = 0
    version: str | None = None
    why: str = ""
    report: str = ""
    quarantine: str = ""
    when: str = ""
    out: dict[str, Any] | None = None


def write_outcome(workspace: Path, outcome: Outcome) -> Outcome:
    """Append `outcome`, unless the record has its id; gives what the record then holds of it."""
    for written in outcomes(workspace):
        if written.id == outcome.id:
            return written
    stamped = replace(outcome, when=journal.now())
    journal.append(private_folder(workspace) / RECORD, asdict(stamped))
    return stamped


def untold(workspace: Path) -> list[Outcome]:
    """The deliveries that nobody was told of yet, the oldest first."""
    told = _told(workspace)
    return [outcome for outcome in outcomes(workspace) if outcome.id not in told and outcome.kind != "first version"]


def tell(workspace: Path, outcome: Outcome) -> None:
    """Remember that somebody was told of `outcome`."""
    write_json(private_folder(workspace) / TOLD, sorted({*_told(workspace), outcome.id}))


def _told(workspace: Path) -> set[str]:
    path = private_folder(workspace) / TOLD
    return set(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else set()


def outcomes(workspace: Path) -> list[Outcome]:
    """What became of each delivery so far, the oldest first; a torn line counts as none."""
    known = {field.name for field in fields(Outcome)}
    found = []
    for entry in journal.entries(private_folder(workspace) / RECORD):
        with suppress(TypeError):
            found.append(Outcome(**{name: value for name, value in entry.items() if name in known}))
    return found
