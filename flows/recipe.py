"""The recipe under Prefect: a task for each stage of dvc.yaml, in its order.

A task reproduces one DVC stage and its gate, so this and `recipe run` agree and share one cache. Run it with
`python -m flows.recipe [OVERRIDE ...] [--until STAGE]`, or on a worker with `prefect deployment run recipe/default`.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings
from prefect.states import Cancelled, Completed, Failed
from prefect.tasks import Task

from flows.endings import BAD_INPUT, CLOSED, KILLED, failed
from flows.links import link_report
from flows.own_settings import own_settings
from flows.pipeline import reproduce_stage, stages_of
from recipe.deliveries.recovery import finish_deliveries
from recipe.errors import RecipeError, WorkspaceError, redacted
from recipe.evidence import SEVERITY, Finding
from recipe.pipeline.reproduce import publish_reached, stages_until
from recipe.report import markdown
from recipe.report.findings import read
from recipe.runtime.processes import given_words, interrupted_by_signals
from recipe.runtime.workspace import RUN_LOCK, find_workspace, locked
from recipe.settings.composition import compose_params
from recipe.versioning.leftovers import clear_trainings
from recipe.versioning.tracked import require_untracked_outputs

EXIT_CODES = {"Completed": 0, CLOSED: 1, "Cancelled": 130}  # any other state: 2, it could not be done
BUSY_POLL_SECONDS = 5.0
WAITING = "Another run is working in this workspace: waiting for it to end."
UNMET = ("fail", "warn")


def _name_of_run() -> str:
    return redacted(" ".join(flow_run.parameters.get("overrides") or ())) or "defaults"


@flow(name="recipe", flow_run_name=_name_of_run)
def run_recipe(overrides: tuple[str, ...] = (), until: str | None = None) -> State[None]:
    """Take the data set and the model that `overrides` name through the stages, up to `until`.

    Args:
        overrides: Hydra overrides, such as `data=digits`.
        until: the last stage to run; by default all are.
    """
    try:
        workspace = find_workspace()
        stages = stages_until(until, stages_of(workspace))
        require_untracked_outputs(workspace)
        with turn(workspace):
            finish_deliveries(workspace)
            with own_settings(workspace, lambda: _compose(workspace, overrides)):
                return through(workspace, stages)
    except RecipeError as error:
        return failed(BAD_INPUT, str(error))


def _compose(workspace: Path, overrides: Sequence[str]) -> None:
    with locked(workspace, math.inf):  # a stage that outlived its run keeps the settings it began with
        compose_params(workspace, overrides)


@contextmanager
def turn(workspace: Path) -> Iterator[None]:
    """Have the workspace for a whole run, after whichever run has it now."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(workspace, name=RUN_LOCK))
        except WorkspaceError as error:
            get_run_logger().info("%s This run waits.", error)
            stack.enter_context(locked(workspace, math.inf, RUN_LOCK))
        yield


def through(workspace: Path, stages: Sequence[str]) -> State[None]:
    """Reproduce `stages` one after another, up to the first that does not complete."""
    clear_trainings(workspace)
    for stage in stages:
        named = reproduce.with_options(name=stage, task_run_name=stage)
        state: State[Any] = named(workspace, stage, return_state=True)
        if not state.is_completed():
            if state.name == CLOSED:
                publish_reached(workspace)
            link_report(workspace)
            get_run_logger().error("%s", state.message)
            return State(type=state.type, name=state.name, message=state.message)
    publish_reached(workspace)
    link_report(workspace)
    return Completed(message=f"Every gate up to {stages[-1]} is open.")


def _can_pass_by_itself(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return state.name == KILLED


@task(retries=1, retry_delay_seconds=10, retry_condition_fn=_can_pass_by_itself)
def reproduce(workspace: Path, stage: str) -> State[None]:
    """Reproduce one DVC stage and its gate; wait for another run that holds the workspace."""
    logger = get_run_logger()
    with locked(workspace, math.inf):
        pass  # a stage that outlived its run ends first
    while (outcome := reproduce_stage(workspace, stage, logger.info)).kind == "busy":
        logger.info(WAITING)
        time.sleep(BUSY_POLL_SECONDS)  # the lock is DVC's, which has no way to wait for it
    if outcome.kind in ("open", "closed"):  # else what the report holds is of an earlier run
        _publish_findings(workspace, stage)
    match outcome.kind:
        case "open":
            return Completed(message=f"The gate of {stage} is open.")
        case "closed":
            return Failed(name=CLOSED, message=outcome.message)
        case "killed":
            return Failed(name=KILLED, message=outcome.message)
        case "interrupted":
            return Cancelled(message=outcome.message)
        case _:
            return Failed(name=BAD_INPUT, message=outcome.message)


def as_markdown(findings: Sequence[Finding]) -> str:
    """A table of `findings`, the worst first, and below it the advice where something does not hold."""
    findings = sorted(findings, key=lambda finding: -SEVERITY[finding.verdict or "skip"])
    rows = [
        " | ".join(["", finding.word, finding.practice, _cell(finding.measured), _cell(finding.expected)])
        + f" | {_cell(finding.summary)} |"
        for finding in findings
    ]
    advice = [
        f"- **{finding.practice}**: {markdown.text(finding.advice)}" for finding in findings if finding.verdict in UNMET
    ]
    table = ["| verdict | practice | measured | expected | seen |", "| --- | --- | --- | --- | --- |", *rows]
    return "\n".join([*table, "", *advice])


def _publish_findings(workspace: Path, stage: str) -> None:
    try:
        measured = read(workspace / "reports").stage(stage)
    except WorkspaceError:  # no report yet
        return
    if measured is not None:
        description = f"What {stage} measured"
        create_markdown_artifact(as_markdown(measured.findings), key=f"{stage}-findings", description=description)


def _cell(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else markdown.text("" if value is None else value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow from the command line; 0 all gates open, 1 a gate closed, 2 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser("python -m flows.recipe", description="The recipe under Prefect.")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="a setting, such as data=digits")
    parser.add_argument("--until", metavar="STAGE", help="the last stage to run")
    given = parser.parse_args(given_words() if arguments is None else arguments)
    return run_from_command_line(lambda: run_recipe(tuple(given.overrides), given.until, return_state=True))


def run_from_command_line(start: Callable[[], State[Any]], codes: Mapping[str, int] = EXIT_CODES) -> int:
    """Run a flow with the user's server, or with one that it starts for itself; gives the exit code, by its state."""
    try:
        with (
            interrupted_by_signals(),
            temporary_settings(set_defaults={PREFECT_API_DATABASE_CONNECTION_URL: own_database()}),
        ):
            state = start()
    except KeyboardInterrupt:
        return 130
    except RecipeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return codes.get(state.name or "", 2)


def own_database() -> str:
    """Where runs are kept that no server of the user's keeps: beside those of `make serve`."""
    folder = find_workspace() / ".recipe" / "prefect"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite+aiosqlite:///{folder / 'prefect.db'}"


if __name__ == "__main__":
    sys.exit(main())
