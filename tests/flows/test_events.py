"""Events that somebody starts work on: each has reached the server before it counts as told, and tells what is so."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from flows.events import announced
from flows.monitor import STEADY_CODE, tell
from flows.retrain import carry_out, retrain
from flows.watch import watch_incoming
from recipe.deliveries.record import Outcome, untold, write_outcome
from recipe.monitoring.history import Entry, record
from recipe.pipeline.changes import is_new
from recipe.promotion.history import conclude, standing
from recipe.settings import load_settings
from recipe.tracking.decisions import PERSON, RULE, promote
from recipe.tracking.registry import CHAMPION, alias_version
from tests.challenged import NAME, challenged_workspace, client_of
from tests.flows.conftest import REPOSITORY, environment, event, events
from tests.workspaces import init_dvc

NOWHERE = "http://127.0.0.1:9/api"
VERDICT = {"promote": True, "reason": "It is better on 200 test examples.", "warning": ""}
TAKEN = Outcome("20261125T120000-monday", "monday", "accepted", new=40, why="Everything in it is good.")

STEADY = Entry(
    when="2026-11-25T12:00:00+00:00",
    data=NAME,
    batch="production/monday",
    content="0f",
    rows=80,
    unreadable=0,
    champion="1",
    unfamiliar=0.0,
    drifted=(),
    confidence=None,
    figure=None,
    labelled=0,
    verdict="pass",
)


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """A server of Prefect for these tests alone."""
    with prefect_test_harness():
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return challenged_workspace(tmp_path_factory.mktemp("challenged"))


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with a challenger, in which the test stands as a flow does."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Path(shutil.copytree(made, tmp_path / "workspace"))
    monkeypatch.chdir(workspace)
    with disable_run_logger():
        yield workspace


def test_an_event_is_there_though_the_process_is_killed_once_it_was_announced(api: str, tmp_path: Path) -> None:
    code = (
        "import os; from flows.events import announced; announced('killed', 'digits', {}) and os.kill(os.getpid(), 9)"
    )
    command, own = [sys.executable, "-c", code], environment(tmp_path / "workspace", api)
    assert subprocess.run(command, cwd=REPOSITORY, env=own, check=False).returncode == -signal.SIGKILL
    assert event(api, "killed")["resource"]["prefect.resource.id"] == "training-recipe.data.digits"


def test_a_delivery_is_told_of_once_the_server_has_its_event(api: str, workspace: Path) -> None:
    write_outcome(workspace, TAKEN)
    with temporary_settings({PREFECT_API_URL: NOWHERE}):
        watch_incoming.fn()
    assert [outcome.name for outcome in untold(workspace)] == ["monday"]
    watch_incoming.fn()
    assert not untold(workspace)
    assert event(api, "training-recipe.delivery.accepted")["payload"]["name"] == "monday"


def test_a_decision_is_told_of_and_remembered(api: str, workspace: Path) -> None:
    carry_out(workspace, load_settings(workspace), "state", standing(workspace), VERDICT)
    told = event(api, "training-recipe.model.promoted", why=VERDICT["reason"])
    assert (told["payload"]["version"], told["payload"]["champion"], told["payload"]["by"]) == ("2", "1", "rule")
    assert not is_new(workspace, "state")


def test_where_the_champion_changed_meanwhile_nothing_is_told_or_remembered(api: str, workspace: Path) -> None:
    now, verdict = standing(workspace), {**VERDICT, "reason": "Too late."}
    promote(client_of(workspace), NAME, "2", "By hand.", PERSON)
    said = carry_out(workspace, load_settings(workspace), "state", now, verdict)
    assert said.startswith("Nothing is decided on version 2")
    assert is_new(workspace, "state")
    announced("later", NAME, {})
    event(api, "later")
    assert "Too late." not in [one["payload"].get("why") for one in events(api)]


def test_a_decision_that_a_run_had_no_time_to_tell_of_is_told_of_by_the_next(api: str, workspace: Path) -> None:
    one_stage(workspace)
    conclude(workspace, standing(workspace), False, "The run was killed here.", RULE)
    ended = retrain(return_state=True)
    assert str(ended.message).startswith("Version 2 of digits was decided on before"), ended
    assert event(api, "training-recipe.model.kept-out", why="The run was killed here.")["payload"]["champion"] == "1"
    assert retrain(return_state=True).message == "Nothing is new since the last retraining."


def test_a_decision_that_no_server_took_is_not_remembered(workspace: Path) -> None:
    with temporary_settings({PREFECT_API_URL: NOWHERE}):
        carry_out(workspace, load_settings(workspace), "state", standing(workspace), VERDICT)
    assert alias_version(client_of(workspace), NAME, CHAMPION) == "2"
    assert is_new(workspace, "state")


def test_a_batch_as_training_was_is_told_of_as_steady(api: str, workspace: Path) -> None:
    record(workspace, STEADY)
    tell(workspace, STEADY_CODE)
    told = event(api, "training-recipe.monitor.steady")
    assert told["resource"]["prefect.resource.id"] == "training-recipe.monitor.digits"
    assert (told["payload"]["batch"], told["payload"]["drifted"]) == ("production/monday", [])


def one_stage(workspace: Path) -> None:
    """A pipeline that has made the final model already: one stage, whose gate is open."""
    gate = {"matrix": {"stage": ["squeeze"]}, "cmd": "true"}
    (workspace / "dvc.yaml").write_text(json.dumps({"stages": {"squeeze": {"cmd": "true"}, "gate": gate}}))
    shutil.copy(REPOSITORY / "requirements.lock", workspace)  # which stands for the digits, as conf/data says
    init_dvc(workspace)
