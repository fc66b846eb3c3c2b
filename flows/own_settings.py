"""The settings of a run that a deployment started: its own, so that params.yaml is as before when it has ended."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.runtime import deployment

from recipe.runtime.workspace import fingerprint, private_folder, write_json, write_whole
from recipe.settings import PARAMS

KEPT = "params_of_others.json"  # in .recipe/, for as long as a run has settings of its own


@contextmanager
def own_settings(workspace: Path, change: Callable[[], object]) -> Iterator[None]:
    """Within, params.yaml is as `change` writes it; a run that somebody started by hand leaves it so.

    What a killed run left is put right by the next one.
    """
    put_back(workspace)
    path = workspace / PARAMS
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    change()
    if deployment.id is None or before is None:
        yield
        return
    write_json(private_folder(workspace) / KEPT, {"before": before, "meanwhile": _named(path)})
    try:
        yield
    finally:
        put_back(workspace)


def put_back(workspace: Path) -> None:
    """Give params.yaml the settings that a deployment's run found, unless others have come since."""
    kept = private_folder(workspace) / KEPT
    try:
        content = json.loads(kept.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return
    path = workspace / PARAMS
    if path.is_file() and _named(path) == content["meanwhile"]:
        write_whole(path, content["before"])
    kept.unlink(missing_ok=True)


def _named(path: Path) -> str:
    return fingerprint(path.read_text(encoding="utf-8"))
