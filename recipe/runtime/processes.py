"""Processes that end with what started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from os import killpg
from pathlib import Path
from typing import Any

WORDS = "RECIPE_WORDS"
STOP_SECONDS = 20.0  # what a stage has to end cleanly before it is killed
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a service manager, a closed terminal
AGAIN_SECONDS = 4.0  # a process that was between two others, which ignores an interruption, is asked once more
POLL_SECONDS = 0.2


def run_to_end(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Run `command` in `folder` and give its exit code; whatever interrupts this process ends all that it started.

    Args:
        log: the file that gets its output; None: the terminal.
        meanwhile: called now and then until the command has ended.
    """
    with open(log, "wb") if log else nullcontext() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,  # so that stopping it reaches what it started as well
        )
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
                meanwhile()
        finally:
            if process.returncode != 0:
                stop_session(process)  # a command that failed or was killed may leave its own behind
        return process.returncode


def handed_on(words: Sequence[str]) -> dict[str, str]:
    """An environment that hands `words` to a process, beside its command line, which everybody on the machine can read.

    Settings may hold the password of a database.
    """
    return {WORDS: json.dumps(list(words))}


def given_words() -> list[str]:
    """The words of the command line, or those that another process handed on; a process below gets none of these."""
    words: list[str] = json.loads(os.environ.pop(WORDS, "[]"))
    return [*sys.argv[1:], *words]


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Within, whatever asks the process to stop raises KeyboardInterrupt in the main thread."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_session(process: subprocess.Popen[Any], patience: float = STOP_SECONDS, again: float = AGAIN_SECONDS) -> None:
    """End `process`, which leads a session, and all it started: interrupt them, and kill what is left after a while.

    Args:
        patience: seconds that they have to end by themselves; a second interruption of this process cuts them short.
        again: seconds after which they are interrupted once more; `patience` for what takes a second one as an order.
    """
    deadline = time.monotonic() + patience
    try:
        while process.poll() is None and time.monotonic() < deadline:
            _signal(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(min(again, patience))
    finally:
        _signal(process.pid, signal.SIGKILL)
        process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        killpg(group, number)
