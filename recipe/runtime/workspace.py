"""The workspace: the folder that holds dvc.yaml, its lock, and files that appear whole or not at all."""

import fcntl
import hashlib
import json
import logging
import math
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recipe.errors import WorkspaceError

LOCK_POLL_SECONDS = 0.2
SILENT_SECONDS = 2.0  # of waiting for a lock; then it is said what is waited for
GIT_SECONDS = 10.0  # it answers in milliseconds, or from a sleeping network disk
TRAININGS = "trainings"  # in .recipe/: finished ones, which a run finds again
SEARCH = "search.json"  # in chosen/, left by tune beside its choice: what the trials came to, and other architectures
SHARED = "shared-"  # in there, with the number of a process: what its workers map
EXPERIMENTS = (".dvc", "tmp", "exps")  # below it DVC makes copies of a workspace, and deletes them
STAGE_LOCK, RUN_LOCK = "lock", "run.lock"

logger = logging.getLogger(__name__)


def find_workspace(start: Path | None = None) -> Path:
    """The nearest parent of `start` (default: the current folder) that holds dvc.yaml.

    Raises:
        WorkspaceError: no parent holds one.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise WorkspaceError(f"No dvc.yaml in {start} or any folder above it: run this inside a training-recipe workspace.")


def lasting_workspace(workspace: Path) -> Path:
    """The workspace itself, or that of which it is a copy for one experiment (`dvc exp run --temp`, `--queue`)."""
    folder = workspace.resolve()
    places = [place for place in folder.parents if place.parts[-len(EXPERIMENTS) :] == EXPERIMENTS]
    return places[0].parents[len(EXPERIMENTS) - 1] if places else folder


@contextmanager
def locked(workspace: Path, wait_seconds: float = 0.0, name: str = STAGE_LOCK) -> Iterator[None]:
    """Hold the workspace; an orphaned or second run is answered with a sentence, or waited for.

    The lock is the kernel's (flock), so it goes with the process that holds it, however that ends.

    Args:
        name: STAGE_LOCK for as long as a stage writes, RUN_LOCK for as long as a run needs its params.yaml.

    Raises:
        WorkspaceError: another process holds it after `wait_seconds`, or the folder cannot be written.
    """
    path = private_folder(workspace) / name
    try:
        handle = open(path, "a+", encoding="utf-8")
    except OSError as error:
        raise WorkspaceError(f"Cannot write {path}: {error.strerror}. Give the workspace write permission.") from error
    with handle:
        _acquire(handle.fileno(), path, deadline=time.monotonic() + wait_seconds)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    tell_at = time.monotonic() + SILENT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            now = time.monotonic()
            if now >= deadline:
                raise WorkspaceError(
                    f"Another run (process {_holder_of(path)}) is working in {path.parent.parent}: "
                    "wait for it to end, or stop it, and start again."
                ) from None
            if now >= tell_at:
                logger.warning("Waiting for process %s, which is working in %s.", _holder_of(path), path.parent.parent)
                tell_at = math.inf
            time.sleep(LOCK_POLL_SECONDS)  # flock has no time limit


def _holder_of(lock: Path) -> str:
    try:
        return lock.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"


def private_folder(workspace: Path) -> Path:
    """`.recipe/`, which holds what survives between runs: journals, finished trainings, ledgers."""
    folder = workspace / ".recipe"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"Cannot write {folder}: {error.strerror}. Give the workspace write permission."
        ) from error
    return folder


def make_output_folder(folder: Path) -> None:
    """Make `folder`, which a command writes to.

    Raises:
        WorkspaceError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"Cannot write {folder}: {error.strerror}. Name another folder with --out.") from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside `path` and rename into place, so that a reader or a crash never meets half a file.

    Raises:
        WorkspaceError: the folder cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise WorkspaceError(f"Cannot write {path}: {error.strerror}. Free the disk or give permission.") from error


def write_json(path: Path, content: Any) -> None:
    """`content` as indented JSON with sorted keys, whole or not at all."""
    write_whole(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def git_commit(workspace: Path) -> str | None:
    """The commit that is checked out; None where there is no git, or no commit yet."""
    command = ["git", "-C", str(workspace), "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def fingerprint(content: Any) -> str:
    """A short name for JSON-like `content`: equal content has an equal name on every machine."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def shown(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
