"""Publishing to MLflow from files: what a person finds there, and that publishing twice changes nothing."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from recipe.evidence import at_least, at_most
from recipe.inference.predict import load_folder
from recipe.report.published import published_runs
from recipe.runtime.workspace import git_commit, write_json
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.tracking.connection import TrackingError, connect, tracking_uri
from recipe.tracking.pipeline_run import data_version
from recipe.tracking.publish import CHALLENGES, publish_stage
from tests import exported
from tests.tracking.measuring import finding, measure, training, write_manifest

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")
KEPT = ("params.yaml", "data_version.json")
STAGES = ("ingest", "data", "baseline", "overfit", "regularize", "tune", "squeeze")


def client_of(workspace: Path) -> MlflowClient:
    return connect(tracking_uri(workspace, load_settings(workspace)))


def runs_of(workspace: Path) -> list[Run]:
    client = client_of(workspace)
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def test_the_metric_that_decides_names_the_run_and_the_others_stand_beside_it(workspace: Path) -> None:
    compose_params(exported.REPOSITORY, ["data=digits", "budget=quick", "metrics=[f1,AUC]"], out=workspace)
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.874))
    write_json(workspace / "metrics" / "final.json", {"F1": 0.874, "F1_low": 0.8, "AUC": 0.95, "AUC_low": 0.9})
    publish_stage(workspace, "squeeze")
    run = named(runs_of(workspace), is_pipeline)
    assert run.info.run_name == "digits cnn 0.874 F1 [0.864, 0.884], pass"
    shown = {"F1": 0.874, "F1_low": 0.864, "F1_high": 0.884, "AUC": 0.95}
    assert {name: run.data.metrics[name] for name in shown} == shown
    assert "accuracy" not in run.data.metrics and "AUC_low" not in run.data.metrics


def is_pipeline(name: str) -> bool:
    return name.startswith("digits cnn")


def named(runs: list[Run], accept: Callable[[str], bool]) -> Run:
    (run,) = [run for run in runs if accept(run.info.run_name)]
    return run


def test_a_run_a_stage_below_it_and_a_training_below_that_have_names_a_person_can_read(workspace: Path) -> None:
    measure(workspace, "regularize", finding("regularize/augment", 0.97), trainings=[training(0), training(1)])
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.986))
    run_id = publish_stage(workspace, "squeeze")
    runs = runs_of(workspace)
    names = {run.info.run_id: run.info.run_name for run in runs}
    parents = {run.info.run_name: names.get(run.data.tags.get("mlflow.parentRunId", "")) for run in runs}
    name = "digits cnn 98.6 % accuracy [97.6, 99.6], pass"
    assert parents == {
        name: None,
        "regularize": name,
        "squeeze": name,
        "augment seed=0": "regularize",
        "augment seed=1": "regularize",
    }
    assert names[str(run_id)] == "squeeze"
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_runs_hold_settings_figures_curves_pictures_tables_and_findings(workspace: Path) -> None:
    load = {"gpu_memory": [[0.0, 1.0], [1.5, 2.0]]}
    augment = finding("regularize/augment", 0.97)
    measure(workspace, "regularize", augment, trainings=[training(1, points=500)], load=load)
    for name in ("figures/regularize.augment.gain.png", "tables/regularize.augment.csv"):
        (workspace / "reports" / "regularize" / name).parent.mkdir()
        (workspace / "reports" / "regularize" / name).write_bytes(b"content")
    run_id = str(publish_stage(workspace, "regularize"))
    client, runs = client_of(workspace), runs_of(workspace)
    pipeline = named(runs, is_pipeline)
    assert pipeline.data.params["model.width"] == "16" and pipeline.data.params["budget.name"] == "quick"
    assert not [name for name in pipeline.data.params if name.startswith(("thresholds", "fanout", "tracking"))]
    assert set(pipeline.data.metrics) == {"seconds", "practices pass", "practices warn", "practices fail"}
    assert pipeline.data.metrics["practices pass"] == 1
    assert pipeline.inputs is not None and pipeline.inputs.dataset_inputs[0].dataset.name == "digits"
    assert pipeline.data.tags["mlflow.user"] and pipeline.data.tags["mlflow.source.name"] == "recipe"
    stage = client.get_run(run_id)
    assert stage.data.metrics["augment"] == 0.97 and stage.data.tags["regularize/augment"] == "pass"
    assert stage.data.tags["gpu_0"] == "NVIDIA H200"
    assert stage.data.tags["recipe.data_version"] == data_version(workspace)
    assert client.get_experiment(stage.info.experiment_id).tags["mlflow.experimentKind"] == "custom_model_development"
    assert [point.value for point in client.get_metric_history(run_id, "system/gpu_memory")] == [1.0, 2.0]
    artifacts = {item.path for folder in ("figures", "tables", None) for item in client.list_artifacts(run_id, folder)}
    assert {"figures/regularize.augment.gain.png", "tables/regularize.augment.csv", "findings.json"} <= artifacts
    child = named(runs, lambda name: name == "augment seed=1")
    curve = client.get_metric_history(child.info.run_id, "train_loss")
    assert len(curve) == 200 and (curve[0].step, curve[-1].step) == (0, 499)
    assert child.data.params == {"seed": "1", "lr": "0.001"}
    assert child.data.metrics["final validation_loss"] == 0.25 and child.data.metrics["best_epoch"] == 3


def test_the_pipelines_run_keeps_what_it_can_be_made_again_from(workspace: Path) -> None:
    measure(workspace, "data", finding("data/blank", 0.5))
    publish_stage(workspace, "data")
    client, pipeline = client_of(workspace), named(runs_of(workspace), is_pipeline)
    kept = {name: Path(client.download_artifacts(pipeline.info.run_id, name)) for name in KEPT}
    assert kept["params.yaml"].read_bytes() == (workspace / "params.yaml").read_bytes()
    version = json.loads(kept["data_version.json"].read_text())
    assert version["md5"] is None and version["prepared"] == data_version(workspace)
    assert pipeline.data.tags["recipe.code"]


def test_publishing_twice_changes_nothing_and_does_not_touch_mlflow(workspace: Path) -> None:
    measure(workspace, "regularize", finding("regularize/augment", 0.97), trainings=[training(0)])
    first = publish_stage(workspace, "regularize")
    database = (workspace / "mlflow.db").read_bytes()
    assert publish_stage(workspace, "regularize") == first
    assert (workspace / "mlflow.db").read_bytes() == database
    (workspace / ".recipe" / "mlflow_runs.json").unlink()
    assert publish_stage(workspace, "regularize") == first
    assert len(runs_of(workspace)) == 3


def test_nothing_heavy_is_imported_when_nothing_is_new(workspace: Path) -> None:
    measure(workspace, "data", finding("data/blank", 0.5))
    run_id = publish_stage(workspace, "data")
    assert publish_alone(workspace, "data", "not {'mlflow', 'torch', 'sqlalchemy'} & set(sys.modules)") == run_id


def publish_alone(workspace: Path, stage: str, holds: str = "True") -> str:
    """Publish in a process of its own, as a gate does, and see that it prints nothing; gives the run's id."""
    code = (
        "import sys; from pathlib import Path; from recipe.tracking.publish import publish_stage;"
        f"publish_stage(Path(sys.argv[1]), sys.argv[2]); assert {holds}"
    )
    environment = {**os.environ, "PYTHONPATH": str(exported.REPOSITORY)}
    command = [sys.executable, "-c", code, str(workspace), stage]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    return published_runs(workspace)[stage]["run_id"]


