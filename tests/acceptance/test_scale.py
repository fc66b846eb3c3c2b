"""Where one machine is not enough: trainings on Dask and Ray, PostgreSQL behind Prefect and MLflow, data and models in
S3, and a second work pool; each started for real, on this machine.

What is missing is named in the reason why a test was skipped; `make acceptance` installs the Python packages.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image
from sklearn.datasets import load_digits

from flows.serve import HOST, answers, free_port
from recipe.cli import BAD_INPUT
from recipe.runtime.processes import stop_session
from recipe.tracking.connection import connect
from tests.executors.conftest import Dask, dask_at
from tests.flows.conftest import Served, copy_of_project, serving
from tests.flows.conftest import environment as environment_of_flows
from tests.flows.conftest import wait_for as wait_for_words
from tests.runs import kill_tree, started
from tests.services import PostgreSql, postgresql, ray, require_packages, s3
from tests.workspaces import ROOT, make_workspace, metrics_of, recipe, run

QUICK = ("data=digits", "budget=quick")
BUCKET = "recipe"
STORE = f"s3://{BUCKET}/mlflow"
SHOWN = 20  # digits that a model is asked about
START_SECONDS = 120.0
KILLS = 3  # workers that die during one run
DVC = (sys.executable, "-m", "dvc")

pytestmark = pytest.mark.acceptance

Tell = Callable[[str], None]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Shows a line beside the test's name."""

    def tell(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {line}\n")

    return tell


# Trainings on a cluster


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The figures of a run with local processes, and the seconds it took."""
    workspace = make_workspace(tmp_path_factory.mktemp("local") / "workspace")
    began = time.monotonic()
    done = recipe(workspace, "run", *QUICK)
    assert done.returncode == 0, done.stderr
    return metrics_of(workspace), time.monotonic() - began


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    with dask_at(tmp_path_factory.mktemp("dask")) as dask:
        dask.worker("--nworkers", "2")
        dask.wait_for_workers(2)
        yield dask


def on(dask: Dask) -> tuple[str, ...]:
    return (*QUICK, "fanout=dask", f"fanout.address={dask.address}")


def test_two_dask_workers_give_the_same_figures_as_local_processes(
    local: tuple[dict[str, str], float], two_workers: Dask, tmp_path: Path, tell: Tell
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    began = time.monotonic()
    done = recipe(workspace, "run", *on(two_workers))
    tell(f"a run with local processes {local[1]:.0f} s, with two Dask workers {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stderr
    assert metrics_of(workspace) == local[0]
    assert list((workspace / ".recipe" / "trainings").glob("*.pt"))
    again = recipe(workspace, "run", *QUICK)
    assert again.returncode == 0 and "Running stage" not in log_of(workspace)


def log_of(workspace: Path) -> str:
    return (workspace / ".recipe" / "run.log").read_text()


def test_a_run_whose_workers_die_gives_the_same_figures(
    local: tuple[dict[str, str], float], two_workers: Dask, tmp_path: Path
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    with started(workspace, "run", *on(two_workers)) as process:
        for number in range(KILLS):
            wait_for_trainings(workspace, 5 * (number + 1), process)
            workers_of(two_workers)[0].kill()
        _, told = process.communicate(timeout=900)
    assert process.returncode == 0, told
    assert metrics_of(workspace) == local[0]


def wait_for_trainings(workspace: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len(list((workspace / ".recipe" / "trainings").glob("*.pt"))) < count:
        assert process.poll() is None
        time.sleep(0.05)


def workers_of(dask: Dask) -> list[psutil.Process]:
    nanny = psutil.Process(dask.processes[-1].pid)
    return [child for child in nanny.children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]


def test_a_run_killed_while_workers_train_goes_on_from_what_had_come_back(
    local: tuple[dict[str, str], float], two_workers: Dask, tmp_path: Path
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    with started(workspace, "run", *on(two_workers)) as process:
        wait_for_trainings(workspace, 10, process)
        kill_tree(process)
    kept = {path: path.stat().st_ino for path in (workspace / ".recipe" / "trainings").glob("*.pt")}
    done = recipe(workspace, "run", *on(two_workers))
    assert done.returncode == 0, done.stderr
    assert metrics_of(workspace) == local[0]
    assert {path: path.stat().st_ino for path in kept} == kept  # a reading touches the time


def test_a_net_of_ones_own_is_trained_by_workers_that_have_it_and_named_where_one_lacks_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    (workspace / "own_net.py").write_text("from recipe.models import Mlp\n\n\nclass Net(Mlp):\n    pass\n")
    (tmp_path / "dask").mkdir()
    with dask_at(tmp_path / "dask") as dask:
        words = ("check", "baseline/linear", *on(dask), "model._target_=own_net.Net")
        lacking = dask.worker(search=str(ROOT))
        dask.wait_for_workers(1)
        done = recipe(workspace, *words)
        assert done.returncode == BAD_INPUT and done.stderr.count("\n") == 1
        assert "cannot import 'own_net': start it again with the folder of 'own_net' on its PYTHONPATH" in done.stderr
        stop_session(lacking, patience=0.0)
        dask.worker(search=str(workspace))
        done = recipe(workspace, *words)
        assert done.returncode == 0, done.stderr


def test_data_that_stay_on_disk_are_trained_on_where_workers_see_the_folder(two_workers: Dask, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    words = ("check", "baseline/linear", "baseline/init_bias", "data=mnist5k", "budget=quick", "data.memory_limit_mb=1")
    measured = []
    for where in ((), ("fanout=dask", f"fanout.address={two_workers.address}")):
        shutil.rmtree(workspace / ".recipe" / "trainings", ignore_errors=True)
        done = recipe(workspace, *words, *where)
        assert done.returncode == 0, done.stderr
        findings = json.loads((workspace / "reports" / "check" / "findings.json").read_text())["findings"]
        measured.append([finding["measured"] for finding in findings])
    assert measured[0] == measured[1]


def test_a_run_without_its_scheduler_is_one_sentence_and_2(two_workers: Dask, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    done = recipe(workspace, "run", *QUICK, "fanout=dask", "fanout.address=tcp://127.0.0.1:1")
    assert done.returncode == BAD_INPUT
    assert done.stderr.startswith("recipe: Nothing answers where a Dask scheduler (tcp://127.0.0.1:1) should")
    assert done.stderr.count("\n") == 1


def test_ray_gives_the_same_figures_as_local_processes(
    local: tuple[dict[str, str], float], tmp_path: Path, tell: Tell
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    with ray(cpus=2, search=workspace) as head:
        words = (*QUICK, "fanout=ray", f"fanout.address={head.address}")
        began = time.monotonic()
        done = recipe(workspace, "run", *words, **head.variables)
        tell(f"a run with local processes {local[1]:.0f} s, with Ray {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stderr
    assert metrics_of(workspace) == local[0]
    again = recipe(workspace, "run", *words, "seed=1", **head.variables)
    assert again.returncode == BAD_INPUT
    assert "Nothing answers where the head of a Ray cluster" in again.stderr and again.stderr.count("\n") == 1


def test_ray_without_a_gpu_refuses_a_training_that_needs_one(tmp_path: Path) -> None:
    code = """
import sys
from dataclasses import replace
from recipe.executors.cluster import Cluster
from recipe.executors.ray import carry_out
from recipe.training.experiment import make_experiment
from recipe.models import Mlp
from recipe.training.device import Device
import torch
rows = (torch.zeros(8, 4), torch.tensor([0, 1] * 4))
experiment = replace(make_experiment(Mlp, rows, rows), device=Device("cuda"))
try:
    list(Cluster(carry_out, sys.argv[1])([(experiment, experiment.training)]))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""
    workspace = make_workspace(tmp_path / "workspace")
    for gpus, words in ((0, "No machine of the Ray cluster has a GPU"), (1, "cannot train: The setting device=cuda")):
        with ray(cpus=1, search=workspace, gpus=gpus) as head:
            done = run(workspace, sys.executable, "-c", code, head.address, **head.variables)
        assert done.stdout.startswith("ClusterError: ") and words in done.stdout, done.stdout + done.stderr


# PostgreSQL, S3 and a second pool


@dataclass(frozen=True)
class Scaled:
    """Servers whose state is in PostgreSQL and whose files are in S3; `variables` let a command reach both."""

    served: Served
    database: PostgreSql
    tracking: str
    variables: Mapping[str, str]

    @property
    def workspace(self) -> Path:
        return self.served.workspace

    @property
    def settings(self) -> tuple[str, ...]:
        return (*QUICK, f"tracking.uri={self.tracking}", f"tracking.artifacts={STORE}")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(self.workspace, *command, **self.variables)

    def recipe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return recipe(self.workspace, *arguments, **self.variables)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    require_packages("psycopg2", "boto3", "dvc_s3")
    workspace = copy_of_project(tmp_path_factory.mktemp("scaled"))
    with postgresql() as database, s3(BUCKET) as store:
        for name in ("prefect", "mlflow"):
            database.create(name)
        variables = {**database.variables, **store}
        tracking = database.address("mlflow", "psycopg2")
        prefect = {"PREFECT_API_DATABASE_CONNECTION_URL": database.address("prefect", "asyncpg")}
        with serving(workspace, **variables, **prefect, MLFLOW_TRACKING_URI=tracking) as (process, said):
            api = wait_for_words(said, r"Prefect\s+(\S+)[\s\S]*Ctrl-C", process)[1] + "/api"
            yield Scaled(Served(workspace, process, said, api), database, tracking, variables)


@pytest.fixture(scope="module")
def finished(scaled: Scaled) -> Scaled:
    """The same, once the deployment has run there."""
    overrides = f"overrides={json.dumps(scaled.settings)}"
    done = scaled.served.prefect("deployment", "run", "recipe/default", "--param", overrides, "--watch")
    assert done.returncode == 0, done.stdout
    return scaled


@pytest.fixture(scope="module")
def client(finished: Scaled) -> Iterator[MlflowClient]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in finished.variables.items():
            patch.setenv(name, value)
        yield connect(finished.tracking)


def test_prefect_keeps_its_runs_in_postgresql(finished: Scaled) -> None:
    assert completed_flows(finished, "default") == 1
    assert not list((finished.workspace / ".recipe" / "prefect").glob("*.db"))


def completed_flows(scaled: Scaled, deployment: str = "") -> int:
    """How many flows PostgreSQL tells of: those of a deployment, or those by hand."""
    of_it = f"= (select id from deployment where name = '{deployment}')" if deployment else "is null"
    query = f"select count(*) from flow_run where state_type = 'COMPLETED' and deployment_id {of_it}"
    return int(scaled.database.ask("prefect", query))


def test_a_flow_by_hand_without_a_server_is_kept_there_too(finished: Scaled) -> None:
    own = environment_of_flows(finished.workspace) | finished.variables
    own |= {"PREFECT_API_DATABASE_CONNECTION_URL": finished.database.address("prefect", "asyncpg")}
    command = [sys.executable, "-m", "flows.recipe", *finished.settings, "--until", "ingest"]
    done = subprocess.run(command, cwd=finished.workspace, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert completed_flows(finished) == 1
    assert not list((finished.workspace / ".recipe" / "prefect").glob("*.db"))


def test_mlflow_keeps_runs_and_models_in_postgresql_and_their_files_in_s3(
    finished: Scaled, client: MlflowClient, tmp_path: Path
) -> None:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None and experiment.artifact_location == STORE
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    stages = {str(one.info.run_name): one for one in runs}
    assert {"ingest", "data", "baseline", "overfit", "regularize", "tune", "squeeze"} <= set(stages)
    squeeze = stages["squeeze"]
    assert squeeze.info.artifact_uri == f"{STORE}/{squeeze.info.run_id}/artifacts"
    findings = Path(client.download_artifacts(squeeze.info.run_id, "findings.json", str(tmp_path)))
    assert json.loads(findings.read_text())["stage"] == "squeeze"
    (version,) = client.search_model_versions("name = 'digits'")
    assert version.run_id == squeeze.data.tags["mlflow.parentRunId"] and str(version.source).startswith(STORE)
    assert not (finished.workspace / "mlflow.db").exists() and not (finished.workspace / "mlruns").exists()


def test_what_the_worker_has_run_is_not_run_or_published_again_by_hand(finished: Scaled, client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    before = {one.info.run_id for one in client.search_runs([experiment.experiment_id], max_results=1000)}
    done = finished.recipe("run", *finished.settings)
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in log_of(finished.workspace)
    assert {one.info.run_id for one in client.search_runs([experiment.experiment_id], max_results=1000)} == before


def test_the_registered_model_answers_from_the_store(
    finished: Scaled, client: MlflowClient, tmp_path: Path, tell: Tell
) -> None:
    (version,) = client.search_model_versions("name = 'digits'")
    reference = f"models:/digits/{version.version}"
    pictures, labels = digits_as_png()
    for number, picture in enumerate(pictures):
        (tmp_path / f"{number:02}.png").write_bytes(picture)
    began = time.monotonic()
    done = finished.recipe("predict", reference, str(tmp_path))
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    said = [line.split(",")[1] for line in done.stdout.splitlines()[1:]]
    own = finished.recipe("predict", "models/final", str(tmp_path))
    assert done.stdout == own.stdout
    right = float(np.mean(np.array(said) == labels))
    tell(f"recipe predict {reference}, fetched from S3: {seconds:.1f} s, {right:.0%} of {SHOWN} digits right")
    assert right > 0.8
    with model_server(finished, reference, tmp_path) as url:
        rows = [{"image": base64.b64encode(picture).decode()} for picture in pictures]
        assert [row["prediction"] for row in ask(url, rows)] == said


def digits_as_png() -> tuple[list[bytes], np.ndarray]:
    """A few digits as PNG files, and their labels as text."""
    data = load_digits()
    pictures = []
    for image in data.images[:SHOWN]:
        written = io.BytesIO()
        Image.fromarray(np.round(image * 255 / 16).astype(np.uint8)).save(written, "PNG")
        pictures.append(written.getvalue())
    return pictures, data.target[:SHOWN].astype(str)


@contextmanager
def model_server(scaled: Scaled, reference: str, folder: Path) -> Iterator[str]:
    """The address of `mlflow models serve` for a registered model."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", reference, "--env-manager", "local"]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {**os.environ, **scaled.variables, "MLFLOW_TRACKING_URI": scaled.tracking, "PATH": path}
    with open(folder / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: answers(f"http://{HOST}:{port}/ping"), process, folder / "server.log")
        yield f"http://{HOST}:{port}/invocations"
    finally:
        stop_session(process, patience=0.0)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


def ask(url: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        predictions: list[dict[str, str]] = json.load(answer)["predictions"]
    return predictions


def test_a_store_that_is_down_is_one_sentence(finished: Scaled, tmp_path: Path) -> None:
    (tmp_path / "digit.png").write_bytes(digits_as_png()[0][0])
    down = {**finished.variables, "MLFLOW_S3_ENDPOINT_URL": f"http://{HOST}:1"}
    done = recipe(finished.workspace, "predict", "models:/digits/1", str(tmp_path / "digit.png"), **down)
    assert done.returncode == BAD_INPUT
    assert f"The files of models:/digits/1 cannot be fetched from {STORE}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_was_pushed_to_s3_takes_the_place_of_a_run_in_another_clone(
    finished: Scaled, tmp_path: Path, tell: Tell
) -> None:
    finished.run(*DVC, "remote", "add", "-d", "store", f"s3://{BUCKET}/dvc")
    finished.run(*DVC, "remote", "modify", "store", "endpointurl", finished.variables["MLFLOW_S3_ENDPOINT_URL"])
    pushed = finished.run(*DVC, "push")
    assert pushed.returncode == 0 and "files pushed" in pushed.stdout, pushed.stderr
    clone = clone_of(finished.workspace, tmp_path / "clone")
    began = time.monotonic()
    pulled = run(clone, *DVC, "pull", **finished.variables)
    assert pulled.returncode == 0, pulled.stderr
    done = run(clone, *DVC, "repro", **finished.variables)
    tell(f"dvc pull and dvc repro in another clone: {time.monotonic() - began:.1f} s")
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout
    assert metrics_of(clone) == metrics_of(finished.workspace)
    shutil.rmtree(finished.workspace / ".dvc" / "cache")
    shutil.rmtree(finished.workspace / "models")
    assert finished.run(*DVC, "pull").returncode == 0
    assert (finished.workspace / "models" / "final" / "MLmodel").is_file()


def clone_of(workspace: Path, folder: Path) -> Path:
    """What git would carry from `workspace`: code, settings, metrics and DVC's own files."""
    clone = copy_of_project(folder)
    for name in ("dvc.lock", "params.yaml", ".dvc/config"):
        shutil.copy(workspace / name, clone / name)
    shutil.copytree(workspace / "metrics", clone / "metrics")
    return clone


ELSEWHERE = """
name: training-recipe
deployments:
  - name: elsewhere
    entrypoint: flows.recipe.run_recipe
    parameters: {{overrides: ["data=digits", "budget=quick"]}}
    concurrency_limit: {{limit: 1, collision_strategy: ENQUEUE}}
    work_pool: {{name: elsewhere}}
    pull:
      - prefect.deployments.steps.set_working_directory:
          directory: {folder}
"""


def test_a_worker_of_another_pool_runs_in_the_folder_that_its_deployment_names(scaled: Scaled, tmp_path: Path) -> None:
    other = make_workspace(tmp_path / "other")
    (scaled.workspace / "elsewhere.yaml").write_text(ELSEWHERE.format(folder=other))
    before = metrics_of(scaled.workspace), (scaled.workspace / "params.yaml").read_text()
    prefect(scaled, "work-pool", "create", "elsewhere", "--type", "process")
    prefect(scaled, "work-pool", "set-concurrency-limit", "elsewhere", "1")
    prefect(scaled, "--no-prompt", "deploy", "--prefect-file", "elsewhere.yaml", "--all")
    with worker(scaled, other, "elsewhere"):
        prefect(scaled, "deployment", "run", "recipe/elsewhere", "--param", "until=data", "--watch")
    assert (other / "gates" / "data").read_text() == "open\n"
    assert before == (metrics_of(scaled.workspace), (scaled.workspace / "params.yaml").read_text())


def prefect(scaled: Scaled, *arguments: str) -> None:
    done = scaled.served.prefect(*arguments)
    assert done.returncode == 0, done.stdout


@contextmanager
def worker(scaled: Scaled, folder: Path, pool: str) -> Iterator[None]:
    """A worker of `pool`, started in `folder` as on another machine."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--name", "other"]
    variables = environment_of_flows(folder, scaled.served.api) | {"PYTHONPATH": str(folder)}
    log = folder.parent / "worker.log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(lambda: "started!" in log.read_text(), process, log)
        yield
    finally:
        stop_session(process, patience=30.0)
