"""A copy of the project to run in, and its servers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recipe.settings.composition import compose_params

REPOSITORY = Path(__file__).parents[2]
FOLDERS = (".dvc", "conf", "flows", "recipe", "tasks")
FILES = (".dvcignore", ".gitignore", "dvc.yaml", "prefect.toml", "prefect.yaml", "requirements.lock")
MADE_BY_RUNS = shutil.ignore_patterns("cache", "tmp", "config.local")
PATIENCE = 240.0  # seconds for the servers to start on a busy machine


@dataclass(frozen=True)
class Served:
    """The servers of a workspace: their process, what it printed, and the address of Prefect's API."""

    workspace: Path
    process: subprocess.Popen[str]
    said: Path
    api: str

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run("-m", "prefect", *arguments, workspace=self.workspace, api=self.api)

    def flow(self, *arguments: str, workspace: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The recipe by hand on this server, in its workspace or in another one."""
        return run("-m", "flows.recipe", *arguments, workspace=workspace or self.workspace, api=self.api)


def copy_of_project(folder: Path) -> Path:
    """A workspace as a fresh clone has it, below `folder`, but for the byte code, which would be the same."""
    workspace = folder / "workspace"
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, workspace / name, ignore=MADE_BY_RUNS)
    for name in FILES:
        shutil.copy(REPOSITORY / name, workspace / name)
    subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    compose_params(workspace, [])
    return workspace


def environment(workspace: Path, api: str | None = None) -> dict[str, str]:
    """The user's environment with no server of theirs, nor their home's settings, but `api`."""
    foreign = ("PREFECT_", "MLFLOW_TRACKING", "PYTHONDONTWRITEBYTECODE")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own |= {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5"}  # so long a schedule takes to begin; else 60
    own |= {"PREFECT_HOME": str(workspace.parent / "home"), "DO_NOT_TRACK": "1", "COLUMNS": "300"}
    return own | ({"PREFECT_API_URL": api} if api else {})


def run(*arguments: str, workspace: Path, api: str | None = None) -> subprocess.CompletedProcess[str]:
    """Python with `arguments` in `workspace`, all it says in stdout."""
    command = [sys.executable, *arguments]
    own = environment(workspace, api)
    return subprocess.run(
        command, cwd=workspace, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


@contextmanager
def served_workspace(workspace: Path) -> Iterator[Served]:
    """The servers of `workspace`, once they answer; one interrupt ends them all."""
    with serving(workspace) as (process, said):
        api = wait_for(said, r"Prefect\s+(\S+)[\s\S]*Ctrl-C", process)[1] + "/api"
        yield Served(workspace, process, said, api)


@contextmanager
def serving(workspace: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`python -m flows.serve` in `workspace` until the block ends, and the file that what it prints goes to."""
    said = workspace.parent / "said.txt"
    with open(said, "w") as output:
        command = [sys.executable, "-m", "flows.serve"]
        own = environment(workspace) | variables
        process = subprocess.Popen(command, cwd=workspace, env=own, stdout=output, stderr=output, text=True)
    try:
        yield process, said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def wait_for(said: Path, pattern: str, process: subprocess.Popen[str]) -> re.Match[str]:
    """What `pattern` finds in `said`, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while not (match := re.search(pattern, said.read_text())):
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.2)
    return match


def event(api: str, name: str, **payload: str) -> dict[str, Any]:
    """The last event of this name and payload, once the server has written it down, which takes it some seconds."""
    deadline = time.monotonic() + PATIENCE
    while not (
        told := [one for one in events(api) if one["event"] == name and payload.items() <= one["payload"].items()]
    ):
        assert time.monotonic() < deadline, events(api)
        time.sleep(0.5)
    return told[0]


def events(api: str) -> list[dict[str, Any]]:
    """All that the server has written down but its own, the last first."""
    found = asked(api, "events/filter", {"filter": {"event": {"exclude_prefix": ["prefect."]}}})
    return list(found["events"])


def asked(api: str, path: str, body: object = None) -> Any:
    """What Prefect's API answers, as its page asks it."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{api}/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_of_project(tmp_path)
