"""`recipe init`: a workspace from the installed library, with nothing of the user's overwritten."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_diabetes

from recipe.cli import run_command
from recipe.errors import WorkspaceError
from recipe.scaffold.make import changes, make_workspace, summary
from recipe.versioning.installed import LOCK, require_installed_code
from tests.workspaces import ROOT

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, input_shape: tuple[int, ...], n_outputs: int, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, n_outputs))

    def forward(self, batch):
        return self.layers(batch)
"""


def test_an_empty_folder_becomes_a_workspace_in_git_and_dvc(tmp_path: Path) -> None:
    made = make_workspace(tmp_path / "clinic")
    held = {path.name for path in made.folder.iterdir()}
    assert {"conf", "dvc.yaml", "flows", "tasks", "prefect.yaml", "data", "tests", "params.yaml", LOCK} <= held
    assert {".git", ".dvc", ".gitignore"} <= held
    assert "recipe/" not in (made.folder / "dvc.yaml").read_text().replace("training-recipe/", "")
    assert made.others == ()
    require_installed_code(made.folder)
    assert list(changes(made.folder)) == []
    assert make_workspace(made.folder).made == ()


def test_nothing_of_the_users_is_overwritten(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    own = {
        "tests/test_model.py": "mine",
        ".gitignore": "secret\n/models/",
        "conf/budget/quick.yaml": "mine",
        "a.csv": "x",
    }
    for name, content in own.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(content)
    made = make_workspace(tmp_path / "project")
    assert set(made.others) == {"tests/test_model.py", "conf/budget/quick.yaml"}
    for name in ("tests/test_model.py", "conf/budget/quick.yaml", "a.csv"):
        assert (made.folder / name).read_text() == own[name]
    ignored = (made.folder / ".gitignore").read_text().splitlines()
    assert ignored[:2] == ["secret", "/models/"]
    assert ignored.count("/models/") == 1
    assert "/reports/" in ignored
    assert not (made.folder / ".git").exists()
    assert (made.folder / ".dvc").is_dir()
    assert any("left as they were" in line for line in summary(made))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {train: {cmd: python train.py}}")
    with pytest.raises(WorkspaceError, match=r"has a dvc\.yaml of another pipeline"):
        make_workspace(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.yaml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="is a file"):
        make_workspace(tmp_path / "file")
    with pytest.raises(WorkspaceError, match="is no workspace yet"):
        list(changes(tmp_path / "nowhere"))


def test_what_a_newer_version_has_otherwise_is_a_patch_that_git_takes(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "clinic").folder
    lock, stage = folder / LOCK, folder / "tasks" / "data.py"
    newer = (lock.read_text(), stage.read_text())
    lock.write_text(lock.read_text().replace("code: ", "code: 0").replace("numpy==", "numpy==0."))
    stage.write_text("# of a version before\n")
    (folder / "flows" / "serve.py").unlink()
    with pytest.raises(WorkspaceError, match="names another training-recipe than is installed"):
        require_installed_code(folder)
    patch = "".join(changes(folder))
    assert lock.read_text() != newer[0]
    subprocess.run(["git", "apply"], cwd=folder, input=patch, text=True, check=True)
    assert (lock.read_text(), stage.read_text()) == newer
    assert (folder / "flows" / "serve.py").is_file()
    require_installed_code(folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the wheel, and nothing of this clone."""
    folder = tmp_path_factory.mktemp("installed")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(folder / "library"), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *target], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(folder / "library")}


@pytest.mark.slow
def test_the_wheel_alone_makes_a_workspace_in_which_the_commands_work(
    installed: dict[str, str], tmp_path: Path
) -> None:
    def recipe(*words: str, folder: Path = tmp_path / "clinic") -> str:
        command = [sys.executable, "-m", "recipe.cli", *words]
        done = subprocess.run(command, cwd=folder, env=installed, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    recipe("init", "clinic", folder=tmp_path)
    folder = tmp_path / "clinic"
    load_diabetes(as_frame=True, scaled=False).frame.to_csv(folder / "patients.csv", index=False)
    (folder / "nets.py").write_text(NET)
    own = ("data=table", "data.path=patients.csv", "data.label=target", "model._target_=nets.Net", "budget=test")
    assert "patients.csv: 442 rows" in recipe("run", *own, "--until", "data")
    status = [sys.executable, "-m", "dvc", "status", "data"]
    done = subprocess.run(status, cwd=folder, env=installed, capture_output=True, text=True, check=True)
    assert "up to date" in done.stdout
    assert "loss_at_init" in recipe("check", "baseline/loss_at_init", *own)
    where = [
        sys.executable,
        "-c",
        "import recipe, flows, tasks; print(recipe.__file__, flows.__file__, tasks.__file__)",
    ]
    found = subprocess.run(where, cwd=folder, env=installed, capture_output=True, text=True, check=True).stdout
    assert str(ROOT) not in found


def test_another_version_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_workspace(tmp_path / "clinic").folder
    (folder / LOCK).write_text("# training-recipe's code: 123\n")
    monkeypatch.chdir(folder)
    assert run_command(["report"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("recipe: ")
    assert told.count("\n") == 1
