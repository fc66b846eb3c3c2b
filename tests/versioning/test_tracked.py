"""What git tracks though DVC is to keep it is told before a run."""

import subprocess
from pathlib import Path

import pytest

from recipe.errors import WorkspaceError
from recipe.versioning.tracked import require_untracked_outputs

DVC_YAML = """
stages:
  tune:
    cmd: echo
    outs: [reports/tune, metrics/tune.json: {cache: false}]
    plots: [plots/tune.csv]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    for name in ("metrics/tune.json", "plots/tune.csv", "reports/tune/a.png", "reports/tune/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("made", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_curves_of_an_earlier_version_in_git_are_answered_with_what_to_type(workspace: Path) -> None:
    subprocess.run(["git", "add", "-A"], cwd=workspace, check=True)
    with pytest.raises(WorkspaceError) as refused:
        require_untracked_outputs(workspace)
    said = str(refused.value)
    assert said.startswith("git tracks plots/tune.csv and 2 more, which DVC is to keep: run `git rm -r --cached plots ")
    command = said.split("`")[1]
    subprocess.run(command.split(), cwd=workspace, check=True, capture_output=True)
    require_untracked_outputs(workspace)
    assert (workspace / "plots" / "tune.csv").is_file()


def test_figures_that_git_is_to_carry_and_a_folder_without_git_are_let_be(workspace: Path) -> None:
    subprocess.run(["git", "add", "metrics", "dvc.yaml"], cwd=workspace, check=True)
    require_untracked_outputs(workspace)
    subprocess.run(["rm", "-rf", ".git"], cwd=workspace, check=True)
    require_untracked_outputs(workspace)
