"""Curves that are shown while a stage trains: by a process beside it, once the stage has lasted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recipe.runtime.workspace import private_folder

LIVE = "live"  # in .recipe/: a file for each training of the present stage
LONG_SECONDS = 60.0  # before that nobody looks, and the process's imports cost two seconds of a processor
END_SECONDS = 10.0  # what the process has to send the last points
LOG = "live.log"  # in .recipe/


@contextmanager
def shown_while_running(workspace: Path, stage: str, after: float = LONG_SECONDS) -> Iterator[None]:
    """Send the curves of `stage` to MLflow until the block ends, from `after` seconds on."""
    folder = private_folder(workspace) / LIVE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []
    timer = threading.Timer(after, lambda: started.append(_start(workspace, stage)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for process in started:
            _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _start(workspace: Path, stage: str) -> subprocess.Popen[bytes]:
    """The process; it ends when its input does, however this one ends."""
    command = [sys.executable, "-m", "recipe.tracking.live", stage, "--workspace", str(workspace)]
    with open(private_folder(workspace) / LOG, "wb") as log:
        process = subprocess.Popen(command, cwd=workspace, stdin=subprocess.PIPE, stdout=log, stderr=log)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, 5)  # it waits for the trainings, not they for it
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