def test_a_changed_threshold_updates_the_verdict_in_the_same_runs(workspace: Path) -> None:
    limit = next(iter(_thresholds(workspace)["data"]["blank"]))
    measure(workspace, "data", finding("data/blank", 0.5, at_least(0.5, limit)))
    _set_threshold(workspace, limit, 0.1)
    first = publish_stage(workspace, "data")
    _set_threshold(workspace, limit, 0.9)
    assert publish_stage(workspace, "data") == first
    client = client_of(workspace)
    run = client.get_run(str(first))
    assert (run.info.status, run.data.tags["data/blank"]) == ("FAILED", "fail")
    assert len(client.get_metric_history(str(first), "blank")) == 1
    assert {run.info.status for run in runs_of(workspace)} == {"FAILED"} and len(runs_of(workspace)) == 2
    told = named(runs_of(workspace), is_pipeline).data.tags["recipe.verdicts"].splitlines()
    assert [line.rpartition(": ")[2] for line in told] == ["pass", "fail, data/blank fail"]


def _thresholds(workspace: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((workspace / "params.yaml").read_text())["thresholds"]
    return content


def _set_threshold(workspace: Path, limit: str, value: float) -> None:
    params = yaml.safe_load((workspace / "params.yaml").read_text())
    params["thresholds"]["data"]["blank"][limit] = value
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))


