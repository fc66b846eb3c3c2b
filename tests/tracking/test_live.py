"""Curves of trainings that still run are in MLflow, and make room for those of the finished stage."""

import json
import time
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from recipe.runtime.live import LIVE, shown_while_running
from recipe.settings import load_settings
from recipe.tracking.connection import connect, tracking_uri
from recipe.tracking.live import Sender
from recipe.tracking.pipeline_run import read_pipeline
from recipe.tracking.publish import experiment_of, publish_stage
from tests.tracking.measuring import finding, measure, training

SECONDS = 60.0  # for a process that imports MLflow; 4 on a quiet machine


def client_of(workspace: Path) -> MlflowClient:
    return connect(tracking_uri(workspace, load_settings(workspace)))


def sender_of(workspace: Path) -> Sender:
    client, pipeline = client_of(workspace), read_pipeline(workspace)
    return Sender(client, experiment_of(client, pipeline), pipeline, "regularize")


def note(workspace: Path, key: str, *lines: object) -> None:
    folder = workspace / ".recipe" / LIVE
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{key}.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def point(step: int, loss: float) -> dict[str, object]:
    return {"step": step, "when": 1000 * step, "values": {"train_loss": loss}}


def runs_of(client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    return {run.info.run_name or "": run for run in client.search_runs([experiment.experiment_id])}


def test_points_are_sent_as_they_come_and_half_a_line_waits_for_its_end(workspace: Path) -> None:
    sender, client = sender_of(workspace), client_of(workspace)
    head = {"key": "key0", "name": "dropout=0.3 seed=0", "params": {"lr": 0.001}}
    note(workspace, "key0", head, point(10, 2.3))
    with open(workspace / ".recipe" / LIVE / "key0.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 20, "when": 20')
    sender.send()
    with open(workspace / ".recipe" / LIVE / "key0.jsonl", "a", encoding="utf-8") as file:
        file.write('000, "values": {"train_loss": 1.5}}\n')
    sender.send()
    runs = runs_of(client)
    assert {run.info.status for run in runs.values()} == {"RUNNING"}
    assert set(runs) == {"digits cnn", "regularize", "dropout=0.3 seed=0"}
    one = runs["dropout=0.3 seed=0"]
    assert one.data.params == {"lr": "0.001"}
    curve = client.get_metric_history(one.info.run_id, "train_loss")
    assert [(seen.step, seen.value) for seen in curve] == [(10, 2.3), (20, 1.5)]
    note(workspace, "key0", {"ended": True})
    sender.send()
    assert runs_of(client)["dropout=0.3 seed=0"].info.status == "FINISHED"


def test_a_published_stage_takes_the_place_of_what_was_shown_meanwhile(workspace: Path) -> None:
    sender, client = sender_of(workspace), client_of(workspace)
    note(workspace, "key0", {"key": "key0", "name": "seed=0", "params": {}}, point(10, 2.3))
    sender.end()
    assert {run.info.status for run in runs_of(client).values()} == {"KILLED"}
    measure(workspace, "regularize", finding("regularize/augment", 0.97), trainings=[training(0)])
    publish_stage(workspace, "regularize")
    runs = runs_of(client)
    assert set(runs) == {"digits cnn to regularize, pass", "regularize", "augment seed=0"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert len(client.get_metric_history(runs["augment seed=0"].info.run_id, "train_loss")) == 3


def test_a_stage_that_lasts_is_shown_by_a_process_that_ends_with_it(workspace: Path) -> None:
    client = client_of(workspace)
    until = time.monotonic() + SECONDS
    with shown_while_running(workspace, "regularize", after=0.0):
        note(workspace, "key0", {"key": "key0", "name": "seed=0", "params": {}}, point(10, 2.3))
        while client.get_experiment_by_name("digits") is None and time.monotonic() < until:
            time.sleep(0.2)  # it can only be asked
    runs = runs_of(client)
    assert [seen.value for seen in client.get_metric_history(runs["seed=0"].info.run_id, "train_loss")] == [2.3]
    assert not (workspace / ".recipe" / LIVE).exists()


def test_a_short_stage_starts_no_process_and_leaves_no_file(workspace: Path) -> None:
    with shown_while_running(workspace, "regularize"):
        note(workspace, "key0", {"key": "key0", "name": "seed=0", "params": {}})
    assert not (workspace / ".recipe" / LIVE).exists()
    assert not (workspace / ".recipe" / "live.log").exists()
