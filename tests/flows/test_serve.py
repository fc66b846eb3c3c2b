"""Prefect's server, worker and deployments, and MLflow's UI, as `make serve` starts them."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Running

from flows.abandoned import free_runs
from flows.monitor import monitor_production
from flows.schedules import kept_schedules
from flows.serve import HOST, answers, free_port
from recipe.dataset.stored import load_dataset
from recipe.deliveries.record import outcomes
from recipe.promotion.history import history
from recipe.report.findings import STAGES, read
from recipe.settings import load_settings
from recipe.tracking.connection import connect, tracking_uri
from recipe.tracking.registry import CHAMPION, alias_version
from recipe.versioning.provenance import tracked_version
from tests.deliveries.conftest import incoming, ready, shuffled_digits, write_images
from tests.finished import continued, finished_run, measured
from tests.flows.conftest import PATIENCE, Served, asked, environment, event, run, served_workspace, serving
from tests.growing import settings_of
from tests.runs import wait_for, working_in

DUE = "thresholds.squeeze.calibration.max_error=0.06"  # a finished run in which nothing but a gate is due
LOOK_SECONDS = 10
CHAIN_SECONDS = 600.0  # a machine that does other things as well takes several times as long


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Servers for a workspace whose data set grows; one interrupt ends them and leaves nothing running."""
    workspace = continued(finished_run(tmp_path_factory), tmp_path_factory.mktemp("served"))
    look_every(workspace, LOOK_SECONDS)
    with served_workspace(workspace) as servers:
        yield servers
        servers.process.send_signal(signal.SIGINT)
        assert servers.process.wait(PATIENCE) == 0
        assert working_in(workspace) == []


def look_every(workspace: Path, seconds: int) -> None:
    """Have the deployment watch/incoming look more often than it does by default, once its schedule is on."""
    described = yaml.safe_load((workspace / "prefect.yaml").read_text())
    [watch] = [one for one in described["deployments"] if one["name"] == "incoming"]
    watch["schedules"][0]["interval"] = seconds
    (workspace / "prefect.yaml").write_text(yaml.safe_dump(described))


@dataclass(frozen=True)
class OnWorker:
    """A deployment's run on the worker: what `prefect` said of it, the stages and the gates that were due in it."""

    done: subprocess.CompletedProcess[str]
    stages: list[str]
    gates: list[str]


@pytest.fixture(scope="module")
def first_run(served: Served) -> OnWorker:
    """What is due of the recipe on the worker, whose model becomes the champion."""
    before, passed = measured(served.workspace), judged(served.workspace)
    overrides = f"overrides={json.dumps(settings_of(served.workspace, DUE))}"
    done = served.prefect("deployment", "run", "recipe/default", "--param", overrides, "--watch")
    gates = [stage for stage, when in judged(served.workspace).items() if when > passed[stage]]
    return OnWorker(done, measured_since(before, served.workspace), gates)


def judged(workspace: Path) -> dict[str, int]:
    """When each gate was passed."""
    return {stage: (workspace / "gates" / stage).stat().st_mtime_ns for stage in STAGES}


def measured_since(before: dict[str, int], workspace: Path) -> list[str]:
    return [stage for stage, when in measured(workspace).items() if when > before[stage]]


def test_the_preferred_port_is_taken_only_where_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port
    with closing(socket.create_server((HOST, port))):
        assert free_port(port) != port


def test_nothing_answers_where_nobody_listens() -> None:
    assert not answers(f"http://{HOST}:{free_port()}/health")


@pytest.mark.slow
def test_every_address_that_is_printed_answers(served: Served) -> None:
    printed = re.findall(r"^(?:Prefect|MLflow)\s+(\S+)$", served.said.read_text(), flags=re.MULTILINE)
    assert len(printed) == 2
    assert all(address.startswith(f"http://{HOST}:") and answers(address) for address in printed)


@pytest.mark.slow
def test_no_command_line_names_the_database_whose_address_may_hold_a_password(served: Served) -> None:
    started = psutil.Process(served.process.pid).children(recursive=True)
    lines = [" ".join(process.cmdline()) for process in started]
    assert any("mlflow" in line for line in lines)
    assert not any("mlflow.db" in line for line in lines)


def test_the_deployments_are_applied_with_a_schedule_that_sleeps(served: Served) -> None:
    [schedule] = asked(served.api, "deployments/name/recipe/default")["schedules"]
    assert (schedule["active"], schedule["schedule"]["cron"]) == (False, "0 3 * * *")


