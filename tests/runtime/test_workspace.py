"""Files appear whole; one stage at a time works in a workspace."""

import subprocess
import sys
from pathlib import Path

import pytest

from recipe.errors import WorkspaceError
from recipe.runtime.workspace import find_workspace, lasting_workspace, locked, write_json, write_whole


def test_the_workspace_is_the_nearest_parent_with_a_dvc_yaml(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_workspace(inner) == tmp_path


def test_outside_a_workspace_one_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"No dvc\.yaml in"):
        find_workspace(tmp_path)


def test_a_second_run_is_told_who_holds_the_workspace(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from recipe.runtime.workspace import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WorkspaceError, match=f"process {holder.pid}"), locked(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with locked(tmp_path):  # the lock went with the process that held it
            pass


def test_who_waits_for_another_run_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import sys, pathlib, time; from recipe.runtime.workspace import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(1)"
    )
    monkeypatch.setattr("recipe.runtime.workspace.SILENT_SECONDS", 0.2)
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with locked(tmp_path, wait_seconds=60):
            pass
    assert caplog.messages == [f"Waiting for process {holder.pid}, which is working in {tmp_path}."]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="Cannot write"):
        write_whole(tmp_path / "file" / "below.txt", "text")


@pytest.mark.parametrize("copy", ["standalone/tmp9psdjkf8", "tmpk2w/deeper"])
def test_an_experiment_in_a_copy_of_the_workspace_belongs_to_the_workspace(tmp_path: Path, copy: str) -> None:
    folder = tmp_path / "my work"
    assert lasting_workspace(folder) == folder
    assert lasting_workspace(folder / ".dvc" / "tmp" / "exps" / copy) == folder
    assert lasting_workspace(folder / ".dvc" / "exps" / copy) == folder / ".dvc" / "exps" / copy
