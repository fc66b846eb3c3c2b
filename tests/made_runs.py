"""Runs of the pipeline made in seconds: the stages that the model comes out of, in this process, then published."""

import importlib
import subprocess
import sys
from pathlib import Path

from recipe.pipeline.stage import Stage
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.tracking.connection import connect, tracking_uri
from recipe.tracking.pipeline_run import PARENT
from recipe.tracking.publish import publish_stage
from recipe.training.fit import MEMORY
from tests.short_stages import SHORT_STAGES
from tests.workspaces import ROOT, run

TINY = (
    "budget=test",
    "budget.steps=20",
    "budget.most_steps=40",
    "fanout.backend=sequential",
    *SHORT_STAGES,
)  # little is learnt, and what no model comes out of costs next to nothing
AUTHOR = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")

# A net of one's own, one that ignores its input, and a table that they are trained on
NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self, input_shape, n_outputs):
        super().__init__()
        self.layer = torch.nn.Linear(input_shape[0], n_outputs)

    def forward(self, inputs):
        return self.layer(inputs)
"""
BROKEN = NET.replace("self.layer(inputs)", "self.layer(inputs * 0)")
OWN = ("data=table", "data.path=rows.csv", "data.label=target", "model._target_=nets.Net", "optimizer.lr=1e-2")


def make_run(workspace: Path, *overrides: str) -> str:
    """The version that is registered; no gate is asked, so that no test hangs on how well so little learns.

    A module of one's own is imported once a process: where it has been edited since, see `make_run_apart`.
    """
    compose_params(workspace, [*TINY, *overrides])
    for name in ("ingest", "regularize", "tune", "squeeze"):
        MEMORY.clear()  # each stage has a process of its own where a person runs it
        stage = Stage(name, workspace, load_settings(workspace))
        importlib.import_module(f"tasks.{name}").work(stage)
        stage.write()
    run_id, settings = publish_stage(workspace, "squeeze"), load_settings(workspace)
    client = connect(tracking_uri(workspace, settings))
    pipeline = client.get_run(str(run_id)).data.tags[PARENT]
    versions = client.search_model_versions(f"name = '{settings.data.name}'")
    return str(max(int(version.version) for version in versions if version.run_id == pipeline))


def make_run_apart(workspace: Path, *overrides: str) -> str:
    """The same in a process of its own."""
    command = (sys.executable, "-m", "tests.made_runs", *overrides)
    done = run(workspace, *command, PYTHONPATH=f"{workspace}:{ROOT}")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def commit(workspace: Path, message: str) -> str:
    """The commit of all that is in the workspace now."""
    for words in (("init", "-q"), ("add", "-A"), (*AUTHOR, "commit", "-qm", message)):
        subprocess.run(["git", *words], cwd=workspace, check=True)
    answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=workspace, check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def dvc_add(workspace: Path, name: str) -> None:
    """What `dvc add` does there, without its process."""
    from dvc.repo import Repo

    with Repo(str(workspace)) as repo:
        repo.add(str(workspace / name))


if __name__ == "__main__":
    sys.stdout.write(make_run(Path.cwd(), *sys.argv[1:]))