def test_changed_settings_or_data_are_another_run_which_holds_the_stages_before_it_too(workspace: Path) -> None:
    for stage in STAGES[:3]:
        measure(workspace, stage, finding(f"{stage}/first", 0.5))
    first = publish_stage(workspace, "baseline")
    write_manifest(workspace, "the second data")
    second = publish_stage(workspace, "baseline")
    runs = runs_of(workspace)
    assert first != second
    assert sorted(run.info.run_name for run in runs) == sorted(2 * ["digits cnn to baseline, pass", *STAGES[:3]])
    assert publish_stage(workspace, "data") != second


def test_the_data_version_is_dvcs_own_where_it_has_one(workspace: Path) -> None:
    lock = {"stages": {"ingest": {"outs": [{"path": "data/prepared", "md5": "abc.dir"}]}}}
    assert data_version(workspace) != "abc.dir"
    (workspace / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert data_version(workspace) == "abc.dir"


def test_a_deleted_database_is_filled_again_with_all_that_led_to_the_stage(workspace: Path) -> None:
    for stage in STAGES[:2]:
        measure(workspace, stage, finding(f"{stage}/first", 0.5))
    first = publish_alone(workspace, "data")
    (workspace / "mlflow.db").unlink()
    assert publish_alone(workspace, "data") != first
    assert sorted(run.info.run_name for run in runs_of(workspace)) == ["data", "digits cnn to data, pass", "ingest"]
    assert set(published_runs(workspace)) == {"ingest", "data"}


def test_a_training_that_came_out_differently_replaces_the_old_one(workspace: Path) -> None:
    measure(workspace, "tune", finding("tune/bayesian", 0.5), trainings=[training(0), training(1)])
    publish_stage(workspace, "tune")
    before = {run.info.run_name: run.info.run_id for run in runs_of(workspace)}
    changed = {**training(1), "metrics": {"validation_loss": 0.125}}
    measure(workspace, "tune", finding("tune/bayesian", 0.5), trainings=[training(0), changed])
    publish_stage(workspace, "tune")
    after = {run.info.run_name: run for run in runs_of(workspace)}
    assert len(after) == len(before)
    assert after["augment seed=0"].info.run_id == before["augment seed=0"]
    assert after["augment seed=1"].data.metrics["final validation_loss"] == 0.125


def test_a_stage_that_has_not_measured_has_no_run(workspace: Path) -> None:
    assert publish_stage(workspace, "data") is None
    assert published_runs(workspace) == {}


def test_an_open_gate_after_squeeze_registers_the_final_model_once(workspace: Path) -> None:
    exported.export_digits(workspace / "models" / "final", members=1)
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.986))
    run_id = publish_stage(workspace, "squeeze")
    (workspace / ".recipe" / "mlflow_runs.json").unlink()
    publish_stage(workspace, "squeeze")
    client = client_of(workspace)
    (version,) = client.search_model_versions("name = 'digits'")
    pipeline = client.get_run(str(version.run_id))
    assert pipeline.info.run_id == client.get_run(str(run_id)).data.tags["mlflow.parentRunId"]
    assert {name: pipeline.data.metrics[name] for name in ("accuracy", "accuracy_low", "accuracy_high")} == {
        "accuracy": 0.986,
        "accuracy_low": 0.976,
        "accuracy_high": 0.996,
    }
    (listed,) = client.search_logged_models([pipeline.info.experiment_id], "metrics.accuracy > 0.98")
    assert listed.source_run_id == pipeline.info.run_id
    assert version.tags["recipe.data_version"] == data_version(workspace)
    assert (version.tags["test"], version.tags["test_low"], version.tags["test_high"]) == ("0.986", "0.976", "0.996")
    assert version.tags["test_metric"] == "accuracy"
    assert str(version.description).startswith("accuracy 0.986 [0.976, 0.996] on the test set. The first version")
    assert client.get_model_version_by_alias("digits", "champion").version == version.version
    assert Path(str(version.source), "artifacts", "program.pt2").is_file()


