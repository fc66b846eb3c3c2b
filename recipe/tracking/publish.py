"""Runs in MLflow, published from files: one run a pipeline, below it one a stage, below that one a training.

Runs are found by their tags, so publishing twice changes nothing, and a stage that DVC restored from its cache has its
run all the same. What is published is remembered in `.recipe/mlflow_runs.json`; while nothing is new, MLflow is not
even imported.
"""

import json
import logging
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from recipe.dataset.unseen import write_seen
from recipe.errors import redacted
from recipe.evidence import Finding, to_json
from recipe.report.findings import STAGES, reached
from recipe.report.published import RECORDS, published_runs
from recipe.runtime.workspace import fingerprint, lasting_workspace, private_folder, write_json
from recipe.settings import PARAMS
from recipe.settings.identity import identity
from recipe.tracking.connection import SQLITE, connect
from recipe.tracking.contents import (
    CURVE_POINTS,
    LEAST_CURVE_POINTS,
    STAGE_POINTS,
    Content,
    flat,
    metric_of,
    of_pipeline,
    of_stage,
    of_training,
    read_json,
    test_tags,
)
from recipe.tracking.decisions import deciding, enter
from recipe.tracking.pipeline_run import (
    CODE,
    CONTENT,
    DATA_VERSION,
    FINDINGS,
    PARENT,
    PIPELINE,
    SETTINGS,
    STAGE,
    TRAINING,
    VERDICTS,
    Pipeline,
    milliseconds,
    read_pipeline,
    run_milliseconds,
)
from recipe.tracking.registry import CHALLENGER, alias_version, list_model, register_model, registered_name
from recipe.tracking.view import TAG, view
from recipe.versioning.provenance import DATA_VERSION_FILE, FINAL_MODEL, STUDENT_MODEL

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run
    from mlflow.tracking import MlflowClient

MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # which of its views MLflow's page opens with
# MLflow's limits, mlflow/utils/validation.py: 1,000 things a batch, of which 100 params and 100 tags
METRICS_A_BATCH, OTHERS_A_BATCH, RUNS_A_PAGE = 800, 100, 1000
SHORT = 8  # of a data set's version: the column is narrow
CHALLENGES = (
    "Version %s of %s is a challenger: a retraining (`recipe retrain --force`) compares it with the champion, "
    "`recipe promote %s` makes it the champion."
)

logger = logging.getLogger(__name__)


def publish_stage(workspace: Path, stage: str) -> str | None:
    """Publish `stage`; gives the id of its MLflow run, or None when it has measured nothing.

    The stages that it was built on are published with it where MLflow lacks them: after a changed setting they belong
    to another run of the pipeline though they need not run again, and a database may have been deleted.

    Raises:
        RecipeError: the settings, or what a stage wrote, cannot be read.
        TrackingError: MLflow cannot be reached.
        mlflow.exceptions.MlflowException: it refuses.
    """
    pipeline = read_pipeline(workspace)
    records = published_runs(workspace)
    upstream = [name for name in STAGES[: STAGES.index(stage) + 1] if pipeline.measured(name).is_file()]
    contents = {name: pipeline.content(name) for name in upstream}
    stale = [name for name in upstream if not _is_published(records.get(name), contents[name], pipeline.uri)]
    if stale:
        client = connect(pipeline.uri)
        experiment = experiment_of(client, pipeline)
        run = run_milliseconds(pipeline, stage)
        for name in stale:
            run_id = _publish(client, experiment, pipeline, name, run)
            records[name] = {
                "hash": contents[name],
                "run_id": run_id,
                "experiment_id": experiment,
                "uri": redacted(pipeline.uri),
            }
            write_json(private_folder(workspace) / RECORDS, records)
    return records[stage]["run_id"] if stage in upstream else None


