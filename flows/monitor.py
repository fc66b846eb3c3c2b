"""A batch from production under Prefect: what `recipe monitor` finds, as an artifact and as an event.

Run it with `python -m flows.monitor PATH`, or on a worker with `prefect deployment run monitor/production`.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed

from flows.endings import BAD_INPUT, failed
from flows.links import link
from flows.recipe import EXIT_CODES, as_markdown, run_from_command_line
from recipe.errors import RecipeError
from recipe.monitoring.history import read_entries
from recipe.monitoring.pending import newest_batch, note_failure
from recipe.pipeline.reproduce import stage_environment
from recipe.report.findings import read
from recipe.report.page import PAGE
from recipe.runtime.processes import run_to_end
from recipe.runtime.workspace import find_workspace, private_folder

DRIFTED = "Drifted"  # the name that Prefect shows such a completed run by
EVENT = "training-recipe.monitor"
LOG, MONITOR = "monitor.log", "monitor"  # in .recipe/, and in reports/
STEADY_CODE, DRIFTED_CODE, INTERRUPTED_CODE = 0, 1, 130  # of `recipe monitor`


def _name_of_run() -> str:
    return str(flow_run.parameters.get("path") or "production")


@flow(name="monitor", flow_run_name=_name_of_run)
def monitor_production(path: str) -> State[None]:
    """Compare the batch at `path` with the training data and the champion.

    Args:
        path: a table or a folder of images, or a folder of such batches, of which the newest is taken that was not
            monitored since it last changed, those that could not be after the others; relative to the workspace.
    """
    try:
        workspace = find_workspace()
        batch = newest_batch(workspace, workspace / path)
    except RecipeError as error:
        return failed(BAD_INPUT, str(error))
    if batch is None:
        return Completed(message=f"Every batch in {path} has been monitored.")
    return _monitored(workspace, batch)


def _monitored(workspace: Path, batch: Path) -> State[None]:
    began, log = time.time(), private_folder(workspace) / LOG
    command = [sys.executable, "-m", "recipe.cli", "monitor", str(batch)]
    code = run_to_end(command, workspace, stage_environment(), log)
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    get_run_logger().info("%s", said)
    if code == INTERRUPTED_CODE:
        return Cancelled(message="The comparison was interrupted.")
    if code not in (STEADY_CODE, DRIFTED_CODE):
        note_failure(workspace, batch, began)
        return failed(BAD_INPUT, said.rpartition("\n")[2].removeprefix("recipe: "))
    _publish(workspace)
    tell(workspace, code)
    if code == DRIFTED_CODE:
        return Completed(name=DRIFTED, message=f"{batch.name} is no longer as training was.")
    return Completed(message=f"{batch.name} is as training was.")


def _publish(workspace: Path) -> None:
    findings = read(workspace / "reports" / MONITOR).findings
    create_markdown_artifact(as_markdown(findings), key="monitor-findings", description="What the batch is like")
    link(f"{MONITOR}/{PAGE}", workspace, key="monitor-report", description="The batch beside training")


def tell(workspace: Path, code: int) -> None:
    """An event, steady or drifted by the exit code; its payload is the last line of `.recipe/monitor.jsonl`."""
    outcome = "steady" if code == STEADY_CODE else "drifted"
    entry = read_entries(workspace)[-1]
    resource = {"prefect.resource.id": f"{EVENT}.{entry.data}", "prefect.resource.name": entry.data}
    emit_event(f"{EVENT}.{outcome}", resource=resource, payload=asdict(entry))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow from the command line; 0 as training was, 1 drifted, 2 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser("python -m flows.monitor", description="A batch from production under Prefect.")
    parser.add_argument("path", help="a batch, or a folder of batches")
    given = parser.parse_args(arguments)
    path = str(Path(given.path).absolute())
    return run_from_command_line(lambda: monitor_production(path, return_state=True), {**EXIT_CODES, DRIFTED: 1})


if __name__ == "__main__":
    sys.exit(main())
