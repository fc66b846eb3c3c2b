"""Which of several batches in a folder is next."""

import json
from datetime import datetime
from pathlib import Path

from recipe.dataset.kind import kind_of
from recipe.dataset.stored import load_dataset
from recipe.monitoring.history import read_entries
from recipe.runtime.workspace import private_folder, write_json
from recipe.settings import load_settings

FAILURES = "monitor_failures.json"  # in .recipe/: when each batch was last begun that could not be monitored


def newest_batch(workspace: Path, path: Path) -> Path | None:
    """`path` itself where it is one batch; of a folder of batches the newest not monitored since it last changed.

    None where each has been. A folder of batches holds tables, or for images a folder each. One that could not be
    monitored comes after all others until it changes: the reason may be outside of it, so it is not given up.

    Raises:
        DataError, SettingsError: there are no prepared data, or params.yaml does not fit.
    """
    if not path.is_dir():
        return path
    dataset = load_dataset(workspace, load_settings(workspace))
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    found = kind_of(dataset.preparation).batches_in(entries, dataset.preparation)
    if found is None:
        return path
    seen = {(workspace / entry.batch).resolve(): entry.when for entry in read_entries(workspace)}
    changed = {batch: _last_change(batch) for batch in found}
    pending = [batch for batch in found if changed[batch] > _timestamp(seen.get(batch.resolve()))]
    failed = {Path(name): began for name, began in _failures(workspace).items()}
    tried = {batch: began for batch in pending if (began := failed.get(batch.resolve(), 0.0)) > changed[batch]}
    return min(pending, key=lambda batch: (tried.get(batch, 0.0), -changed[batch]), default=None)


def note_failure(workspace: Path, batch: Path, began: float) -> None:
    """Remember that `batch` could not be monitored, as it was at the time `began`.

    Raises:
        WorkspaceError: the workspace cannot be written.
    """
    write_json(private_folder(workspace) / FAILURES, {**_failures(workspace), str(batch.resolve()): began})


def _failures(workspace: Path) -> dict[str, float]:
    path = private_folder(workspace) / FAILURES
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _last_change(batch: Path) -> float:
    return max(file.lstat().st_mtime for file in (batch, *batch.rglob("*")))


def _timestamp(when: str | None) -> float:
    return datetime.fromisoformat(when).timestamp() if when else 0.0
