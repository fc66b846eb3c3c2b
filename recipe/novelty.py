"""Whether anything is new since the last retraining: the data, the settings or the code."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from recipe.checking import stamps
from recipe.settings import Settings
from recipe.tracking import identity
from recipe.workspace import fingerprint, private_folder, write_json

RECORD = "retrained.json"


def state_of(workspace: Path, settings: Settings) -> str:
    """Names what a retraining would start from; equal where DVC would find nothing to do, but for a changed time."""
    code = {str(path.relative_to(workspace)): _digest(path) for path in _code(workspace, settings)}
    return fingerprint([identity(settings), code, list(stamps(workspace / settings.data.path))])


def is_new(workspace: Path, state: str) -> bool:
    """Whether the last retraining that came to an end started from something else."""
    path = private_folder(workspace) / RECORD
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["state"] != state)
    except (OSError, ValueError, KeyError, TypeError):
        return True


def remember(workspace: Path, state: str, outcome: str) -> None:
    """A retraining that started from `state` has come to an end."""
    write_json(private_folder(workspace) / RECORD, {"state": state, "outcome": outcome})


def _code(workspace: Path, settings: Settings) -> Iterator[Path]:
    """Every file of code that a stage names, and the user's own behind the targets."""
    stages = yaml.safe_load((workspace / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    named = {dep for stage in stages.values() for dep in stage.get("deps", []) if dep.startswith(("recipe/", "tasks/"))}
    own = set(settings.sources.model_dump().values())
    for name in sorted(named | own):
        path = workspace / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
