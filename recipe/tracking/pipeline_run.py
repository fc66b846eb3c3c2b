"""A run of the pipeline as MLflow knows it: named by its settings and its data, whatever the thresholds."""

import getpass
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe.evidence import Finding
from recipe.report.findings import STAGES, read_judged
from recipe.runtime.machine_record import MachineRecord, read_record
from recipe.runtime.workspace import SEARCH, fingerprint, git_commit
from recipe.settings import Settings, load_settings
from recipe.settings.identity import NOT_IN_KEY, identity, plain
from recipe.tracking.connection import tracking_uri
from recipe.versioning.freshness import read_lock
from recipe.versioning.provenance import FINAL_MODEL, STUDENT_MODEL, data_entry, recorded_code

NOT_IN_PARAMS = NOT_IN_KEY | {"stages", "sources"}

PREPARED = Path("data/prepared")

# A run's identity, as tags.
PIPELINE, STAGE, TRAINING = "recipe.pipeline", "recipe.stage", "recipe.training"
CONTENT, VERDICT, DATA_VERSION, CODE = "recipe.content", "recipe.verdict", "recipe.data_version", "recipe.code"
SETTINGS, FINDINGS, VERDICTS = "recipe.settings", "recipe.findings", "recipe.verdicts"
# MLflow's own tags: mlflow/utils/mlflow_tags.py
PARENT, COMMIT, SOURCE, SOURCE_TYPE, USER, NOTE = (
    "mlflow.parentRunId",
    "mlflow.source.git.commit",
    "mlflow.source.name",
    "mlflow.source.type",
    "mlflow.user",
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
        """Where the numbers of `stage` come from: the git commit that it was measured at, and on which GPUs.

        What was measured elsewhere belongs to the present code as well, else DVC would measure it again.
        """
        record = self.record(stage)
        known = record.commit if record.ended else git_commit(self.workspace)
        commit = {COMMIT: known} if known else {}
        machine = {f"gpu_{number}": name for number, name in enumerate(record.gpus)}
        return {SOURCE: "recipe", SOURCE_TYPE: "LOCAL", USER: _user(), **commit, **machine}

    def record(self, stage: str) -> MachineRecord:
        """What the machine did for `stage`."""
        return read_record(self.workspace, self.measured(stage))

    def was_carried_out(self, stage: str) -> bool:
        """Whether this run measured `stage` itself, and has not found it measured by another, here or elsewhere."""
        return self.record(stage).settings == fingerprint(identity(self.settings))

    def code(self) -> str:
        """Names the code that the final model comes from."""
        return recorded_code(self.workspace, plain(self.settings))

    def data(self) -> dict[str, Any]:
        """The data that ingest has read: see `recipe.versioning.provenance.data_entry`."""
        return data_entry(self.workspace, plain(self.settings), self.data_version)

    def chosen(self, stage: str) -> list[Path]:
        """What `stage` leaves to the next, as far as it is there."""
        names = [f"{stage}.json", *([SEARCH] if stage == "tune" else [])]
        return [file for name in names if (file := self.workspace / "chosen" / name).is_file()]

    def content(self, stage: str) -> str:
        """The hash of all that is published of `stage`."""
        files = [*_files(self.workspace / "reports" / stage), *_files(self.workspace / "metrics" / f"{stage}.json")]
        files += self.chosen(stage)
        if stage == STAGES[-1]:
            files += [*_files(self.workspace / FINAL_MODEL), *_files(self.workspace / STUDENT_MODEL)]
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


def data_version(workspace: Path) -> str:
    """The hash of the prepared data: DVC's own where dvc.lock has it, else that of the manifest."""
    made = read_lock(workspace).get("ingest", {}).get("outs", [])
    recorded = next((out.get("md5") for out in made if out["path"] == PREPARED.as_posix()), None)
    manifest = workspace / PREPARED / "manifest.parquet"
    return str(recorded) if recorded else _digest(manifest) if manifest.is_file() else "unknown"


def milliseconds(pipeline: Pipeline, stage: str, run: tuple[int, int]) -> tuple[int, int]:
    """Start and end of `stage` since 1970; one that the `run` found measured takes no time, at its start."""
    return _of_record(pipeline.record(stage)) if pipeline.was_carried_out(stage) else (run[0], run[0])


def run_milliseconds(pipeline: Pipeline, last: str) -> tuple[int, int]:
    """Start of the run since 1970, and an end that is as much later as its stages up to `last` have taken.

    So a duration is not that of the night between two halves of a run.
    """
    done = [name for name in STAGES[: STAGES.index(last) + 1] if pipeline.was_carried_out(name)]
    if not done:
        found = int(1000 * pipeline.measured(last).stat().st_mtime)
        return found, found
    start = min(_of_record(pipeline.record(name))[0] for name in done)
    return start, start + int(1000 * sum(pipeline.record(name).seconds for name in done))


def _of_record(record: MachineRecord) -> tuple[int, int]:
    end = record.ended or 0.0
    return int(1000 * (end - record.seconds)), int(1000 * end)


def _user() -> str:
    """Who runs this; a container may know no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _files(path: Path) -> list[Path]:
    """`path` itself if it is a file, else all files below it."""
    return [path] if path.is_file() else sorted(below for below in path.rglob("*") if below.is_file())


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