def _publish(client: "MlflowClient", experiment: str, pipeline: Pipeline, stage: str, run: tuple[int, int]) -> str:
    """The id of the run of `stage`, with its trainings below it and the pipeline's run above it.

    Args:
        run: start and end of the pipeline's run in milliseconds since 1970.
    """
    findings = pipeline.findings(stage)
    when = milliseconds(pipeline, stage, run)

    identity = {PIPELINE: pipeline.key, STAGE: "pipeline"}
    known = find_run(client, experiment, identity)
    whole = of_pipeline(pipeline, stage, run, known.data.tags.get(VERDICTS, "") if known else "")
    parent_id = _write(client, experiment, known, identity, whole)
    _write_origin(client, parent_id, pipeline)
    if known is None or known.inputs is None or not known.inputs.dataset_inputs:
        client.log_inputs(parent_id, [_data_set(pipeline)])

    identity = {PIPELINE: pipeline.key, STAGE: stage, PARENT: parent_id}
    content = of_stage(pipeline, stage, findings, when)
    run_id = _write(client, experiment, find_run(client, experiment, identity), identity, content)
    _write_artifacts(client, run_id, pipeline, stage, findings)
    _write_trainings(client, experiment, run_id, pipeline, stage, when)

    if stage == STAGES[-1] and content.status == "FINISHED" and (pipeline.workspace / FINAL_MODEL).is_dir():
        _register(client, pipeline, parent_id, findings, whole.metrics)
        if (pipeline.workspace / STUDENT_MODEL).is_dir():
            list_model(client, pipeline.workspace / STUDENT_MODEL, parent_id, STUDENT_MODEL.name)
    return run_id


def _register(
    client: "MlflowClient", pipeline: Pipeline, run_id: str, findings: Sequence[Finding], metrics: Mapping[str, float]
) -> None:
    """The final model as a version with all that tells where it comes from; the first is the champion."""
    workspace, name = pipeline.workspace, registered_name(pipeline.settings.data.name)
    found = [finding for stage in reached(workspace, STAGES[-1]) for finding in pipeline.findings(stage)]
    verdicts = Counter(finding.word for finding in found)
    tags = {
        PIPELINE: pipeline.key,
        DATA_VERSION: pipeline.data()["md5"] or pipeline.data_version,
        CODE: pipeline.code(),
        SETTINGS: json.dumps(flat(identity(pipeline.settings))),
        FINDINGS: ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
        **test_tags(findings, metric_of(pipeline)),
        **pipeline.origin(STAGES[-1]),
    }
    with tempfile.TemporaryDirectory(prefix="recipe-seen-") as beside:
        seen = write_seen(workspace, Path(beside))
        version = register_model(client, name, workspace / FINAL_MODEL, run_id, tags, [seen], metrics)
    with deciding(workspace):
        known = alias_version(client, name, CHALLENGER) == version
        if enter(client, name, version) == CHALLENGER and not known:
            logger.warning(CHALLENGES, version, name, version)


def _write(
    client: "MlflowClient", experiment: str, run: "Run | None", identity: Mapping[str, str], new: Content
) -> str:
    """Create the run, or bring it up to date: only what differs is written."""
    from mlflow.entities import Metric, Param, RunTag

    start, end = new.milliseconds
    if run is None:
        run = client.create_run(experiment, start_time=start, tags=dict(identity), run_name=new.name)
    elif run.info.run_name != new.name:
        client.update_run(run.info.run_id, name=new.name)
    run_id = run.info.run_id
    metrics = [
        Metric(name, value, end, 0) for name, value in new.metrics.items() if run.data.metrics.get(name) != value
    ]
    metrics += [Metric(*point) for point in new.points if point[0] not in run.data.metrics]
    params = [Param(name, str(value)) for name, value in new.params.items() if name not in run.data.params]
    tags = [RunTag(name, value) for name, value in new.tags.items() if run.data.tags.get(name) != value]
    while metrics or params or tags:
        client.log_batch(run_id, metrics[:METRICS_A_BATCH], params[:OTHERS_A_BATCH], tags[:OTHERS_A_BATCH])
        metrics, params, tags = metrics[METRICS_A_BATCH:], params[OTHERS_A_BATCH:], tags[OTHERS_A_BATCH:]
    client.set_terminated(run_id, new.status, run.info.start_time + end - start)  # a start cannot be moved
    return str(run_id)


