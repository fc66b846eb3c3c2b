"""One finished run that the modules which need one go on from, each in a copy of its own."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from recipe.report.findings import STAGES
from tests.growing import growing_workspace, settings_of
from tests.workspaces import recipe

MLFLOW = ("mlflow.db", "mlruns")


def finished_run(factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `recipe run` has ended with every gate open: made once, whichever worker asks first."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    done = shared / "finished" / "done"
    with open(shared / "finished.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            shutil.rmtree(done.parent, ignore_errors=True)
            workspace = growing_workspace(done.parent)
            ended = recipe(workspace, "run", *settings_of(workspace))
            assert ended.returncode == 0, ended.stderr + ended.stdout
            done.touch()
    return done.parent / "workspace"


def continued(run: Path, folder: Path) -> Path:
    """A copy of the workspace `run` below `folder`, to go on in; MLflow's runs, which name their place, stay behind."""
    return Path(shutil.copytree(run, folder / "workspace", symlinks=True, ignore=shutil.ignore_patterns(*MLFLOW)))


def measured(workspace: Path) -> dict[str, int]:
    """When each stage was measured."""
    return {stage: (workspace / "reports" / stage / "measured.json").stat().st_mtime_ns for stage in STAGES}
