"""The executor that docs/add-an-executor.md shows, added to the letter to a copy of the project."""

import json
from pathlib import Path

import pytest

from tests.test_docs import FENCE, PAGES
from tests.workspaces import make_workspace, recipe

PAGE = PAGES["docs/add-an-executor.md"]
ADDED = ("recipe/executors/pool.py", "conf/fanout/pool.yaml")
CHECK = ("check", "overfit/adam", "data=breast_cancer", "budget=quick", "stages.overfit.adam.steps=20")


def add_executor(workspace: Path) -> None:
    for name, (_, code) in zip(ADDED, FENCE.findall(PAGE.read_text()), strict=True):
        assert not (workspace / name).exists()
        (workspace / name).write_text(code)


@pytest.mark.slow
def test_two_files_add_an_executor_that_gives_the_figures_of_the_others(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    add_executor(workspace)
    figures = []
    for fanout in ("pool", "sequential"):
        done = recipe(workspace, *CHECK, f"fanout={fanout}", "--out", str(tmp_path / fanout))
        assert done.returncode < 2, done.stderr
        (finding,) = json.loads((tmp_path / fanout / "findings.json").read_text())["findings"]
        figures.append((finding["measured"], finding["summary"]))
    assert figures[0] == figures[1]


def test_its_settings_are_checked_like_those_of_the_others(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    add_executor(workspace)
    done = recipe(workspace, *CHECK, "fanout=pool", "fanout.address=tcp://host:1")
    assert done.returncode == 2
    assert "pool is of this machine and has no address" in done.stderr and done.stderr.count("\n") == 1
