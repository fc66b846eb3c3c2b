"""A workspace whose final model is a challenger in a registry of its own; nothing is trained, a model is a file."""

import json
from pathlib import Path

from mlflow.tracking import MlflowClient

from recipe.settings.composition import compose
from recipe.tracking.connection import connect, workspace_uri
from recipe.tracking.decisions import enter
from recipe.tracking.registry import register_model
from recipe.versioning.provenance import FINAL_MODEL
from tests.workspaces import ROOT

NAME = "digits"


def challenged_workspace(folder: Path) -> Path:
    """A workspace whose champion is version 1, and whose final model is version 2, which nothing was decided on."""
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "dvc.yaml").write_text("stages: {}\n")
    write_settings(workspace, "data=digits")
    for content in ("the first", "the second"):
        make_final_model(workspace, content)
        register(workspace, NAME)
    return workspace


def write_settings(workspace: Path, *overrides: str) -> None:
    (workspace / "params.yaml").write_text(json.dumps(compose(ROOT, overrides)))


def make_final_model(workspace: Path, content: str) -> None:
    (workspace / FINAL_MODEL).mkdir(parents=True, exist_ok=True)
    (workspace / FINAL_MODEL / "model").write_text(content)


def register(workspace: Path, name: str) -> str:
    """The version of the workspace's final model among those of `name`."""
    client = client_of(workspace)
    found = client.get_experiment_by_name(name)
    place = str(workspace / "mlruns")
    experiment = found.experiment_id if found else client.create_experiment(name, artifact_location=place)
    run = client.create_run(experiment)
    version = register_model(client, name, workspace / FINAL_MODEL, run.info.run_id, {})
    enter(client, name, version)
    return version


def client_of(workspace: Path) -> MlflowClient:
    return connect(workspace_uri(workspace))