def test_the_student_is_a_second_model_of_the_run_and_is_not_registered(workspace: Path) -> None:
    for place, members in (("final", 2), ("student", 1)):
        exported.export_digits(workspace / "models" / place, members=members)
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.986))
    for _ in range(2):
        publish_stage(workspace, "squeeze")
        (workspace / ".recipe" / "mlflow_runs.json").unlink()
    client = client_of(workspace)
    (version,) = client.search_model_versions("name = 'digits'")
    run = client.get_run(str(version.run_id))
    place = Path(str(version.source)).parent
    kept = sorted(path.name for path in place.iterdir() if path.is_dir())
    assert [path.partition("-")[0] for path in kept] == ["model", "student"]
    assert sorted(model.name for model in client.search_logged_models([run.info.experiment_id])) == kept
    assert Path(str(version.source)).name == kept[0]
    assert load_folder(place / kept[1]).preparation["classes"]


def test_a_second_model_is_told_to_be_a_challenger_once_with_what_to_do(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.986))
    for members in (1, 2, 2):
        exported.export_digits(workspace / "models" / "final", members=members)
        (workspace / ".recipe" / "mlflow_runs.json").unlink(missing_ok=True)
        publish_stage(workspace, "squeeze")
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [CHALLENGES % ("2", "digits", "2")]


def test_a_closed_gate_registers_nothing(workspace: Path) -> None:
    (workspace / "models" / "final").mkdir(parents=True)
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.5, at_least(0.5, 0.9)))
    publish_stage(workspace, "squeeze")
    assert list(client_of(workspace).search_registered_models()) == []


def test_sixty_trainings_are_published_in_seconds(workspace: Path) -> None:
    measure(
        workspace,
        "tune",
        finding("tune/bayesian", 0.5),
        trainings=[training(seed, points=500) for seed in range(60)],
    )
    began = time.monotonic()
    publish_stage(workspace, "tune")
    assert time.monotonic() - began < 30  # 3 on a quiet machine
    assert len(runs_of(workspace)) == 62


def test_times_are_those_of_the_run_and_not_of_stages_that_it_found_measured(workspace: Path) -> None:
    yesterday = time.time() - 86_400
    measure(workspace, "ingest", finding("ingest/quarantine", 0.0), ended=yesterday, settings="another run's")
    measure(workspace, "data", finding("data/blank", 0.0), ended=yesterday + 100, seconds=30.0)
    measure(workspace, "baseline", finding("baseline/linear", 0.9), ended=yesterday + 40_000, seconds=60.0)
    publish_stage(workspace, "baseline")
    runs = {run.info.run_name: run.info for run in runs_of(workspace)}
    name = "digits cnn to baseline, pass"
    took = {name: (info.end_time - info.start_time) / 1000 for name, info in runs.items()}
    assert took == pytest.approx({name: 90, "ingest": 0, "data": 30, "baseline": 60}, abs=0.01)
    assert runs[name].start_time == runs["ingest"].start_time == runs["data"].start_time


def test_what_another_machine_has_measured_is_of_the_present_commit_and_takes_no_time(workspace: Path) -> None:
    measure(workspace, "ingest", finding("ingest/quarantine", 0.0))
    shutil.rmtree(workspace / ".recipe" / "machine")
    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "Pulled"], cwd=workspace, check=True)
    run = MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}").get_run(str(publish_stage(workspace, "ingest")))
    assert run.info.end_time == run.info.start_time
    assert run.data.tags["mlflow.source.git.commit"] == git_commit(workspace)