@pytest.mark.slow
def test_a_deployment_runs_on_the_worker_what_is_due_of_the_recipe(served: Served, first_run: OnWorker) -> None:
    assert first_run.done.returncode == 0, first_run.done.stdout
    assert (first_run.stages, first_run.gates) == ([], ["squeeze"])
    assert (served.workspace / "gates" / "squeeze").read_text() == "open\n"
    assert {"squeeze-findings", "report"} <= artifacts(served)


@pytest.mark.slow
@pytest.mark.usefixtures("first_run")
def test_what_the_worker_has_run_is_not_run_again_by_hand(served: Served) -> None:
    before = measured(served.workspace)
    again = served.flow(*settings_of(served.workspace, DUE))
    assert again.returncode == 0, again.stdout
    assert measured_since(before, served.workspace) == []
    assert not re.search(r"Running stage '(?!gate@)", again.stdout)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("first_run")
def test_three_deliveries_make_one_version_one_quarantine_one_retraining_and_a_decision(served: Served) -> None:
    workspace = served.workspace
    photos, retrained = workspace / "data" / "photos", workspace / ".recipe" / "retrained.json"
    before, earlier = tracked_version(photos), measured(workspace)
    write_images(incoming(workspace, "good"), range(600, 1200))
    write_images(incoming(workspace, "half-known"), range(1000, 1400))
    labels = (shuffled_digits()[1][1400:1600] + 3) % 10
    write_images(incoming(workspace, "bad"), range(1400, 1600), labels)
    for name in ("good", "half-known", "bad"):
        ready(incoming(workspace, name))

    with on_schedule(served, "watch/incoming"):
        eventually(lambda: len(outcomes(workspace)) == 4, served)
    [first, *delivered] = outcomes(workspace)
    assert (first.kind, before) == ("first version", None)
    assert {(one.name, one.kind, one.new, one.known) for one in delivered} == {
        ("good", "accepted", 600, 0),
        ("half-known", "accepted", 200, 200),
        ("bad", "rejected", 0, 0),
    }
    assert len(list((workspace / "data" / "quarantine").iterdir())) == 1
    assert tracked_version(photos) not in (first.version, None)

    eventually(retrained.is_file, served)
    assert measured_since(earlier, workspace) == list(STAGES)
    chapters = history(workspace)
    assert [chapter.version for chapter in chapters] == ["1", "2"]
    assert (chapters[0].decision, chapters[0].data_version) == ("first", str(first.version)[:8])
    champion = alias_version(connect(tracking_uri(workspace, load_settings(workspace))), "photos", CHAMPION)
    assert chapters[1].decision == {"1": "kept out", "2": "promoted, in place of 1"}[str(champion)]
    assert "test examples" in chapters[1].why
    assert chapters[1].data_version == str(tracked_version(photos))[:8]
    assert read(workspace / "reports").run["verdict"] != "fail"
    readers = [json.loads(line)["reader"] for line in (workspace / ".recipe" / "test_ledger.jsonl").open()]
    assert readers.count("retrain/challenge") == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("first_run")
def test_the_newest_batch_is_compared_on_the_worker_and_an_event_tells_what_came_of_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_of_other_digits(served.workspace, "tuesday")
    done = served.prefect("deployment", "run", "monitor/production", "--watch")
    monkeypatch.chdir(served.workspace)

    assert done.returncode == 0, done.stdout
    assert monitor_production.fn("production").message == "Every batch in production has been monitored."
    told = event(served.api, "training-recipe.monitor.drifted")
    assert told["resource"]["prefect.resource.id"] == "training-recipe.monitor.photos"
    assert told["payload"]["batch"] == "production/tuesday"
    assert told["payload"]["unfamiliar"] == 1.0
    assert told["payload"]["drifted"][0] == "brightness"
    assert "monitor-findings" in artifacts(served)
    assert len((served.workspace / ".recipe" / "monitor.jsonl").read_text().splitlines()) == 1


