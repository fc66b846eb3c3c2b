"""Runs in MLflow, published from files: one run a pipeline, below it one a stage, below that one a training.

Runs are found by their tags, so publishing twice changes nothing, and a stage that DVC restored from its cache has its
run all the same. What is published is remembered in `.recipe/mlflow_runs.json`; while nothing is new, MLflow is not
even imported.
"""

import hashlib
import json
import logging
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from recipe.dataset.unseen import write_seen
from recipe.errors import redacted
from recipe.evidence import Finding, judge, to_json, worst
from recipe.report import markdown
from recipe.report.findings import STAGES, reached, read_measured
from recipe.report.published import RECORDS, published_runs
from recipe.runtime.workspace import fingerprint, private_folder, write_json
from recipe.settings import PARAMS, Settings, load_settings
from recipe.tracking.connection import SQLITE, connect, tracking_uri
from recipe.tracking.decisions import deciding, enter
from recipe.tracking.registry import CHALLENGER, alias_version, register_model, registered_name
from recipe.versioning.provenance import DATA_VERSION_FILE, FINAL_MODEL, data_entry, recorded_code

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

FINAL_TEST = "squeeze/final_test"

# What changes no figure is no part of a run's identity: a changed threshold, server or worker count is the same run.
NOT_IN_KEY = frozenset(("thresholds", "tracking", "fanout", "watch", "retrain", "monitor"))
NOT_IN_PARAMS = NOT_IN_KEY | {"stages", "sources"}

# A run's identity, as tags.
PIPELINE, STAGE, TRAINING = "recipe.pipeline", "recipe.stage", "recipe.training"
CONTENT, VERDICT, DATA_VERSION, CODE = "recipe.content", "recipe.verdict", "recipe.data_version", "recipe.code"
SETTINGS, FINDINGS = "recipe.settings", "recipe.findings"
# MLflow's own tags: mlflow/utils/mlflow_tags.py
PARENT, COMMIT, SOURCE, NOTE = (
    "mlflow.parentRunId",
    "mlflow.source.git.commit",
    "mlflow.source.name",
    "mlflow.note.content",
)
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # which of its views MLflow's page opens with
# MLflow's limits, mlflow/utils/validation.py: 1,000 things a batch, of which 100 params and 100 tags
METRICS_A_BATCH, OTHERS_A_BATCH, NOTE_LENGTH, RUNS_A_PAGE = 800, 100, 8000, 1000
# A screen shows hardly more points of a curve apart; and a point costs 0.2 ms on sqlite, so that a stage of many
# trainings has fewer of each.
CURVE_POINTS, LEAST_CURVE_POINTS, STAGE_POINTS = 200, 20, 6000
CHALLENGES = (
    "Version %s of %s is a challenger: a retraining (`recipe retrain --force`) compares it with the champion, "
    "`recipe promote %s` makes it the champion."
)

logger = logging.getLogger(__name__)

Points = Sequence[tuple[str, float, int, int]]  # name, value, milliseconds since 1970, step


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
        experiment = _experiment_of(client, pipeline)
        for name in stale:
            run_id = _publish(client, experiment, pipeline, name)
            records[name] = {
                "hash": contents[name],
                "run_id": run_id,
                "experiment_id": experiment,
                "uri": redacted(pipeline.uri),
            }
            write_json(private_folder(workspace) / RECORDS, records)
    return records[stage]["run_id"] if stage in upstream else None


# What is published


