"""Workspaces of their own for tests that run commands: what a clone would hold, without its virtual environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HELD = (
    "conf",
    "dvc.yaml",
    "requirements.lock",
    "tasks",
    "flows",
    "recipe",
    "prefect.toml",
    "prefect.yaml",
    ".dvcignore",
)
RECIPE = (sys.executable, "-m", "recipe.cli")


def make_workspace(folder: Path) -> Path:
    """A workspace at `folder` with the code and settings of this project, byte code included, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in HELD:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True)
        else:
            shutil.copy(source, folder / name)
    init_dvc(folder)
    return folder


def init_dvc(folder: Path) -> None:
    """What `dvc init --no-scm` does there, without its process."""
    from dvc.repo import Repo

    Repo.init(str(folder), no_scm=True).close()


def run(workspace: Path, *command: str, timeout: float = 600, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the workspace, with its own code first."""
    return subprocess.run(
        command,
        cwd=workspace,
        env={**environment(workspace), **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def recipe(workspace: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`recipe ARGUMENTS` in the workspace."""
    return run(workspace, *RECIPE, *arguments, **variables)


def environment(workspace: Path) -> dict[str, str]:
    """What a command in the workspace sees: its own code first, and a terminal that is none."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    own = {"PATH": path, "PYTHONPATH": str(workspace), "NO_COLOR": "1", "COLUMNS": "120"}
    # Whoever tests with no byte code kept would not see what a user's Python leaves beside the code.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | own


def metrics_of(workspace: Path) -> dict[str, str]:
    """Every file of metrics/, as text: what must be equal to the last digit."""
    return {path.name: path.read_text() for path in sorted((workspace / "metrics").glob("*.json"))}