def test_a_run_that_the_server_takes_for_running_is_freed_and_a_schedule_that_is_on_stays_so(served: Served) -> None:
    night = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 * * *", timezone="UTC"), active=False)
    with SyncPrefectClient(served.api) as client:
        client.create_work_pool(WorkPoolCreate(name="left", type="process"))
        flow = client.create_flow_from_name("left")
        deployment = client.create_deployment(flow, "left", work_pool_name="left", schedules=[night])
        run = client.create_flow_run_from_deployment(deployment, state=Running())
        assert free_runs(served.api, "left") == 1
        state = client.read_flow_run(run.id).state
        assert state is not None and state.is_crashed() and "start it again" in str(state.message)
        assert free_runs(served.api, "left") == 0

        (schedule,) = client.read_deployment_schedules(deployment)
        client.update_deployment_schedule(deployment, schedule.id, active=True)
        with kept_schedules(served.api):
            client.create_deployment(flow, "left", work_pool_name="left", schedules=[night])
            assert [one.active for one in client.read_deployment_schedules(deployment)] == [False]
        assert [one.active for one in client.read_deployment_schedules(deployment)] == [True]
        client.delete_deployment(deployment)


def test_a_second_start_beside_the_first_is_refused(served: Served) -> None:
    done = run("-m", "flows.serve", workspace=served.workspace)
    assert done.returncode == 2 and "Another run" in done.stdout


def test_the_reports_are_served_to_this_machine(served: Served) -> None:
    address = re.search(r"reports\s+(\S+)", served.said.read_text())
    assert address is not None and address[1].startswith(f"http://{HOST}:")
    assert answers(f"{address[1]}/findings.json") and not answers(f"{address[1]}/../params.yaml")


@pytest.mark.slow
def test_a_closed_gate_ends_the_flow_with_the_reason_and_code_1(
    served: Served, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    workspace = continued(finished_run(tmp_path_factory), tmp_path)
    limit = "thresholds.baseline.special_case.max_output_difference=0"  # no two ways of rounding agree to 0
    done = served.flow(*settings_of(workspace, limit), "--until", "baseline", workspace=workspace)
    assert done.returncode == 1, done.stdout
    assert "Gate closed" in done.stdout
    assert "baseline/special_case" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_a_misspelt_setting_ends_the_flow_in_one_sentence_and_code_2(served: Served, project: Path) -> None:
    done = served.flow("data=digits", "batch_sise=8", workspace=project)
    assert done.returncode == 2, done.stdout
    assert "batch_size" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_an_interrupted_flow_ends_with_130_and_leaves_nothing_running(
    served: Served, project: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "flows.recipe", "data=digits", "budget=quick"]
    flow = subprocess.Popen(command, cwd=project, env=environment(project, served.api), stderr=subprocess.DEVNULL)
    lock = project / ".recipe" / "lock"  # which holds the id of the process that works
    while not lock.is_file() or lock.read_text() in ("", str(flow.pid)):
        assert flow.poll() is None
        time.sleep(0.05)
    flow.send_signal(number)
    assert flow.wait(60) == 130
    assert working_in(project) == []


@pytest.mark.slow
def test_a_server_that_dies_is_named_and_the_others_are_stopped(project: Path) -> None:
    with serving(project) as (process, said):
        wait_for(project, "mlflow", "server", seconds=PATIENCE).kill()
        assert process.wait(120) == 1
    assert "mlflow ended by itself" in said.read_text()
    assert working_in(project) == []


@contextmanager
def on_schedule(served: Served, deployment: str) -> Iterator[None]:
    """The deployment's own schedule switched on, as its page says, and off again."""
    [schedule] = asked(served.api, f"deployments/name/{deployment}")["schedules"]
    resumed = served.prefect("deployment", "schedule", "resume", deployment, schedule["id"])
    assert resumed.returncode == 0, resumed.stdout
    yield
    served.prefect("deployment", "schedule", "pause", deployment, schedule["id"])


def eventually(holds: Callable[[], bool], served: Served) -> None:
    deadline = time.monotonic() + CHAIN_SECONDS
    while not holds():
        assert time.monotonic() < deadline, served.prefect("flow-run", "ls").stdout
        time.sleep(0.5)


def batch_of_other_digits(workspace: Path, name: str) -> None:
    """Held-out images, black for white, as a flat folder among the batches in production/."""
    dataset = load_dataset(workspace, load_settings(workspace))
    rows = np.random.default_rng(0).permutation(dataset.where("test"))[:80]
    folder = workspace / "production" / name
    folder.mkdir(parents=True)
    for row in rows:
        Image.fromarray(255 - np.array(dataset.inputs[row, 0])).save(folder / f"{row}.png")


def artifacts(served: Served) -> set[str]:
    """The keys of what Prefect's page shows."""
    return {one["key"] for one in asked(served.api, "artifacts/latest/filter", {})}