def test_a_run_names_the_commit_that_its_figures_were_measured_at(workspace: Path) -> None:
    def commit(message: str) -> str:
        for words in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", message)):
            subprocess.run([*GIT, *words], cwd=workspace, check=True)
        return str(git_commit(workspace))

    first = commit("First")
    measure(workspace, "regularize", finding("regularize/augment", 0.97))
    run_id = str(publish_stage(workspace, "regularize"))
    second = commit("Second")
    measure(workspace, "regularize", finding("regularize/augment", 0.98))
    assert publish_stage(workspace, "regularize") == run_id
    assert first != second
    for run in runs_of(workspace):
        assert run.data.tags["mlflow.source.git.commit"] == second


def test_the_pipelines_run_tells_of_every_stage_that_it_has_reached(workspace: Path) -> None:
    measure(workspace, "data", finding("data/blank", 0.5, at_least(0.5, 1.0, otherwise="warn")))
    publish_stage(workspace, "data")
    measure(workspace, "baseline", finding("baseline/linear", 0.9))
    publish_stage(workspace, "baseline")
    measure(workspace, "data", finding("data/blank", 0.6, at_least(0.6, 1.0, otherwise="warn")))
    publish_stage(workspace, "data")
    pipeline = named(runs_of(workspace), is_pipeline)
    assert pipeline.data.tags["recipe.verdict"] == "warn"
    assert pipeline.data.tags["recipe.reached"] == "baseline"


def test_what_is_knowledge_is_called_so_in_the_note_and_keeps_its_verdict_in_the_tag(workspace: Path) -> None:
    measure(workspace, "baseline", finding("baseline/linear", 0.9), finding("baseline/simplify", 0.0, at_most(0, 0)))
    publish_stage(workspace, "baseline")
    stage = named(runs_of(workspace), lambda name: name == "baseline")
    assert (stage.data.tags["baseline/linear"], stage.data.tags["baseline/simplify"]) == ("pass", "pass")
    assert "| baseline/linear | knowledge |" in stage.data.tags["mlflow.note.content"]


def test_a_pipeline_that_reaches_another_figure_is_named_after_the_new_one(workspace: Path) -> None:
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.986))
    publish_stage(workspace, "squeeze")
    measure(workspace, "squeeze", finding("squeeze/final_test", 0.972))
    publish_stage(workspace, "squeeze")
    measure(workspace, "data", finding("data/blank", 0.5))
    publish_stage(workspace, "data")
    assert {run.info.run_name for run in runs_of(workspace)} == {
        "digits cnn 97.2 % accuracy [96.2, 98.2], pass",
        "squeeze",
        "data",
    }


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "http"])
def test_a_server_that_is_not_there_is_one_sentence_in_seconds_without_the_password(scheme: str) -> None:
    began = time.monotonic()
    with pytest.raises(
        TrackingError, match=rf"^MLflow at {re.escape(scheme)}://127.0.0.1:1/x cannot be used"
    ) as caught:
        connect(f"{scheme}://me:secret@127.0.0.1:1/x")
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    assert time.monotonic() - began < 10


def test_a_database_whose_driver_is_missing_is_one_sentence_with_the_package() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        pytest.raises(TrackingError, match=r"needs the package 'pg8000', .*: pip install pg8000"),
    ):
        connect(f"postgresql+pg8000://127.0.0.1:{server.getsockname()[1]}/x")


def test_files_of_runs_go_where_the_settings_say_and_stay_there(
    workspace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = [tmp_path / "store", tmp_path / "another store"]
    measure(workspace, "data", finding("data/blank", 0.5))
    for place in (places[0], places[0], places[1]):
        compose_params(exported.REPOSITORY, ["data=digits", "budget=quick", f"tracking.artifacts='{place}'"], workspace)
        (workspace / ".recipe" / "mlflow_runs.json").unlink(missing_ok=True)
        run_id = publish_stage(workspace, "data")
    assert (places[0] / str(run_id) / "artifacts" / "findings.json").is_file()
    assert not places[1].exists() and not (workspace / "mlruns").exists()
    (warning,) = caplog.messages
    assert f"experiment digits has kept its files in {places[0]} from its first run on" in warning
    assert f"tracking.artifacts={places[1]} give the data another name" in warning
