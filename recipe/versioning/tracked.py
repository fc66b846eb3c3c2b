"""What git tracks though DVC is to keep it, told before a run and not after its first stage."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipe.errors import WorkspaceError
from recipe.runtime.workspace import GIT_SECONDS
from recipe.settings.yaml12 import read_yaml


def require_untracked_outputs(workspace: Path) -> None:
    """Refuse a workspace whose outputs git tracks as well; DVC would, but only when it has made them.

    Raises:
        WorkspaceError: git tracks some; with what to type.
    """
    stages = read_yaml((workspace / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    kept = [path for stage in stages.values() for path in _kept_by_dvc(stage)]
    tracked = _tracked(workspace, kept)
    if tracked:
        places = sorted({Path(path).parts[0] for path in tracked})
        more = f" and {len(tracked) - 1} more" if len(tracked) > 1 else ""
        raise WorkspaceError(
            f"git tracks {tracked[0]}{more}, which DVC is to keep: run `git rm -r --cached {' '.join(places)}` and "
            f"`git commit` in {workspace}, which leaves the files where they are, and start again."
        )


def _kept_by_dvc(stage: dict[str, Any]) -> Iterator[str]:
    for out in [*stage.get("outs", []), *stage.get("plots", []), *stage.get("metrics", [])]:
        path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
        if options.get("cache", True) and "$" not in path:
            yield path


def _tracked(workspace: Path, paths: list[str]) -> list[str]:
    """Those of `paths` that git tracks, files of folders one by one; none without git."""
    command = ["git", "-C", str(workspace), "ls-files", "-z", "--", *paths]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [path.decode("utf-8", "surrogateescape") for path in done.stdout.split(b"\0") if path]
