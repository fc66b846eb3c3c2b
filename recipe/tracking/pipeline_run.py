"""A run of the pipeline as MLflow knows it: named by its settings and its data, whatever the thresholds."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe.evidence import Finding
from recipe.report.findings import STAGES, read_judged, read_measured
from recipe.runtime.workspace import fingerprint
from recipe.settings import Settings, load_settings
from recipe.tracking.connection import tracking_uri
from recipe.versioning.freshness import read_lock
from recipe.versioning.provenance import FINAL_MODEL, data_entry, recorded_code

# What changes no number is no part of a run's identity: a changed threshold, server or worker count is the same run.
NOT_IN_KEY = frozenset(("thresholds", "tracking", "fanout", "watch", "retrain", "monitor"))
NOT_IN_PARAMS = NOT_IN_KEY | {"stages", "sources"}

PREPARED = Path("data/prepared")

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
        return list(read_judged(self.workspace / "reports", stage, self.settings).findings)

    def origin(self, stage: str) -> dict[str, str]:
        """Where the numbers of `stage` come from: the git commit that it was measured at, and on which GPUs."""
        measured = read_measured(self.workspace / "reports", stage)
        commit = {COMMIT: measured.commit} if measured.commit else {}
        return {SOURCE: "recipe", **commit, **{f"gpu_{number}": name for number, name in enumerate(measured.gpus)}}

    def code(self) -> str:
        """Names the code that the final model comes from."""
        return recorded_code(self.workspace, plain(self.settings))

    def data(self) -> dict[str, Any]:
        """The data that ingest has read: see `recipe.versioning.provenance.data_entry`."""
        return data_entry(self.workspace, plain(self.settings), self.data_version)

    def content(self, stage: str) -> str:
        """The hash of all that is published of `stage`."""
        files = [*_files(self.workspace / "reports" / stage), *_files(self.workspace / "metrics" / f"{stage}.json")]
        files += [*_files(self.workspace / "chosen" / f"{stage}.json")]
        if stage == STAGES[-1]:
            files += _files(self.workspace / FINAL_MODEL)
        return fingerprint([self.key, self.settings.thresholds.of(stage), [_digest(path) for path in files]])


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
    return {name: value for name, value in plain(settings).items() if name not in NOT_IN_KEY}


def data_version(workspace: Path) -> str:
    """The hash of the prepared data: DVC's own where dvc.lock has it, else that of the manifest."""
    made = read_lock(workspace).get("ingest", {}).get("outs", [])
    recorded = next((out.get("md5") for out in made if out["path"] == PREPARED.as_posix()), None)
    manifest = workspace / PREPARED / "manifest.parquet"
    return str(recorded) if recorded else _digest(manifest) if manifest.is_file() else "unknown"


def milliseconds(pipeline: Pipeline, stage: str) -> tuple[int, int]:
    """Start and end of the stage since 1970."""
    end = pipeline.measured(stage).stat().st_mtime
    seconds = read_measured(pipeline.workspace / "reports", stage).seconds
    return int(1000 * (end - seconds)), int(1000 * end)


def plain(settings: Settings) -> dict[str, Any]:
    """`settings` as plain mappings."""
    return settings.model_dump(mode="json", by_alias=True)


def _files(path: Path) -> list[Path]:
    """`path` itself if it is a file, else all files below it."""
    return [path] if path.is_file() else sorted(below for below in path.rglob("*") if below.is_file())


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
