"""Servers that a killed `make serve` left are ended, and nobody else's process."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from flows.abandoned import remember, stop_servers

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = [sys.executable, "-c", "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)", *SLEEP]


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process with another below it, as a worker has its runs."""
    process = subprocess.Popen(PARENT, start_new_session=True)
    child = below(process)
    yield process
    for one in (child, process):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            one.kill()
    process.wait()


def below(process: subprocess.Popen[bytes]) -> psutil.Process:
    deadline = time.monotonic() + 30
    while not (found := psutil.Process(process.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found[0]


def test_what_was_left_is_ended_with_all_below_it(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    child = below(server)
    remember(tmp_path, "worker", server.pid)
    stop_servers(tmp_path)
    assert not psutil.pid_exists(server.pid)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not list((tmp_path / ".recipe" / "serve").iterdir())


def test_another_process_that_has_the_number_by_now_is_let_be(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    remember(tmp_path, "worker", server.pid)
    note = tmp_path / ".recipe" / "serve" / "worker.json"
    content = json.loads(note.read_text())
    note.write_text(json.dumps(content | {"began": content["began"] - 100}))
    stop_servers(tmp_path)
    assert server.poll() is None


@pytest.mark.parametrize("note", ["", "[]", '{"pid": 999999999, "began": 1}', '{"pid": "x"}'])
def test_a_broken_note_and_a_process_that_is_gone_are_passed_over(tmp_path: Path, note: str) -> None:
    folder = tmp_path / ".recipe" / "serve"
    folder.mkdir(parents=True)
    (folder / "worker.json").write_text(note)
    stop_servers(tmp_path)
    assert not list(folder.iterdir())


def test_a_first_start_finds_nothing_to_end(tmp_path: Path) -> None:
    stop_servers(tmp_path)
