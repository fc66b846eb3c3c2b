"""A workspace as a run on the digits leaves it, before anything is published."""

import shutil
from pathlib import Path

import pytest

from recipe.runtime.workspace import write_json
from recipe.settings.composition import compose_params
from recipe.tracking.connection import connect
from tests import exported
from tests.tracking.measuring import write_manifest


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables with nothing in them: making them takes seconds, copying them none."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    connect(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compose_params(exported.REPOSITORY, ["data=digits", "budget=quick"], out=tmp_path_factory.mktemp("params"))


@pytest.fixture
def workspace(tmp_path: Path, empty_database: Path, params: Path) -> Path:
    """A workspace with a blank in its path, as a run on the digits leaves it before anything is published."""
    workspace = tmp_path / "my work"
    (workspace / "data" / "prepared").mkdir(parents=True)
    (workspace / "dvc.yaml").write_text("stages: {}\n")
    shutil.copy(params, workspace)
    write_manifest(workspace, "the first data")
    write_json(workspace / "data" / "prepared" / "preparation.json", exported.DIGITS)
    shutil.copy(empty_database, workspace / "mlflow.db")
    return workspace