def _data_set(pipeline: Pipeline) -> "DatasetInput":
    """What the table's column Dataset names: the data set, its version and where it lies."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    settings, version = pipeline.settings.data, pipeline.data_version.removesuffix(".dir")
    source = json.dumps({"uri": redacted(str(settings.path))})
    profile = json.dumps(read_json(pipeline.workspace / "metrics" / "ingest.json") or {})
    data = Dataset(settings.name, version[:SHORT], "local", source, profile=profile)
    return DatasetInput(data, [InputTag("mlflow.data.context", settings.kind)])


def _write_origin(client: "MlflowClient", run_id: str, pipeline: Pipeline) -> None:
    """What the run can be made again from: all its settings, and the version of its data."""
    client.log_text(run_id, redacted((pipeline.workspace / PARAMS).read_text(encoding="utf-8")), PARAMS)
    client.log_dict(run_id, pipeline.data(), DATA_VERSION_FILE)


def _write_artifacts(
    client: "MlflowClient", run_id: str, pipeline: Pipeline, stage: str, findings: Sequence[Finding]
) -> None:
    reports = pipeline.workspace / "reports" / stage
    for name in ("figures", "tables"):
        if (reports / name).is_dir():
            client.log_artifacts(run_id, str(reports / name), name)
    for chosen in pipeline.chosen(stage):
        client.log_artifact(run_id, str(chosen), "chosen")
    client.log_dict(run_id, {"stage": stage, "findings": [to_json(finding) for finding in findings]}, "findings.json")


def _write_trainings(
    client: "MlflowClient", experiment: str, stage_run: str, pipeline: Pipeline, stage: str, when: tuple[int, int]
) -> None:
    """A run for each training; one whose record has changed since is written anew, for a curve cannot be replaced."""
    trainings = read_json(pipeline.workspace / "reports" / stage / "trainings.json") or []
    curves = sum(len(training["curves"]) for training in trainings)
    points = min(CURVE_POINTS, max(LEAST_CURVE_POINTS, STAGE_POINTS // max(1, curves)))
    known = {run.data.tags[TRAINING]: run for run in _search(client, experiment, {PARENT: stage_run})}
    for training in trainings:
        run, content = known.get(training["key"]), fingerprint(training)
        if run is not None and run.data.tags.get(CONTENT) == content and run.info.status == "FINISHED":
            continue
        if run is not None:
            client.delete_run(run.info.run_id)
        identity = {TRAINING: training["key"], CONTENT: content, PARENT: stage_run}
        _write(client, experiment, None, identity, of_training(training, points, when))


def find_run(client: "MlflowClient", experiment: str, tags: Mapping[str, str]) -> "Run | None":
    """The newest run with all of `tags`."""
    return next(iter(_search(client, experiment, tags)), None)


def _search(client: "MlflowClient", experiment: str, tags: Mapping[str, str]) -> "list[Run]":
    condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment], condition, max_results=RUNS_A_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def experiment_of(client: "MlflowClient", pipeline: Pipeline) -> str:
    """The id of the data set's experiment, whose files go where the settings say.

    Nobody can move an experiment in MLflow, so one that keeps its files elsewhere is named in a warning.
    """
    name = pipeline.settings.data.name
    place = pipeline.settings.tracking.artifacts
    experiment = client.get_experiment_by_name(name)
    if experiment is not None and TAG not in experiment.tags:
        client.set_experiment_tag(experiment.experiment_id, TAG, _view(pipeline))
    if experiment is None:
        is_database = "sql" in pipeline.uri.partition(":")[0]
        if is_database and place is None:  # there is no server that would choose one
            place = str(lasting_workspace(pipeline.workspace) / "mlruns")
        tags = MODEL_TRAINING | {TAG: _view(pipeline)}
        return str(client.create_experiment(name, artifact_location=place, tags=tags))
    if place is not None and place.rstrip("/") != experiment.artifact_location.removeprefix("file://").rstrip("/"):
        logger.warning(
            "MLflow's experiment %s has kept its files in %s from its first run on, and goes on there: for "
            "tracking.artifacts=%s give the data another name, data.name=...",
            name,
            redacted(experiment.artifact_location),
            redacted(place),
        )
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _view(pipeline: Pipeline) -> str:
    return view(metric_of(pipeline), int(1000 * time.time()))


def _is_published(record: Mapping[str, str] | None, content: str, uri: str) -> bool:
    """Whether `content` is what was last published at `uri`, and still there.

    Only an sqlite file is looked into, for MLflow takes seconds to import; a server is taken at its word.
    """
    if record is None or record["hash"] != content or record["uri"] != redacted(uri):
        return False
    if not uri.startswith(SQLITE):
        return True
    path = Path(uri.removeprefix(SQLITE)).absolute()
    query = "select 1 from runs where run_uuid = ? and lifecycle_stage = 'active'"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query, [record["run_id"]]).fetchone() is not None
    except sqlite3.Error:
        return False
