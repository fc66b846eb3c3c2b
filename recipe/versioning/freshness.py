"""Whether a stage's results still belong to the present settings, data and code, by DVC's own account in dvc.lock."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yaml import YAMLError

from recipe.settings.yaml12 import read_yaml

# Code and settings files are far smaller; what is larger is data, whose change shows in the stage that reads it first.
LARGEST_HASHED_BYTES = 1_000_000

Entry = Mapping[str, Any]


Lock = Mapping[str, Entry]


def read_lock(workspace: Path) -> Lock:
    """What DVC has recorded of each stage: command, dependencies, settings, outputs; empty before the first run."""
    stages = _read_yaml(workspace / "dvc.lock").get("stages", {})
    return stages if isinstance(stages, dict) else {}


def is_current(workspace: Path, lock: Lock, stage: str, measured: bool) -> bool:
    """Whether DVC would leave `stage` as it is; `measured` says whether its results are on disk.

    A stage that dvc.lock does not know was run by hand: nothing speaks against its results.
    """
    entry = next((entry for entry in lock.values() if f"reports/{stage}" in _paths(entry)), None)
    if entry is None:
        return True
    outputs = {out["path"]: out.get("md5") for other in lock.values() for out in other.get("outs", [])}
    return (
        measured
        and all(_dependency_holds(workspace, dependency, outputs) for dependency in entry.get("deps", []))
        and all(_params_hold(workspace / name, recorded) for name, recorded in entry.get("params", {}).items())
    )


def _paths(entry: Entry) -> set[str]:
    """The outputs of a stage, and the folders that they lie in."""
    paths = {Path(out["path"]) for out in entry.get("outs", [])}
    return {path.as_posix() for path in paths} | {path.parent.as_posix() for path in paths}


def _dependency_holds(workspace: Path, dependency: Entry, outputs: Mapping[str, str | None]) -> bool:
    path, recorded = dependency["path"], dependency.get("md5")
    if path in outputs:
        return outputs[path] == recorded
    file = workspace / path
    if not file.is_file() or file.stat().st_size > LARGEST_HASHED_BYTES:
        return file.exists()
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() == recorded


def _params_hold(path: Path, recorded: Mapping[str, Any]) -> bool:
    present = _read_yaml(path)
    return all(_look_up(present, key) == value for key, value in recorded.items())


def _look_up(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError):
        return {}
    return content if isinstance(content, dict) else {}
