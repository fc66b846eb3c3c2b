"""The executor that docs/add-an-executor.md shows, added to the letter to a copy of the project."""

import json
import shutil
from pathlib import Path

import pytest

from recipe.pipeline.check import check
from recipe.runtime.workspace import TRAININGS
from tests.here import stages_here
from tests.test_docs import FENCE, PAGES
from tests.workspaces import make_workspace, recipe

PAGE = PAGES["docs/add-an-executor.md"]
ADDED = ("recipe/executors/pool.py", "conf/fanout/pool.yaml")
PRACTICE = "overfit/adam"
OVERRIDES = ("data=breast_cancer", "budget=quick", "stages.overfit.adam.steps=20")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with what the page adds."""
    workspace = make_workspace(tmp_path_factory.mktemp("own") / "workspace")
    for name, (_, code) in zip(ADDED, FENCE.findall(PAGE.read_text()), strict=True):
        assert not (workspace / name).exists()
        (workspace / name).write_text(code)
    return workspace


@pytest.mark.slow
def test_two_files_add_an_executor_that_gives_the_figures_of_the_others(workspace: Path, tmp_path: Path) -> None:
    with stages_here():
        check(workspace, [PRACTICE], [*OVERRIDES, "fanout=sequential"], tmp_path / "sequential")
    (trained,) = workspace.rglob(TRAININGS)
    shutil.rmtree(trained)  # else they would be read, and nothing carried out
    done = recipe(workspace, "check", PRACTICE, *OVERRIDES, "fanout=pool", "--out", str(tmp_path / "pool"))
    assert done.returncode < 2, done.stderr
    assert len(list(trained.glob("*.pt"))) > 1
    assert finding(tmp_path / "pool") == finding(tmp_path / "sequential")


def finding(folder: Path) -> tuple[float, str]:
    (only,) = json.loads((folder / "findings.json").read_text())["findings"]
    return only["measured"], only["summary"]


def test_its_settings_are_checked_like_those_of_the_others(workspace: Path) -> None:
    done = recipe(workspace, "check", PRACTICE, *OVERRIDES, "fanout=pool", "fanout.address=tcp://host:1")
    assert done.returncode == 2
    assert "pool is of this machine and has no address" in done.stderr and done.stderr.count("\n") == 1