@dataclass(frozen=True)
class Pipeline:
    """One run of the pipeline; `key` names its settings and its data, whatever the thresholds."""

    workspace: Path
    settings: Settings
    uri: str
    data_version: str
    key: str

    def measured(self, stage: str) -> Path:
        return self.workspace / "reports" / stage / "measured.json"

    def findings(self, stage: str) -> list[Finding]:
        limits = self.settings.thresholds.of(stage)
        return [judge(finding, limits) for finding in read_measured(self.workspace / "reports", stage).findings]

    def origin(self, stage: str) -> dict[str, str]:
        """Where the figures of `stage` come from: the git commit that it was measured at, and on which GPUs."""
        measured = read_measured(self.workspace / "reports", stage)
        commit = {COMMIT: measured.commit} if measured.commit else {}
        return {SOURCE: "recipe", **commit, **{f"gpu_{number}": name for number, name in enumerate(measured.gpus)}}

    def code(self) -> str:
        """Names the code that the final model comes from."""
        return recorded_code(self.workspace, _plain(self.settings))

    def data(self) -> dict[str, Any]:
        """The data that ingest has read: see `recipe.versioning.provenance.data_entry`."""
        return data_entry(self.workspace, _plain(self.settings), self.data_version)

    def content(self, stage: str) -> str:
        """The hash of all that is published of `stage`."""
        files = [*_files(self.workspace / "reports" / stage), *_files(self.workspace / "metrics" / f"{stage}.json")]
        files += [*_files(self.workspace / "chosen" / f"{stage}.json")]
        if stage == STAGES[-1]:
            files += _files(self.workspace / FINAL_MODEL)
        return fingerprint([self.key, self.settings.thresholds.of(stage), [_digest(path) for path in files]])


@dataclass(frozen=True)
class Content:
    """What one MLflow run shows; `milliseconds` are its start and end since 1970."""

    name: str
    milliseconds: tuple[int, int]
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    points: Points = ()
    status: str = "FINISHED"


def read_pipeline(workspace: Path) -> Pipeline:
    """The run that the workspace's params.yaml and prepared data describe."""
    settings = load_settings(workspace)
    version = data_version(workspace)
    key = pipeline_key(settings, version)
    return Pipeline(workspace, settings, tracking_uri(workspace, settings), version, key)


def pipeline_key(settings: Settings, version: str) -> str:
    """Names the run of the pipeline with these settings on this version of the data."""
    return fingerprint([identity(settings), version])


def identity(settings: Settings) -> dict[str, Any]:
    """What makes a run another run."""
    return {name: value for name, value in _plain(settings).items() if name not in NOT_IN_KEY}


def data_version(workspace: Path) -> str:
    """The hash of the prepared data: DVC's own where dvc.lock has it, else that of the manifest."""
    try:
        lock = yaml.safe_load((workspace / "dvc.lock").read_text(encoding="utf-8"))
        outs = lock["stages"]["ingest"]["outs"]
        return next(str(out["md5"]) for out in outs if Path(out["path"]) == Path("data/prepared"))
    except (FileNotFoundError, KeyError, TypeError, StopIteration):
        manifest = workspace / "data" / "prepared" / "manifest.parquet"
        return _digest(manifest) if manifest.is_file() else "unknown"


def _of_pipeline(pipeline: Pipeline, stage: str, when: tuple[int, int]) -> Content:
    """The pipeline's run, with the figures of the stages side by side: what one compares between runs.

    `stage` has just been published; the verdict is that of every stage that the run has reached.
    """
    stages = list(reached(pipeline.workspace, stage))
    findings = [finding for name in stages for finding in pipeline.findings(name)]
    name = [pipeline.settings.data.name, _short(pipeline.settings.model.target), _test_figure(pipeline, findings)]
    settings = {key: value for key, value in _plain(pipeline.settings).items() if key not in NOT_IN_PARAMS}
    return Content(
        " ".join(part for part in name if part),
        when,
        params=_flat(settings),
        tags={
            VERDICT: worst(findings),
            DATA_VERSION: pipeline.data_version,
            CODE: pipeline.code(),
            "recipe.reached": stages[-1],
            **pipeline.origin(stages[-1]),
        },
        metrics={f"{stage}/{name}": value for name, value in _figures(pipeline, stage).items()},
        status=_status(findings),
    )


