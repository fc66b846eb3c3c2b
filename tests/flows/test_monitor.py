"""A batch from production under Prefect; tests/flows/test_serve.py has it on a worker."""

from pathlib import Path

import pytest
import yaml
from prefect.logging import disable_run_logger

from flows.monitor import monitor_production
from recipe.settings.composition import compose_params
from tests.flows.conftest import REPOSITORY
from tests.workspaces import make_workspace


def test_the_deployment_comes_with_a_schedule_that_sleeps() -> None:
    deployments = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    [production] = [one for one in deployments if one["entrypoint"] == "flows.monitor.monitor_production"]
    assert production["name"] == "production"
    assert [schedule["active"] for schedule in production["schedules"]] == [False]


def test_without_prepared_data_the_flow_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    compose_params(workspace, ["data=digits"])
    (workspace / "production").mkdir()
    monkeypatch.chdir(workspace)

    with disable_run_logger():
        state = monitor_production.fn("production")

    assert state.is_failed() and state.name == "Bad input"
    assert state.message is not None and "`recipe run --until ingest`" in state.message
