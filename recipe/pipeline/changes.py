"""Whether anything is new since the last retraining: the data, the settings or the code."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from recipe.errors import DataError
from recipe.pipeline.check import stamps
from recipe.runtime.workspace import fingerprint, private_folder, write_json
from recipe.settings import Settings
from recipe.settings.identity import identity

RECORD = "retrained.json"


def state_of(workspace: Path, settings: Settings) -> str:
    """Names what a retraining would start from; equal where DVC would find nothing to do, but for a changed time.

    Raises:
        DataError: the data are not there.
    """
    decisions = _files(workspace / settings.data.decisions, "*")
    files = [*_code(workspace, settings), *_expectations(workspace, settings), *decisions]
    content = {str(path): _digest(path) for path in files}
    limits = settings.thresholds.model_dump(mode="json")  # of no run's identity, and yet they open a closed gate
    return fingerprint([identity(settings), limits, content, _data(workspace / settings.data.path)])


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
        yield from _files(workspace / name, "*.py")


def _expectations(workspace: Path, settings: Settings) -> Iterator[Path]:
    """The user's own suites, and the modules of the workspace that their expectations are defined in."""
    own = settings.stages.data.expectations
    yield from _files(workspace / own.suites, "*.json")
    for name in own.modules:
        module = workspace.joinpath(*name.split("."))
        yield from (*_files(module, "*.py"), *_files(module.with_suffix(".py"), "*.py"))


def _files(path: Path, pattern: str) -> list[Path]:
    """`path` itself where it is a file, what is below it where it is a folder; nothing where there is neither."""
    return sorted(path.rglob(pattern)) if path.is_dir() else [path] if path.is_file() else []


def _data(path: Path) -> list[tuple[str, int, int, int]]:
    try:
        return list(stamps(path))
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename} does not exist: restore it, such as with `dvc checkout`, or set data.path to where the "
            "data are."
        ) from error


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