def _of_stage(pipeline: Pipeline, stage: str, findings: Sequence[Finding], when: tuple[int, int]) -> Content:
    return Content(
        stage,
        when,
        params=_flat(_plain(pipeline.settings)["stages"][stage]),
        tags={
            VERDICT: worst(list(findings)),
            DATA_VERSION: pipeline.data_version,
            NOTE: _note(findings),
            **pipeline.origin(stage),
            **{finding.practice: str(finding.verdict) for finding in findings},
        },
        metrics=_figures(pipeline, stage),
        points=_system_points(pipeline.workspace / "reports" / stage / "system.json", when[0]),
        status=_status(findings),
    )


def _of_training(training: Mapping[str, Any], points: int, when: tuple[int, int]) -> Content:
    """A training, with at most `points` of each of its curves."""
    curves = {name: _thinned(curve, points) for name, curve in training["curves"].items()}
    # A figure of the whole training may share its name with a curve, whose last point it need not be.
    final = {f"final {name}" if name in curves else name: value for name, value in training["metrics"].items()}
    return Content(
        training["name"] or training["key"],
        when,
        params=_flat(training["params"]),
        metrics={name: value for name, value in final.items() if value is not None},
        points=[(name, value, when[0], int(step)) for name, curve in curves.items() for step, value in curve],
    )


def _test_figure(pipeline: Pipeline, findings: Iterable[Finding]) -> str:
    """The test figure as a person says it, `98.6 %`; empty before there is one."""
    measured = next((finding.measured for finding in findings if finding.practice == FINAL_TEST), None)
    if measured is None:
        return ""
    preparation = _read_json(pipeline.workspace / "data" / "prepared" / "preparation.json") or {}
    return f"{measured:.1%}".replace("%", " %") if preparation.get("task") == "classification" else f"{measured:.3f}"


def _figures(pipeline: Pipeline, stage: str) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in _flat(_read_json(pipeline.workspace / "metrics" / f"{stage}.json") or {}).items()
        if isinstance(value, (int, float))
    }


def _note(findings: Iterable[Finding]) -> str:
    """The findings as the table that MLflow shows as a run's description."""
    rows = [f"| {finding.practice} | {finding.word} | {markdown.text(finding.summary)} |" for finding in findings]
    return "\n".join(["| practice | verdict | finding |", "| --- | --- | --- |", *rows])[:NOTE_LENGTH]


def _system_points(path: Path, start: int) -> Points:
    """What the stage recorded of the machine, {name: [[seconds, value], ...]}, where MLflow's page looks for it."""
    return [
        (f"system/{name}", value, start + int(1000 * seconds), step)
        for name, series in (_read_json(path) or {}).items()
        for step, (seconds, value) in enumerate(_thinned(series, CURVE_POINTS))
    ]


def _thinned(curve: Sequence[tuple[float, float | None]], most: int) -> list[tuple[float, float]]:
    """At most `most` of the finite points, evenly spaced, the first and the last among them."""
    points = [(step, value) for step, value in curve if value is not None]
    if len(points) <= most:
        return points
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]


def _status(findings: Sequence[Finding]) -> str:
    return "FAILED" if worst(list(findings)) == "fail" else "FINISHED"


# Publishing


def _publish(client: "MlflowClient", experiment: str, pipeline: Pipeline, stage: str) -> str:
    """The id of the run of `stage`, with its trainings below it and the pipeline's run above it."""
    findings = pipeline.findings(stage)
    when = _milliseconds(pipeline, stage)

    identity = {PIPELINE: pipeline.key, STAGE: "pipeline"}
    content = _of_pipeline(pipeline, stage, when)
    parent_id = _write(client, experiment, _find(client, experiment, identity), identity, content)
    _write_origin(client, parent_id, pipeline)

    identity = {PIPELINE: pipeline.key, STAGE: stage, PARENT: parent_id}
    content = _of_stage(pipeline, stage, findings, when)
    run_id = _write(client, experiment, _find(client, experiment, identity), identity, content)
    _write_artifacts(client, run_id, pipeline, stage, findings)
    _write_trainings(client, experiment, run_id, pipeline, stage, when)

    if stage == STAGES[-1] and content.status == "FINISHED" and (pipeline.workspace / FINAL_MODEL).is_dir():
        _register(client, pipeline, run_id, findings)
    return run_id


