"""The curves of trainings that still run, sent to MLflow in batches.

    python -m recipe.tracking.live STAGE --workspace FOLDER

A stage that lasts starts it beside itself, and ends it by closing its input. What it writes is replaced when the stage
is published.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe.runtime.live import LIVE
from recipe.runtime.workspace import find_workspace, private_folder
from recipe.settings.identity import plain
from recipe.tracking.connection import connect
from recipe.tracking.contents import flat, short_name, shown_settings
from recipe.tracking.pipeline_run import (
    PARENT,
    PIPELINE,
    SOURCE,
    STAGE,
    TRAINING,
    Pipeline,
    read_pipeline,
)
from recipe.tracking.publish import METRICS_A_BATCH, OTHERS_A_BATCH, experiment_of, find_run

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SECONDS = 10.0  # between two looks at the files
RUNNING, FINISHED, KILLED = "RUNNING", "FINISHED", "KILLED"


class Sender:
    """What has been sent so far of one stage's trainings."""

    def __init__(self, client: MlflowClient, experiment: str, pipeline: Pipeline, stage: str) -> None:
        self.client, self.experiment, self.pipeline, self.stage = client, experiment, pipeline, stage
        self.above: list[str] = []  # the runs of the stage and of the pipeline, once there is something to show
        self.read: dict[Path, int] = {}  # bytes of each file
        self.runs: dict[Path, str] = {}  # of the trainings that have not ended

    def send(self) -> None:
        """What was noted since the last time."""
        for path in sorted((private_folder(self.pipeline.workspace) / LIVE).glob("*.jsonl")):
            lines = list(self._new_lines(path))
            if path not in self.runs and lines and "key" in lines[0]:
                self.runs[path] = self._begin(lines.pop(0))
            if path in self.runs:
                self._send(self.runs[path], [line for line in lines if "values" in line])
                if any("ended" in line for line in lines):
                    self.client.set_terminated(self.runs.pop(path), FINISHED)

    def end(self) -> None:
        """Send the rest; what has not ended is marked so, until the stage is published."""
        self.send()
        for run in [*self.runs.values(), *self.above]:
            self.client.set_terminated(run, KILLED)

    def _new_lines(self, path: Path) -> Iterator[Mapping[str, Any]]:
        """The whole lines that were added to `path`; half a line is read with its end."""
        with open(path, "rb") as file:
            file.seek(self.read.get(path, 0))
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self.read[path] = self.read.get(path, 0) + len(whole)
        yield from map(json.loads, whole.splitlines())

    def _begin(self, head: Mapping[str, Any]) -> str:
        from mlflow.entities import Param

        if not self.above:
            self.above = list(self._runs_above())
        tags = {TRAINING: str(head["key"]), PARENT: self.above[0]}
        run = str(self.client.create_run(self.experiment, tags=tags, run_name=head["name"]).info.run_id)
        params = [Param(name, str(value)) for name, value in flat(head["params"]).items()]
        self.client.log_batch(run, params=params[:OTHERS_A_BATCH])
        return run

    def _runs_above(self) -> tuple[str, str]:
        """The run of the stage and that of the pipeline above it; either is made where it is not there yet."""
        settings = self.pipeline.settings
        name = f"{settings.data.name} {short_name(settings.model.target)}"
        run_of_pipeline = {PIPELINE: self.pipeline.key, STAGE: "pipeline"}
        parent = self._found_or_made(run_of_pipeline, name, shown_settings(settings))
        tags = {PIPELINE: self.pipeline.key, STAGE: self.stage, PARENT: parent}
        run = self._found_or_made(tags, self.stage, flat(plain(settings)["stages"][self.stage]))
        for one in (run, parent):
            self.client.update_run(one, status=RUNNING)
        return run, parent

    def _found_or_made(self, tags: Mapping[str, str], name: str, params: Mapping[str, Any]) -> str:
        from mlflow.entities import Param

        known = find_run(self.client, self.experiment, tags)
        if known is not None:
            return str(known.info.run_id)
        run = str(self.client.create_run(self.experiment, tags={**tags, SOURCE: "recipe"}, run_name=name).info.run_id)
        logged = [Param(key, str(value)) for key, value in params.items()]
        for first in range(0, len(logged), OTHERS_A_BATCH):
            self.client.log_batch(run, params=logged[first : first + OTHERS_A_BATCH])
        return run

    def _send(self, run: str, lines: list[Mapping[str, Any]]) -> None:
        from mlflow.entities import Metric

        points = [
            Metric(name, value, line["when"], line["step"]) for line in lines for name, value in line["values"].items()
        ]
        for first in range(0, len(points), METRICS_A_BATCH):
            self.client.log_batch(run, points[first : first + METRICS_A_BATCH])


def main() -> int:
    """Send until the input ends; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m recipe.tracking.live", description="Curves, while they grow.")
    parser.add_argument("stage")
    parser.add_argument("--workspace", type=Path)
    given = parser.parse_args()
    pipeline = read_pipeline(given.workspace or find_workspace())
    client = connect(pipeline.uri)
    sender = Sender(client, experiment_of(client, pipeline), pipeline, given.stage)
    while not _has_ended(SECONDS):
        sender.send()
    sender.end()
    return 0


def _has_ended(seconds: float) -> bool:
    """Whether the input ends within `seconds`, which are waited for."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select([0], [], [], left)
        if readable and not os.read(0, 1024):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
