"""Prefect's server, worker and deployments, and MLflow's UI, as `make serve` starts them."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer

from flows.serve import HOST, answers, free_port
from recipe.dataset import load_dataset
from recipe.settings import load_settings
from tests.flows.conftest import PATIENCE, Served, environment, serving
from tests.runs import wait_for, working_in

EVENTS = "training-recipe.monitor."


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
def test_the_deployments_are_applied_with_a_schedule_that_sleeps(served: Served) -> None:
    shown = served.prefect("deployment", "inspect", "recipe/default").stdout
    assert "'active': False" in shown
    assert "'cron': '0 3 * * *'" in shown


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_deployment_runs_the_whole_recipe_on_the_worker(served: Served) -> None:
    overrides = 'overrides=["data=digits","budget=quick"]'
    done = served.prefect("deployment", "run", "recipe/default", "--param", overrides, "--watch")
    assert done.returncode == 0, done.stdout
    assert (served.workspace / "gates" / "squeeze").read_text() == "open\n"
    artifacts = served.prefect("artifact", "ls").stdout
    assert "squeeze-findings" in artifacts
    assert "report" in artifacts


@pytest.mark.slow
def test_what_the_worker_has_run_is_not_run_again_by_hand(served: Served) -> None:
    again = served.flow("data=digits", "budget=quick")
    assert again.returncode == 0, again.stdout
    assert "Running stage" not in again.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_newest_batch_is_compared_on_the_worker_and_an_event_tells_what_came_of_it(served: Served) -> None:
    made = served.flow("data=digits", "budget=quick", "--until", "ingest")
    assert made.returncode == 0, made.stdout

    batch_of_digits(served.workspace, "monday")
    steady = served.prefect("deployment", "run", "monitor/production", "--watch")
    batch_of_digits(served.workspace, "tuesday", invert=True)
    drifted = served.prefect("deployment", "run", "monitor/production", "--watch")
    idle = served.prefect("deployment", "run", "monitor/production", "--watch")

    assert steady.returncode == drifted.returncode == idle.returncode == 0, steady.stdout + drifted.stdout
    told = events_of_both(served)
    assert told["drifted"]["resource"]["prefect.resource.id"] == "training-recipe.monitor.digits"
    assert told["steady"]["payload"]["batch"] == "production/monday"
    assert told["drifted"]["payload"]["unfamiliar"] == 1.0
    assert told["drifted"]["payload"]["drifted"][0] == "brightness"
    assert "monitor-findings" in served.prefect("artifact", "ls").stdout
    assert len((served.workspace / ".recipe" / "monitor.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_closed_gate_ends_the_flow_with_the_reason_and_code_1(served: Served) -> None:
    rows = load_breast_cancer(as_frame=True).frame
    rows.assign(diagnosis=rows["target"]).to_csv(served.workspace / "rows.csv", index=False)
    done = served.flow("data=table", "data.path=rows.csv", "data.label=target", "--until", "data")
    assert done.returncode == 1, done.stdout
    assert "Gate closed" in done.stdout
    assert "data/leakage" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_a_misspelt_setting_ends_the_flow_in_one_sentence_and_code_2(served: Served) -> None:
    done = served.flow("data=digits", "batch_sise=8")
    assert done.returncode == 2, done.stdout
    assert "batch_size" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_a_stage_that_does_not_exist_is_one_sentence_with_the_nearest(served: Served) -> None:
    done = served.flow("--until", "basline")
    assert done.returncode == 2, done.stdout
    assert "did you mean 'baseline'?" in done.stdout
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


@pytest.mark.slow
def test_one_interrupt_stops_everything(served: Served) -> None:
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(120) == 0
    assert working_in(served.workspace) == []


def batch_of_digits(workspace: Path, name: str, invert: bool = False) -> Path:
    """Held-out images as a flat folder among the batches in production/."""
    dataset = load_dataset(workspace, load_settings(workspace))
    rows = np.random.default_rng(0).permutation(dataset.where("test"))[:80]
    folder = workspace / "production" / name
    folder.mkdir(parents=True)
    for row in rows:
        pixels = np.array(dataset.inputs[row, 0])
        Image.fromarray(255 - pixels if invert else pixels).save(folder / f"{row}.png")
    return folder


def events(served: Served) -> dict[str, dict[str, Any]]:
    """The last event of each kind, as the server keeps them, by what follows the common part of its name."""
    body = json.dumps({"filter": {"event": {"prefix": [EVENTS]}}}).encode()
    request = urllib.request.Request(f"{served.api}/events/filter", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.loads(answer.read())["events"]
    return {one["event"].removeprefix(EVENTS): one for one in reversed(found)}


def events_of_both(served: Served) -> dict[str, dict[str, Any]]:
    """The events, once the server has taken in both; it keeps them a moment after they were sent."""
    deadline = time.monotonic() + PATIENCE
    while set(told := events(served)) != {"steady", "drifted"}:
        assert time.monotonic() < deadline, told
        time.sleep(0.5)
    return told
