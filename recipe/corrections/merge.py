"""Decisions that come from elsewhere, as from the page of the data, merged into those of the data set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recipe.corrections.file import in_words, read_decisions, with_added
from recipe.dataset.decided import RELABEL, Decision, Decisions, contradict, label_fault
from recipe.dataset.manifest import DECIDED
from recipe.dataset.stored import MANIFEST, PREPARATION, PREPARED, QUARANTINE
from recipe.errors import DataError, WorkspaceError
from recipe.runtime.workspace import RUN_LOCK, locked, write_whole
from recipe.settings import Settings


@dataclass(frozen=True)
class Conflict:
    """An example on which it is decided otherwise already: where it is, what stands, and what is new."""

    id: str
    path: str
    stands: str
    new: str


@dataclass(frozen=True)
class Merged:
    """How many decisions were added to `file`, how many stood there already, and what contradicts what stands: then
    nothing is added.
    """

    file: str
    added: int
    known: int
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True)
class _Known:
    """The examples of the prepared data set that one may decide on: path by id, and what their labels may be."""

    paths: Mapping[str, str]
    preparation: Mapping[str, Any]


def merge(workspace: Path, settings: Settings, path: Path) -> Merged:
    """Add the decisions in the file at `path` to those of the data set, all of them or, where one conflicts, none.

    Raises:
        DataError: the file is no list of decisions, or names an example or a label that the data set does not have.
        WorkspaceError: no data set is prepared, or a run is working in the workspace.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}: name one of decisions.")
    name = settings.data.decisions
    with locked(workspace, name=RUN_LOCK), locked(workspace):
        new, stand = read_decisions(path, str(path)), read_decisions(workspace / name, name)
        known = _known(workspace)
        _require_known(new, known, settings)
        standing: dict[str, list[Decision]] = {}
        for one in stand.lines:
            standing.setdefault(one.id, []).append(one)
        conflicts = tuple(
            Conflict(one.id, known.paths[one.id], in_words(other), in_words(one))
            for one in new.lines
            for other in standing.get(one.id, ())
            if contradict(other, one)
        )
        held = {(one.id, one.action, one.value) for one in stand.lines}
        added = [one for one in new.lines if (one.id, one.action, one.value) not in held]
        if conflicts:
            return Merged(name, 0, len(new.lines) - len(added), conflicts)
        if added:
            write_whole(workspace / name, with_added(workspace / name, name, added))
    return Merged(name, len(added), len(new.lines) - len(added))


def _known(workspace: Path) -> _Known:
    """What is prepared, with what an earlier decision left out of it."""
    folder = workspace / PREPARED
    try:
        manifest = pd.read_parquet(folder / MANIFEST, columns=["id", "path"])
        quarantine = pd.read_parquet(folder / QUARANTINE, columns=["id", "path", "kind"])
        preparation = json.loads((folder / PREPARATION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            "No data set is prepared here to decide on: `recipe run --until ingest` first, with its settings."
        ) from error
    dropped = quarantine[quarantine["kind"] == DECIDED]
    both = pd.concat([manifest, dropped[["id", "path"]]], ignore_index=True)
    return _Known(dict(zip(both["id"], both["path"], strict=True)), preparation)


def _require_known(new: Decisions, known: _Known, settings: Settings) -> None:
    strange = [one for one in new.lines if one.id not in known.paths]
    if strange:
        raise DataError(
            f"{len(strange)} of {len(new.lines)} decisions in {new.file} are about no example of {settings.data.name}, "
            f"the first in line {strange[0].line}, {strange[0].id[:80]}: correct its id or delete the line."
        )
    target = known.preparation["target"] or {}
    for one in new.lines:
        if one.action != RELABEL:
            continue
        labels = known.preparation["classes"] or ()
        fault = label_fault(one.value, known.preparation["task"], labels, target.get("scale"))
        if fault:
            raise DataError(f"Line {one.line} of {new.file} has the label '{one.value}', which is {fault}: mend it.")
