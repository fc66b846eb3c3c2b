"""A run killed anywhere is finished by the next one, with the figures of an undisturbed run."""

import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from recipe.cli import BAD_INPUT
from tests.runs import kill_tree, started, wait_for, working_in
from tests.workspaces import make_workspace, metrics_of, recipe

QUICK = ("run", "data=digits", "budget=quick")
KILLS = 10
STAGES = ("data", "baseline", "overfit", "regularize", "tune", "squeeze")

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The figures of a run that nothing disturbs, and the seconds it takes."""
    workspace = make_workspace(tmp_path_factory.mktemp("undisturbed") / "workspace")
    began = time.monotonic()
    done = recipe(workspace, *QUICK)
    assert done.returncode == 0, done.stderr
    return metrics_of(workspace), time.monotonic() - began


@pytest.mark.parametrize("number", range(KILLS))
def test_a_run_killed_at_a_random_moment_is_finished_by_the_next(
    tmp_path: Path, undisturbed: tuple[dict[str, str], float], number: int
) -> None:
    expected, seconds = undisturbed
    moment = random.Random(number).uniform(0, seconds)
    workspace = make_workspace(tmp_path / "workspace")
    with started(workspace, *QUICK) as run:
        with suppress(subprocess.TimeoutExpired):
            run.wait(moment)
        kill_tree(run)
    done = recipe(workspace, *QUICK)
    assert done.returncode == 0, f"killed after {moment:.1f} s: {done.stderr}"
    assert metrics_of(workspace) == expected


@pytest.mark.parametrize("stage", STAGES)
def test_where_only_dvc_is_killed_the_stage_is_waited_for(
    tmp_path: Path, undisturbed: tuple[dict[str, str], float], stage: str
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    with started(workspace, *QUICK) as run:
        orphan = wait_for(workspace, f"tasks.{stage}", seconds=600)
        time.sleep(random.Random(stage).uniform(0, 5))  # the moment of the kill is what varies
        run.kill()  # first, since it would end what dvc leaves behind
        for process in working_in(workspace, "dvc", "repro"):
            process.kill()
        while orphan in working_in(workspace, f"tasks.{stage}"):
            # Refused once the stage holds the workspace, else nothing to do: either way nothing is spoilt.
            assert recipe(workspace, *QUICK, "--until", "ingest").returncode in (0, BAD_INPUT)
            psutil.wait_procs([orphan], timeout=1)
        done = recipe(workspace, *QUICK)
    assert done.returncode == 0, done.stderr
    assert metrics_of(workspace) == undisturbed[0]
