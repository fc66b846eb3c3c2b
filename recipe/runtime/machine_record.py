"""What the machine did while a stage measured: seconds, commit, GPUs, load. Kept where nothing is hashed.

Equal inputs give equal outputs to the byte, so two people's dvc.lock agree. What is of one machine and moment therefore
lies in `.recipe/`, named by what was measured: outputs that DVC brings back find the record of when they were made
here, and outputs that were made elsewhere have none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recipe.runtime.workspace import private_folder, write_json

RECORDS = "machine"  # in .recipe/


@dataclass(frozen=True)
class MachineRecord:
    """One carrying out of a stage.

    `ended` is in seconds since 1970; `practices` are the seconds of each, `timed` what each says of speed, `raised`
    those that could not be measured. `settings` names those that it was asked with, `commit` is the git commit, where
    there was one, `gpus` are the names of the machine's, `load` is what `recipe.runtime.machine` sampled.
    """

    seconds: float = 0.0
    ended: float | None = None
    settings: str | None = None
    commit: str | None = None
    gpus: Sequence[str] = field(default_factory=list)
    practices: Mapping[str, float] = field(default_factory=dict)
    timed: Mapping[str, str] = field(default_factory=dict)
    raised: Sequence[str] = field(default_factory=list)
    load: Mapping[str, Any] = field(default_factory=dict)


def keep_record(workspace: Path, measured: Path, record: MachineRecord) -> None:
    """Write `record` of what `measured`, a file, holds."""
    write_json(_place(private_folder(workspace), measured), asdict(record))


def read_record(workspace: Path, measured: Path) -> MachineRecord:
    """The record of what `measured` holds; an empty one where it was made on another machine."""
    try:
        content = json.loads(_place(workspace / ".recipe", measured).read_text(encoding="utf-8"))
        return MachineRecord(**content)
    except (OSError, ValueError, KeyError, TypeError):
        return MachineRecord()


def _place(private: Path, measured: Path) -> Path:
    return private / RECORDS / f"{hashlib.sha256(measured.read_bytes()).hexdigest()[:16]}.json"
