"""The gate of a stage: judges what the stage measured, refreshes the report, and lets the run on or stops it.

    python -m recipe.pipeline.gate STAGE

Exit 0 open, 1 closed, 2 bad input. It trains nothing and imports no torch, so a changed threshold costs a second.
"""

import logging
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from recipe.errors import SettingsError, WorkspaceError
from recipe.evidence import Finding
from recipe.report import findings
from recipe.report.build import build_report
from recipe.report.findings import STAGES
from recipe.report.page import PAGE
from recipe.runtime.stage_process import CLOSED, DONE, first_line, run_process
from recipe.runtime.workspace import write_whole
from recipe.settings import load_settings, nearest
from recipe.versioning.installed import require_installed_code

PUBLISHES = "RECIPE_PUBLISHES"  # set by a run that publishes its stages itself, once: MLflow takes seconds to import
LONG_SECONDS = 60.0  # a stage that took longer shows up in MLflow at once
OPEN = "open\n"  # the same whenever the gate is open, so that nothing downstream reruns for a changed threshold

log = logging.getLogger("recipe.pipeline.gate")


@dataclass(frozen=True)
class ClosedGate:
    """A stage whose gate is closed, and the findings that closed it."""

    stage: str
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        lines = [f"The gate of {self.stage} is closed."]
        for finding in self.findings:
            lines += [f"  {finding.practice}: {finding.summary}", f"    remedy: {finding.advice}"]
        return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Judge the stage that `arguments` (default: the command line) names; gives the exit code."""
    given = sys.argv[1:] if arguments is None else arguments

    def judge_stage(workspace: Path) -> int:
        require_installed_code(workspace)
        closed = pass_gate(workspace, _stage_of(given))
        if closed is None:
            return DONE
        log.error("%s\n  report: %s", closed, workspace / "reports" / PAGE)
        return CLOSED

    return run_process(" ".join(["The gate of", *given]), judge_stage)


def pass_gate(workspace: Path, stage: str) -> ClosedGate | None:
    """Judge `stage`, merge it into the report, publish it, and open its gate; gives what closed it, else nothing.

    Raises:
        SettingsError: params.yaml does not fit, or lacks a threshold.
        WorkspaceError: the stage has not been measured, or a file cannot be read or written.
    """
    gate = workspace / "gates" / stage
    gate.unlink(missing_ok=True)
    result = findings.collect(workspace, load_settings(workspace), gated=stage)
    build_report(workspace, result)
    if not _is_published_later(result, stage):
        publish(workspace, result, stage)
    upstream = STAGES[: STAGES.index(stage) + 1]
    closed = next((one for one in _closed(result) if one.stage in upstream), None)
    if closed is None:
        write_whole(gate, OPEN)
    return closed


def publish(workspace: Path, result: findings.RunResult, stage: str) -> None:
    """Publish `stage`, and what it was built on, to MLflow, and name the runs there in the report of `result`."""
    run_ids = _publish(workspace, stage)
    is_told = findings.told_settings(workspace / "reports") == result.run["settings"]
    if not is_told or any(one.mlflow_run_id != run_ids.get(one.stage, one.mlflow_run_id) for one in result.stages):
        stages = [replace(one, mlflow_run_id=run_ids.get(one.stage, one.mlflow_run_id)) for one in result.stages]
        build_report(workspace, replace(result, stages=tuple(stages)))


def _is_published_later(result: findings.RunResult, stage: str) -> bool:
    """Whether whoever started this process publishes at the end of the run: a long stage is not kept waiting for it."""
    measured = result.stage(stage)
    return bool(os.environ.get(PUBLISHES)) and measured is not None and measured.seconds < LONG_SECONDS


def closed_gates(workspace: Path) -> list[ClosedGate]:
    """The gates that stopped the present run, as reports/findings.json tells; none when there is no run.

    A stage that has to run again, since its settings, data or code have changed, stops nothing yet.
    """
    try:
        result = findings.read(workspace / "reports")
    except WorkspaceError:
        return []
    reached = list(findings.reached(workspace))
    return [closed for closed in _closed(result) if closed.stage in reached]


def _closed(result: findings.RunResult) -> list[ClosedGate]:
    return [
        ClosedGate(stage.stage, tuple(finding for finding in stage.findings if finding.verdict == "fail"))
        for stage in result.stages
        if stage.verdict == "fail"
    ]


def _stage_of(arguments: list[str]) -> str:
    if len(arguments) != 1:
        raise SettingsError(
            f"Name one stage: python -m recipe.pipeline.gate STAGE, which is one of {', '.join(STAGES)}."
        )
    if arguments[0] not in STAGES:
        near = nearest(arguments[0], list(STAGES))
        raise SettingsError(f"There is no stage '{arguments[0]}'{near}: name one of {', '.join(STAGES)}.")
    return arguments[0]


def _publish(workspace: Path, stage: str) -> dict[str, str]:
    """The MLflow runs of `stage` and of those before it; whatever keeps them out of there must not stop the training.

    A changed setting makes another run of the pipeline, and with it new runs of the stages that need not run again.
    """
    from recipe.report.published import published_runs
    from recipe.tracking.publish import publish_stage

    try:
        publish_stage(workspace, stage)
        return {name: record["run_id"] for name, record in published_runs(workspace).items()}
    except Exception as error:
        reason = first_line(error) if str(error) else type(error).__name__
        log.warning("MLflow has not taken the stage %s (%s): the run goes on without it.", stage, reason)
        return {}


if __name__ == "__main__":
    sys.exit(main())
