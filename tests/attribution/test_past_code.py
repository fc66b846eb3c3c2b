"""The code of past runs: the present one where it is the same, else brought back from git, else said to be gone."""

import json
import shutil
from pathlib import Path

import pytest

from recipe.attribution.past_code import code_of_both
from recipe.attribution.reruns import _model_module
from recipe.settings.composition import compose
from recipe.tracking.past_runs import PastRun
from recipe.versioning.provenance import code_in
from tests.made_runs import commit
from tests.workspaces import ROOT, make_workspace

OWN = ("data=digits", "model._target_=nets.Net")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that may become a git repository, with a workspace below its top, and in there a model of one's own."""
    workspace = make_workspace(tmp_path_factory.mktemp("past") / "repository" / "work")
    (workspace / "nets.py").write_text("Net = 1\n")
    (workspace / "params.yaml").write_text(json.dumps(compose(workspace, OWN)))
    return workspace.parent


@pytest.fixture
def workspace(repository: Path, tmp_path: Path) -> Path:
    """A copy of the workspace in a copy of its repository."""
    return Path(shutil.copytree(repository, tmp_path / "repository", symlinks=True)) / "work"


def run_now(workspace: Path, name: str, at: str | None = None) -> PastRun:
    """A run that is made with the code as it is."""
    settings = json.loads((workspace / "params.yaml").read_text())
    return PastRun(name, "key", settings, {}, code_in(workspace, settings), at)


def test_two_runs_with_the_present_code_need_no_git(workspace: Path, tmp_path: Path) -> None:
    a, b = code_of_both(workspace, run_now(workspace, "A"), run_now(workspace, "B"), tmp_path / "code")
    assert a == b and a.folder == workspace


def test_a_commit_that_changes_no_code_of_a_model_is_no_other_code(workspace: Path, tmp_path: Path) -> None:
    first = run_now(workspace, "A", commit(workspace.parent, "Begin"))
    (workspace / "README.md").write_text("Read me.\n")
    (workspace / "recipe" / "cli.py").write_text("")
    second = run_now(workspace, "B", commit(workspace.parent, "Write"))
    a, b = code_of_both(workspace, first, second, tmp_path / "code")
    assert a == b


def test_edited_code_is_brought_back_from_its_commit_whatever_lies_there_now(workspace: Path, tmp_path: Path) -> None:
    first = run_now(workspace, "A", commit(workspace.parent, "Begin"))
    (workspace / "nets.py").write_text("Net = 2\n")
    second = run_now(workspace, "B", commit(workspace.parent, "Change"))
    (workspace / "nets.py").write_text("Net = 3\n")
    a, b = code_of_both(workspace, first, second, tmp_path / "code")
    assert a.folder is not None and (a.folder / "nets.py").read_text() == "Net = 1\n"
    assert b.folder is not None and (b.folder / "nets.py").read_text() == "Net = 2\n"
    assert (a.name, b.name) == (str(first.commit)[:8], str(second.commit)[:8])
    assert (workspace / "nets.py").read_text() == "Net = 3\n"


@pytest.mark.parametrize("gone", ["outside git", "is not in this repository", "changes that the commit"])
def test_code_that_is_gone_is_said_to_be_with_the_reason(workspace: Path, tmp_path: Path, gone: str) -> None:
    committed = commit(workspace.parent, "Begin")
    at = {"outside git": None, "is not in this repository": "0" * 40}.get(gone, committed)
    (workspace / "nets.py").write_text("Net = 2\n")
    first = run_now(workspace, "A", at)
    (workspace / "nets.py").write_text("Net = 3\n")
    a, b = code_of_both(workspace, first, run_now(workspace, "B"), tmp_path / "code")
    assert a.folder is None and gone in a.lack
    assert b.folder == workspace


def test_a_link_that_leads_outside_is_not_brought_back(workspace: Path, tmp_path: Path) -> None:
    (workspace / "outside").symlink_to("/etc")
    first = run_now(workspace, "A", commit(workspace.parent, "Begin"))
    (workspace / "nets.py").write_text("Net = 2\n")
    a, _ = code_of_both(workspace, first, run_now(workspace, "B"), tmp_path / "code")
    assert a.folder is not None and not (a.folder / "outside").exists()


def test_code_of_a_time_before_the_library_had_rooms_makes_its_model_by_the_module_that_it_has(tmp_path: Path) -> None:
    assert _model_module(tmp_path) == "recipe.final_model"
    assert _model_module(ROOT) == "recipe.inference.final_model"
