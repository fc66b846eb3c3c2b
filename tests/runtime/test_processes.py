"""Processes that end with what started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipe.runtime.processes import interrupted_by_signals, stop_session

STUBBORN = """
import signal, subprocess, sys, time
from pathlib import Path

signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path("child").write_text(str(child.pid))
time.sleep(60)
"""


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_session_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN], cwd=tmp_path, text=True, start_new_session=True)
    while not (tmp_path / "child").is_file() or not (tmp_path / "child").read_text():
        assert process.poll() is None
        time.sleep(0.02)
    stop_session(process, patience=0.2)
    assert process.returncode == -signal.SIGKILL
    child = int((tmp_path / "child").read_text())
    while not has_ended(child):
        time.sleep(0.02)


def test_a_session_that_missed_the_first_interruption_is_asked_again(tmp_path: Path) -> None:
    deaf_for_a_while = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); "
    deaf_for_a_while += "time.sleep(0.5); signal.signal(signal.SIGINT, signal.default_int_handler); time.sleep(60)"
    command = [sys.executable, "-c", deaf_for_a_while]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "deaf\n"
    began = time.monotonic()
    stop_session(process, patience=30, again=0.2)
    assert time.monotonic() - began < 10
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_asks_to_stop_interrupts_and_the_old_answer_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interrupted_by_signals():
        os.kill(os.getpid(), number)
        time.sleep(1)
    assert signal.getsignal(number) is before
