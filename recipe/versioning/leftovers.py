"""What runs leave behind, cleared before the next one: by a killed DVC, and finished trainings nobody asks for."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from recipe.runtime.machine_record import RECORDS
from recipe.runtime.workspace import SHARED, TRAININGS, private_folder, write_whole

BOOK = Path(".dvc", "tmp", "rwlock")  # who reads and writes which path: dvc/rwlock.py
RECORD = "dvc.lock"
KEPT_SECONDS = 14 * 24 * 3600  # as long as git keeps what nothing refers to, gc.pruneExpire

Entries = Mapping[str, Any]


def clear_leftovers(workspace: Path) -> None:
    """Make a workspace whose DVC was killed at any moment fit for the next.

    DVC writes its book of locks and dvc.lock in place, so that a kill may leave half of either; and it takes a process
    that nobody has collected (a zombie, as containers keep them) for one that lives. Without a record of its own a
    stage is found again in DVC's run cache.
    """
    try:
        guard = open(workspace / BOOK.with_suffix(".lock"), "a", encoding="utf-8")
    except OSError:
        return  # DVC has not been here yet
    with guard, suppress(BlockingIOError):  # a living one is writing: it keeps its own order
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _strike_out_the_dead(workspace / BOOK):
            _drop_unless_whole(workspace / RECORD)


def clear_trainings(workspace: Path) -> None:
    """Drop the finished trainings that no run has asked for in two weeks; one that is asked for again is repeated.

    A workspace that retrains every night would fill its disk with them. With them goes the data that a killed process
    shared with its workers, and what the machine did for results of so long ago.
    """
    private, now = private_folder(workspace), time.time()
    for path in [path for name in (TRAININGS, RECORDS) for path in (private / name).glob("*")]:
        with suppress(FileNotFoundError):  # another run clears as well
            if path.name.startswith(SHARED):
                _drop_if_left(path)
            elif now - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()


def _drop_if_left(shared: Path) -> None:
    number = shared.name.removeprefix(SHARED)
    if not number.isdecimal() or not _is_alive({"pid": number}):
        shutil.rmtree(shared, ignore_errors=True)


def _strike_out_the_dead(book: Path) -> bool:
    """Whether the book then holds nobody."""
    try:
        content = json.loads(book.read_text(encoding="utf-8"))
        readers = {path: [one for one in some if _is_alive(one)] for path, some in content["read"].items()}
        writers = {path: one for path, one in content["write"].items() if _is_alive(one)}
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        book.unlink(missing_ok=True)
        return True
    present = {"read": {path: some for path, some in readers.items() if some}, "write": writers}
    if present != content:
        write_whole(book, json.dumps(present))
    return not any(present.values())


def _is_alive(entry: Entries) -> bool:
    import psutil

    with suppress(psutil.NoSuchProcess):
        return psutil.Process(int(entry["pid"])).status() != psutil.STATUS_ZOMBIE
    return False


def _drop_unless_whole(record: Path) -> None:
    try:
        content = yaml.safe_load(record.read_text(encoding="utf-8"))
        whole = isinstance(content, dict) and all("cmd" in stage for stage in content["stages"].values())
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        whole = False
    if not whole:
        record.unlink()