def _register(client: "MlflowClient", pipeline: Pipeline, run_id: str, findings: Sequence[Finding]) -> None:
    """The final model as a version with all that tells where it comes from; the first is the champion."""
    workspace, name = pipeline.workspace, registered_name(pipeline.settings.data.name)
    found = [finding for stage in reached(workspace, STAGES[-1]) for finding in pipeline.findings(stage)]
    verdicts = Counter(finding.word for finding in found)
    tags = {
        PIPELINE: pipeline.key,
        DATA_VERSION: pipeline.data()["md5"] or pipeline.data_version,
        CODE: pipeline.code(),
        SETTINGS: json.dumps(_flat(identity(pipeline.settings))),
        FINDINGS: ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
        **_test_tags(findings),
        **pipeline.origin(STAGES[-1]),
    }
    with tempfile.TemporaryDirectory(prefix="recipe-seen-") as beside:
        seen = write_seen(workspace, Path(beside))
        version = register_model(client, name, workspace / FINAL_MODEL, run_id, tags, [seen])
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
    elif not (run.info.run_name or "").startswith(new.name):  # a stage without the test figure does not take it away
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
    client.set_terminated(run_id, new.status, end)
    return str(run_id)


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
    chosen = pipeline.workspace / "chosen" / f"{stage}.json"
    if chosen.is_file():
        client.log_artifact(run_id, str(chosen), "chosen")
    client.log_dict(run_id, {"stage": stage, "findings": [to_json(finding) for finding in findings]}, "findings.json")


def _write_trainings(
    client: "MlflowClient", experiment: str, stage_run: str, pipeline: Pipeline, stage: str, when: tuple[int, int]
) -> None:
    """A run for each training; one whose record has changed since is written anew, for a curve cannot be replaced."""
    trainings = _read_json(pipeline.workspace / "reports" / stage / "trainings.json") or []
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
        _write(client, experiment, None, identity, _of_training(training, points, when))


def _find(client: "MlflowClient", experiment: str, tags: Mapping[str, str]) -> "Run | None":
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


def _experiment_of(client: "MlflowClient", pipeline: Pipeline) -> str:
    """The id of the data set's experiment, whose files go where the settings say.

    Nobody can move an experiment in MLflow, so one that keeps its files elsewhere is named in a warning.
    """
    name = pipeline.settings.data.name
    place = pipeline.settings.tracking.artifacts
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        is_database = "sql" in pipeline.uri.partition(":")[0]
        if is_database and place is None:  # there is no server that would choose one
            place = str(pipeline.workspace.resolve() / "mlruns")
        return str(client.create_experiment(name, artifact_location=place, tags=MODEL_TRAINING))
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


# Reading


def _milliseconds(pipeline: Pipeline, stage: str) -> tuple[int, int]:
    """Start and end of the stage since 1970."""
    end = pipeline.measured(stage).stat().st_mtime
    seconds = read_measured(pipeline.workspace / "reports", stage).seconds
    return int(1000 * (end - seconds)), int(1000 * end)


def _test_tags(findings: Iterable[Finding]) -> dict[str, str]:
    test = next((finding for finding in findings if finding.practice == FINAL_TEST), None)
    if test is None or test.measured is None:
        return {}
    low, high = test.interval or (test.measured, test.measured)
    return {"test": f"{test.measured:.6g}", "test_low": f"{low:.6g}", "test_high": f"{high:.6g}"}


def _plain(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(mode="json", by_alias=True)


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}, with names that MLflow takes; what is None is left out."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[re.sub(r"[^\w./: -]", "_", f"{prefix}{name}")] = value
    return flat


def _short(target: str | None) -> str:
    return (target or "").rpartition(".")[2].lower()


def _files(path: Path) -> list[Path]:
    """`path` itself if it is a file, else all files below it."""
    return [path] if path.is_file() else sorted(below for below in path.rglob("*") if below.is_file())


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _read_json(path: Path) -> Any:
    """What `path` holds; None where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
