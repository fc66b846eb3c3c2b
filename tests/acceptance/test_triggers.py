"""Retrainings on a server and a worker that nobody waits for, and one that waits for a person."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from recipe.deliveries.record import outcomes
from recipe.pipeline.changes import is_new, state_of
from recipe.runtime.workspace import RUN_LOCK
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.tracking.connection import connect
from recipe.tracking.decisions import PERSON, RULE, Ruling, rulings
from recipe.tracking.registry import CHALLENGER, CHAMPION, alias_version
from recipe.versioning.provenance import tracked_version
from tests.deliveries.conftest import images_in, incoming, ready, write_images
from tests.flows.conftest import Served, run, served_workspace
from tests.growing import HELD, growing_workspace, settings_of
from tests.workspaces import RECIPE, environment, recipe

TRIGGERS = 10
DELIVERED = 300
ANSWERED_SECONDS = 1800.0
CERTAIN = ("retrain.rule.require=not_worse", "retrain.rule.margin=0.5")  # a challenger that the rule would promote

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Servers for a workspace with a first champion."""
    workspace = growing_workspace(tmp_path_factory.mktemp("triggered"))
    first = run("-m", "flows.retrain", workspace=workspace)
    assert first.returncode == 0, first.stdout
    with served_workspace(workspace) as servers:
        yield servers


@pytest.fixture
def prefect(served: Served) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(served.api) as client:
        yield client


def test_ten_triggers_and_a_run_by_hand_are_each_answered(served: Served, prefect: SyncPrefectClient) -> None:
    workspace = served.workspace
    ready(write_images(incoming(workspace, "new"), range(HELD, HELD + DELIVERED)))
    by_hand = subprocess.Popen(
        [*RECIPE, "run", *settings_of(workspace, "seed=1")],
        cwd=workspace,
        env=environment(workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while (workspace / ".recipe" / RUN_LOCK).read_text() != str(by_hand.pid):
        assert by_hand.poll() is None
        time.sleep(0.01)
    names = ["watch/incoming", *["retrain/nightly", "retrain/on-new-data", "recipe/default"] * 3][:TRIGGERS]
    runs = [trigger(prefect, name, overrides_of(workspace, name)) for name in names]
    beside = recipe(workspace, "run", *settings_of(workspace, "seed=1"))

    _, refused = by_hand.communicate(timeout=ANSWERED_SECONDS)
    assert by_hand.returncode == 0, refused
    assert beside.returncode == 2 and "another" in beside.stderr.lower(), beside.stderr
    wait_until_quiet(prefect, workspace)

    ended = [prefect.read_flow_run(run).state for run in runs]
    assert Counter(state.name for state in ended if state) == {"Completed": TRIGGERS}
    [outcome] = [outcome for outcome in outcomes(workspace) if outcome.name == "new"]
    assert (outcome.kind, outcome.new) == ("accepted", DELIVERED)
    assert images_in(workspace) == HELD + DELIVERED
    assert outcome.version == tracked_version(workspace / "data" / "photos")
    told = decisions(workspace)
    assert [ruling.version for ruling in told] == [str(number) for number in range(1, len(told) + 1)]
    assert len(told) in (2, 3)  # with the run by hand, and with the delivery
    client = connect(f"sqlite:///{workspace / 'mlflow.db'}")
    assert alias_version(client, "photos", CHAMPION) == [ruling.version for ruling in told if ruling.crowns][-1]
    assert alias_version(client, "photos", CHALLENGER) is None
    again = recipe(workspace, "run", *settings_of(workspace, "seed=1"))
    assert again.returncode == 0 and "Running" not in again.stderr, again.stderr


@pytest.mark.parametrize("promoted", [True, False], ids=["approved", "not-approved"])
def test_a_person_decides_in_the_page_while_the_flow_waits(
    served: Served, prefect: SyncPrefectClient, promoted: bool
) -> None:
    workspace = served.workspace
    compose_params(workspace, settings_of(workspace, f"seed={2 + promoted}", "retrain.approval=manual", *CERTAIN))
    run_id = trigger(prefect, "retrain/nightly")
    wait_for_state(prefect, run_id, "Paused")
    artifacts = served.prefect("artifact", "ls").stdout
    assert "report" in artifacts and "challenge" in artifacts
    prefect.resume_flow_run(run_id, run_input={"promote": promoted, "why": "The curator has seen it."})
    wait_for_state(prefect, run_id, "Completed")
    last = decisions(workspace)[-1]
    assert (last.action, last.by) == ("promoted" if promoted else "kept out", PERSON)
    assert last.why.startswith("The curator has seen it. ")


def test_where_nobody_answers_the_champion_stays(served: Served, prefect: SyncPrefectClient) -> None:
    workspace = served.workspace
    hours = ("retrain.approval=manual", "retrain.approval_hours=0.003")
    compose_params(workspace, settings_of(workspace, "seed=4", *hours, *CERTAIN))
    run_id = trigger(prefect, "retrain/nightly")
    wait_for_state(prefect, run_id, "Completed")
    last = decisions(workspace)[-1]
    assert (last.action, last.by) == ("kept out", RULE)
    assert last.why.startswith("Nobody approved of it within 0.003 hours")


def test_where_no_server_runs_the_champion_stays_and_the_command_that_promotes_is_told(served: Served) -> None:
    workspace = served.workspace
    before = decisions(workspace)
    done = run(
        "-m",
        "flows.retrain",
        *settings_of(workspace, "seed=5", "retrain.approval=manual", *CERTAIN),
        workspace=workspace,
    )
    assert done.returncode == 0, done.stdout
    assert "`recipe promote" in done.stdout
    assert decisions(workspace) == before


def trigger(prefect: SyncPrefectClient, deployment: str, overrides: list[str] | None = None) -> UUID:
    """The flow run that a deployment is asked for."""
    parameters = {"overrides": overrides} if overrides else {}
    found = prefect.read_deployment_by_name(deployment)
    return prefect.create_flow_run_from_deployment(found.id, parameters=parameters).id


def overrides_of(workspace: Path, deployment: str) -> list[str] | None:
    """A recipe run names its settings, the others take those that are there."""
    return settings_of(workspace, "seed=1") if deployment == "recipe/default" else None


def wait_for_state(prefect: SyncPrefectClient, run_id: UUID, name: str) -> None:
    deadline = time.monotonic() + ANSWERED_SECONDS
    while (state := prefect.read_flow_run(run_id).state) is None or state.name != name:
        assert state is None or not state.is_final(), f"{state.name}: {state.message}"
        assert time.monotonic() < deadline, state
        time.sleep(1)


def wait_until_quiet(prefect: SyncPrefectClient, workspace: Path) -> None:
    """Until every run on the server has ended, those by the event of the delivery among them."""
    deadline = time.monotonic() + ANSWERED_SECONDS
    while working(prefect) or is_new(workspace, state_of(workspace, load_settings(workspace))):
        assert time.monotonic() < deadline, working(prefect)
        time.sleep(2)


def working(prefect: SyncPrefectClient) -> list[FlowRun]:
    """The flow runs that have not ended, but for those a schedule will start some day."""
    return [
        run for run in prefect.read_flow_runs() if run.state and not run.state.is_final() and not run.auto_scheduled
    ]


def decisions(workspace: Path) -> list[Ruling]:
    return rulings(connect(f"sqlite:///{workspace / 'mlflow.db'}"), "photos")
