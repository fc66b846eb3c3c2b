"""Runs of the command that a test starts, looks at, and kills."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.workspaces import RECIPE, environment

GONE_SECONDS = 5.0  # what the kernel may take to end what was killed


@contextmanager
def started(workspace: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`recipe ARGUMENTS` at work; nothing of it is left when the block ends."""
    process = subprocess.Popen(
        [*RECIPE, *arguments],
        cwd=workspace,
        env=environment(workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_tree(process)
        for left in working_in(workspace):
            left.kill()


def kill_tree(process: subprocess.Popen[str]) -> None:
    """SIGKILL for the command and for all that it has started."""
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        for group in {process.pid, *(os.getpgid(child.pid) for child in children)}:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=GONE_SECONDS)


def working_in(workspace: Path, *words: str) -> list[psutil.Process]:
    """The processes whose folder is `workspace` and whose command line holds each of `words`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, FileNotFoundError):
            line = " ".join(process.cmdline())
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and Path(process.cwd()) == workspace.resolve() and all(word in line for word in words):
                found.append(process)
    return found


def wait_for(workspace: Path, *words: str, seconds: float = 120) -> psutil.Process:
    """The first process in `workspace` with `words` in its command line, as soon as there is one."""
    deadline = time.monotonic() + seconds
    while not (found := working_in(workspace, *words)):
        assert time.monotonic() < deadline, f"no process with {words} came up in {seconds} s"
        time.sleep(0.1)
    return found[0]
