"""The versions of the data set: each is the md5 by which DVC knows it, in the .dvc file beside the data."""

import os
import subprocess
import sys
import time
from pathlib import Path

from recipe.errors import DataError, WorkspaceError
from recipe.pipeline.reproduce import BUSY, ERROR, stage_environment
from recipe.settings import Settings
from recipe.versioning.provenance import dvc_file, tracked_out, tracked_version

BUSY_SECONDS = 120.0  # how long another DVC command is waited for; an ordinary one takes seconds
BUSY_POLL_SECONDS = 1.0
MARKS = (ERROR, "fatal: ")  # begin the line in which DVC and git say why they stop
KEPT_BY_GIT = "already tracked by SCM"  # dvc/exceptions.py, OutputAlreadyTrackedError


def data_path(workspace: Path, settings: Settings) -> Path:
    """The data set's own file or folder, which can grow.

    Raises:
        DataError: it is a built-in one, or lies outside the workspace.
    """
    data = settings.data
    if data.kind == "builtin":
        raise DataError(
            f"The data set {data.name} is a built-in one and cannot grow: run with data of your own, such as "
            "data=image_folder data.path=data/photos."
        )
    path = workspace / data.path
    if not path.resolve().is_relative_to(workspace.resolve()) or path.is_symlink():
        raise DataError(
            f"{path} lies outside the workspace, where DVC cannot keep its versions: move it to data/ in {workspace}."
        )
    if not path.exists():
        raise DataError(f"{path} is not there: restore it, such as with `dvc checkout`.")
    return path


def keep_version(workspace: Path, path: Path) -> str:
    """Have DVC keep what `path` holds now; gives the version. Done twice it is done once.

    Raises:
        WorkspaceError: DVC cannot, with its own reason.
    """
    if tracked_out(path) is None:
        dvc_file(path).unlink(missing_ok=True)  # half written by a killed one
    command = [sys.executable, "-m", "dvc", "add", str(path)]
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        done = subprocess.run(command, cwd=workspace, env=stage_environment(), capture_output=True, text=True)
        version = tracked_version(path)
        if done.returncode == 0 and version:
            return version
        output = done.stdout + done.stderr
        if KEPT_BY_GIT in output:
            held = path.relative_to(workspace)
            raise WorkspaceError(
                f"git keeps {path} itself, so DVC cannot: run `git rm -r --cached {held}`, commit, and start again."
            )
        if not BUSY.search(output) or time.monotonic() > deadline:
            raise WorkspaceError(f"DVC cannot keep {path} ({_reason(output)}).")
        time.sleep(BUSY_POLL_SECONDS)  # the lock is DVC's, which has no way to wait for it


def commit_version(workspace: Path, path: Path, message: str) -> None:
    """Commit the data set's .dvc file to git, and nothing else; where it is committed already nothing happens.

    Raises:
        WorkspaceError: git refuses, with its own reason.
    """
    files = [str(file) for file in (dvc_file(path), path.parent / ".gitignore") if file.is_file()]
    _git(workspace, "add", "--force", "--", *files)
    if _git(workspace, "status", "--porcelain", "--", *files):
        _git(workspace, "commit", "--quiet", "--message", message, "--", *files)


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith(MARKS)), lines[-1] if lines else "")
    for mark in MARKS:
        told = told.removeprefix(mark).strip()
    return told.rstrip(".") or "it does not say why"


def _git(workspace: Path, *arguments: str) -> str:
    command = ["git", "-C", str(workspace), *arguments]
    english = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, env=english, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = _reason(done.stdout + done.stderr)
        raise WorkspaceError(f"git cannot commit the new version ({reason}): mend it, or set watch.git=false.")
    return done.stdout.strip()
