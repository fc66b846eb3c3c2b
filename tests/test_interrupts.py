"""Whoever stops a run gets the terminal back at once, and nothing goes on behind it."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from recipe.cli import BAD_INPUT, INTERRUPTED
from recipe.runtime.workspace import TRAININGS
from tests.finished import continued
from tests.growing import settings_of
from tests.runs import started, wait_for, working_in
from tests.workspaces import recipe

AT_ONCE = 10.0  # seconds; about one on a quiet machine

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    """A finished run whose trainings are gone; without augmentation the next one has to regularize anew."""
    workspace = continued(finished, tmp_path)
    shutil.rmtree(workspace / ".recipe" / TRAININGS)
    return workspace


def words(workspace: Path) -> tuple[str, ...]:
    side_by_side = ("fanout.backend=loky", "fanout.workers=2")
    return ("run", *settings_of(workspace, "augment=none", *side_by_side), "--until", "regularize")


@pytest.mark.parametrize(
    ("stop", "at_work", "seconds"),
    [
        pytest.param(signal.SIGINT, "LokyProcess", 0.0, id="side by side"),
        pytest.param(signal.SIGTERM, "tasks.", 1.0, id="a stage"),
    ],
)
def test_a_stopped_run_ends_with_130_and_leaves_no_process(
    workspace: Path, stop: signal.Signals, at_work: str, seconds: float
) -> None:
    with started(workspace, *words(workspace)) as run:
        working = [wait_for(workspace, "tasks."), wait_for(workspace, at_work)]
        time.sleep(seconds)
        began = time.monotonic()
        run.send_signal(stop)
        out, told = run.communicate(timeout=60)
        assert time.monotonic() - began < AT_ONCE
        assert run.returncode == INTERRUPTED
        assert out == ""
        *progress, last = told.splitlines()
        assert last == "recipe: interrupted; what was finished is kept, the same command goes on from there."
        assert all(" of " in line for line in progress), told
        assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in working)
        assert working_in(workspace) == []


def test_a_stage_that_outlived_its_run_is_named_and_left_alone(workspace: Path) -> None:
    with started(workspace, *words(workspace)) as run:
        stage = wait_for_holder(workspace, run)
        run.kill()
        for process in working_in(workspace, "dvc", "repro"):
            process.kill()
        told = recipe(workspace, *words(workspace))
        assert told.returncode == BAD_INPUT
        assert told.stderr.startswith(f"recipe: Another run (process {stage.pid}) is working in {workspace}")
        assert stage.is_running()


def wait_for_holder(workspace: Path, run: subprocess.Popen[str], seconds: float = 120) -> psutil.Process:
    """The stage that trains, whichever it is, once it holds the workspace."""
    deadline = time.monotonic() + seconds
    while run.poll() is None and time.monotonic() < deadline:
        for stage in working_in(workspace, "tasks."):
            if (workspace / ".recipe" / "lock").read_text(encoding="utf-8") == str(stage.pid):
                return stage
        time.sleep(0.1)
    run.kill()
    raise AssertionError(f"no stage came to hold {workspace}: {run.communicate()}")
