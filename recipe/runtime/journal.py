"""Journals: a JSON object a line, appended whole; a line that a crash has cut off counts as none."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recipe.errors import WorkspaceError


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Add `entry` to the journal at `path` as a line of its own, on the disk when this returns.

    Raises:
        WorkspaceError: it cannot be written.
    """
    line = f"{json.dumps(entry)}\n".encode()
    try:
        path.parent.mkdir(exist_ok=True)
        with open(path, "ab+") as journal:
            if journal.tell():
                journal.seek(-1, os.SEEK_END)
                line = line if journal.read(1) == b"\n" else b"\n" + line  # the cut-off line ends here
            journal.write(line)
            journal.flush()
            os.fsync(journal.fileno())
    except OSError as error:
        raise WorkspaceError(f"Cannot write {path}: {error.strerror}. Free the disk or give permission.") from error


def entries(path: Path) -> list[dict[str, Any]]:
    """What the journal at `path` holds, oldest first; nothing where there is none."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            found.append(content)
    return found


def now() -> str:
    """The time as journals have it: to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
