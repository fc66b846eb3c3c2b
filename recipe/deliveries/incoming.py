"""What lies in data/incoming, which of it is whole, and how it is claimed."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recipe.dataset.beside import READY
from recipe.deliveries.moving import copy, is_folder, move
from recipe.errors import WorkspaceError
from recipe.runtime.workspace import private_folder, shown

INCOMING, QUARANTINE = Path("data") / "incoming", Path("data") / "quarantine"
CLAIMED = "deliveries"  # in .recipe/: a folder for each delivery that is being taken in
DECIDED = "decided.json"  # in there: what is to become of it, once that is decided
DONE = "done-"  # begins the name of a folder there that is only to be removed
GIVEN = "given"  # in there: what was delivered, as it came
# How copying programs name what they are still writing: rsync begins it with a dot, browsers and FTP clients end it so.
IN_TRANSIT = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".swp")
NAME_LENGTH = 40  # of a delivery's own name in its id


@dataclass(frozen=True)
class Arrival:
    """Something in data/incoming; `waits` says why it is not taken yet, empty when it is whole."""

    path: Path
    waits: str


def arrivals(workspace: Path, quiet_seconds: float) -> list[Arrival]:
    """The deliveries in data/incoming, the oldest first, and marks of deliveries that are not there.

    A delivery is whole that holds a file _READY, or has `_READY` behind its own name beside it, or in which nothing has
    changed for `quiet_seconds`.
    """
    folder = workspace / INCOMING
    if not folder.is_dir():
        return []
    names = {entry.name for entry in os.scandir(folder)}
    found = [
        (last_change(path := folder / name), Arrival(path, _why_waiting(path, names, quiet_seconds)))
        for name in sorted(names)
        if not name.startswith(".") and (not name.endswith(READY) or name.removesuffix(READY) not in names)
    ]
    return [arrival for _, arrival in sorted(found, key=lambda one: one[0])]


def claim(workspace: Path, path: Path, marks: Sequence[str] = ()) -> Path:
    """Take a delivery out of the sender's reach by one rename; gives the folder that now stands for it.

    What does not lie in data/incoming or data/quarantine is copied: it is somebody's own.

    Args:
        marks: names of empty files that the folder gets, for what is to be remembered of the delivery.

    Raises:
        WorkspaceError: it cannot be moved.
    """
    folder = private_folder(workspace) / CLAIMED / new_id(path.name)
    place, beside = folder / GIVEN / shown(path.name), folder / "copying"
    try:
        (folder / GIVEN).mkdir(parents=True)
        for mark in marks:
            (folder / mark).touch()
        if _is_ours(workspace, path):
            _forget_marker(path)  # before the move: left behind, it would call a later delivery of this name whole
            move(path, place, beside)
        else:
            copy(path, place, beside)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise WorkspaceError(
            f"Cannot take {path} in ({error.strerror or error}): see to it that this user may move it, and to the disk."
        ) from error
    return folder


def _is_ours(workspace: Path, path: Path) -> bool:
    """Whether the delivery was left to us: in data/incoming, or set aside by us before."""
    parent = path.parent.resolve()
    return parent == (workspace / INCOMING).resolve() or parent.is_relative_to((workspace / QUARANTINE).resolve())


def _forget_marker(path: Path) -> None:
    marker = path.with_name(path.name + READY)
    if is_folder(marker):
        marker.rmdir()
    else:
        marker.unlink(missing_ok=True)


def claimed(workspace: Path) -> Iterator[Path]:
    """The folders of deliveries that were claimed and are not done with, the oldest first."""
    folder = private_folder(workspace) / CLAIMED
    yield from sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith(DONE))


def forget(folder: Path) -> None:
    """Remove the folder of a delivery that is done with; killed in between, it is no delivery any more."""
    done = folder.with_name(f"{DONE}{folder.name}")
    folder.rename(done)
    shutil.rmtree(done)
    for older in folder.parent.glob(f"{DONE}*"):  # of a call that was killed here
        shutil.rmtree(older, ignore_errors=True)


def given(folder: Path) -> Path | None:
    """What was delivered, in a claimed folder; None where the claim was cut off before anything was in it."""
    return next((folder / GIVEN).glob("*"), None)


def new_id(name: str) -> str:
    """An id that sorts by time and still tells a person which delivery it is."""
    plain = re.sub(r"[^-.0-9A-Za-z]+", "-", name).strip("-.")[:NAME_LENGTH] or "delivery"
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{plain}"


def _why_waiting(path: Path, names: set[str], quiet_seconds: float) -> str:
    if path.name.endswith(READY):
        return f"there is no {path.name.removesuffix(READY) or 'delivery of that name'} beside it"
    if path.name.lower().endswith(IN_TRANSIT):
        return "its name is that of a file in transit"
    if path.name + READY in names or (is_folder(path) and (path / READY).exists()):
        return ""
    age = time.time() - last_change(path)
    if age < quiet_seconds:
        return f"it changed {age:.0f} s ago, and is taken after {quiet_seconds:.0f} s of quiet or once it holds {READY}"
    if is_folder(path) and next(_names_below(path), None) is None:
        return "it is empty"
    half = next((name for name in _names_below(path) if name.lower().endswith(IN_TRANSIT)), None)
    return f"{half} in it is still in transit" if half else ""


def last_change(path: Path) -> float:
    """When anything at or below `path` changed last, in seconds since 1970; nothing is followed."""
    walked = os.walk(path) if is_folder(path) else ()
    below = (Path(folder, name) for folder, folders, files in walked for name in (*folders, *files))
    return max(map(_changed, (path, *below)))


def _names_below(path: Path) -> Iterator[str]:
    if is_folder(path):
        yield from (name for _, _, files in os.walk(path) for name in files)


def _changed(path: Path) -> float:
    try:
        stat = path.lstat()
    except FileNotFoundError:  # moved on since it was listed
        return time.time()
    return stat.st_ctime  # copying may keep the time of a change, and one may lie in the future; an inode's does not
