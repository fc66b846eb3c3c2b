"""Versions of a data set in DVC, and in git where that is asked for."""

import subprocess
from pathlib import Path

import pytest

from recipe.deliveries.versions import commit_version, keep_version
from recipe.errors import WorkspaceError
from recipe.versioning.provenance import tracked_version
from tests.deliveries.conftest import rows_of_table
from tests.flows.conftest import copy_of_project

pytestmark = pytest.mark.slow
TABLE = Path("data") / "patients.csv"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A clone with a table that neither git nor DVC knows."""
    workspace = copy_of_project(tmp_path)
    git(workspace, "config", "user.name", "A person")
    git(workspace, "config", "user.email", "person@example.org")
    git(workspace, "add", "conf")
    git(workspace, "commit", "--quiet", "--message", "What was there")
    (workspace / "data").mkdir(exist_ok=True)
    rows_of_table(0, 50).to_csv(workspace / TABLE, index=False)
    return workspace


def git(workspace: Path, *arguments: str) -> list[str]:
    command = ["git", "-C", str(workspace), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def test_a_version_is_committed_once_and_nothing_beside_it(workspace: Path) -> None:
    (workspace / "conf" / "config.yaml").write_text("a user's own change")
    version = keep_version(workspace, workspace / TABLE)
    for _ in range(2):
        commit_version(workspace, workspace / TABLE, "Take 50 examples in")
    assert version == tracked_version(workspace / TABLE)
    assert git(workspace, "log", "--format=%s") == ["Take 50 examples in", "What was there"]
    assert git(workspace, "show", "--name-only", "--format=") == ["data/.gitignore", "data/patients.csv.dvc"]


def test_data_that_git_keeps_itself_are_named_with_the_command_that_takes_them_out(workspace: Path) -> None:
    git(workspace, "add", str(TABLE))
    git(workspace, "commit", "--quiet", "--message", "Data in git")
    with pytest.raises(WorkspaceError, match=r"git rm -r --cached data/patients\.csv") as refused:
        keep_version(workspace, workspace / TABLE)
    assert "\n" not in str(refused.value)
    git(workspace, "rm", "-r", "--cached", str(TABLE))
    git(workspace, "commit", "--quiet", "--message", "Data out of git")
    assert keep_version(workspace, workspace / TABLE) == tracked_version(workspace / TABLE)


def test_what_git_stops_at_is_told_and_done_the_next_time(workspace: Path) -> None:
    keep_version(workspace, workspace / TABLE)
    lock = workspace / ".git" / "index.lock"  # as a git that was killed leaves it
    lock.touch()
    with pytest.raises(WorkspaceError, match=r"Unable to create .*index\.lock': File exists"):
        commit_version(workspace, workspace / TABLE, "Take 50 examples in")
    lock.unlink()
    commit_version(workspace, workspace / TABLE, "Take 50 examples in")
    assert git(workspace, "log", "--format=%s")[0] == "Take 50 examples in"
