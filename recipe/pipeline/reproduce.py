"""The DVC pipeline reproduced, and what became of it: gates open or closed, or why a stage could not go on."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from recipe.errors import DataError, RecipeError, SettingsError, WorkspaceError
from recipe.pipeline.dead_links import sentence_on_dead_links
from recipe.pipeline.gate import PUBLISHES, ClosedGate, closed_gates, publish
from recipe.report.findings import collect
from recipe.runtime.processes import run_to_end
from recipe.runtime.progress import PLACE, watched
from recipe.runtime.stage_process import CLOSED, DONE, INTERRUPTED, NOTE, STOPPED, TOLD, WAIT, stop_kind, stop_reason
from recipe.runtime.workspace import private_folder
from recipe.settings import Stages, load_settings, nearest
from recipe.versioning.leftovers import clear_leftovers, clear_trainings
from recipe.versioning.tracked import require_untracked_outputs

STAGES = list(Stages.model_fields)
LOG = "run.log"  # everything that DVC and the stages wrote, for who looks for more than the sentence

ERROR = "ERROR: "
FAILURE = re.compile(r"^ERROR: failed to reproduce '(?P<stage>[^']+)'.*, exited with (?P<status>-?\d+)$", re.MULTILINE)
NO_GIT = "is not a git repository"
BUSY = re.compile(r"is busy, it is being blocked by|Unable to acquire lock")
STATUS_SIGNALLED = 128  # a shell reports a child that signal N ended as 128 + N


def reproduce(workspace: Path, until: str | None = None) -> Sequence[ClosedGate]:
    """`dvc repro` of the stages up to `until` (default all); gives the gates that closed, none when all are open.

    Raises:
        SettingsError: there is no stage `until`.
        WorkspaceError: git tracks outputs of a stage.
        RecipeError: a stage could not go on, or DVC could not; with its sentence.
    """
    due = stages_until(until)
    private = private_folder(workspace)
    (private / STOPPED).unlink(missing_ok=True)
    require_untracked_outputs(workspace)
    clear_leftovers(workspace)
    clear_trainings(workspace)
    command = [sys.executable, "-m", "dvc", "repro", *([f"gate@{until}"] if until else [])]
    with watched(private / PLACE, due) as refresh:
        code = run_to_end(command, workspace, {**stage_environment(), PUBLISHES: "1"}, private / LOG, refresh)
    reason = stop_reason(workspace) if code else None
    if reason:
        raise RecipeError(reason)
    publish_reached(workspace)
    if not code:
        return ()
    closed = [gate for gate in closed_gates(workspace) if gate.stage in due]
    if not closed:
        raise _failure(code, workspace, private / LOG)
    return closed


def publish_reached(workspace: Path) -> None:
    """What the run has reached, to MLflow; nothing is done, nor MLflow imported, where it is there already."""
    result = collect(workspace, load_settings(workspace))
    if result.stages:
        publish(workspace, result, result.stages[-1].stage)


def run_apart(
    module: str,
    scratch: Path,
    *words: str,
    code: Path,
    refresh: Callable[[], None],
    search: Sequence[Path] = (),
    wait_seconds: float = 0.0,
) -> None:
    """Run `module` of the code in `code` on a scratch workspace, with its output kept there.

    Args:
        words: what its command line holds beside the workspace.
        refresh: called now and then until it has ended.
        search: folders that come before PYTHONPATH.
        wait_seconds: how long it waits for another process that works in there.

    Raises:
        RecipeError: it could not go on; with its sentence.
        KeyboardInterrupt: it was interrupted.
    """
    private = private_folder(scratch)
    (private / STOPPED).unlink(missing_ok=True)
    environment = stage_environment()
    path = os.pathsep.join([*map(str, search), *filter(None, [environment["PYTHONPATH"]])])
    own = {"PYTHONPATH": path} | ({WAIT: str(wait_seconds)} if wait_seconds else {})
    command = [sys.executable, "-m", module, "--workspace", str(scratch), *words]
    status = run_to_end(command, code, {**environment, **own}, private / LOG, refresh)
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status not in (DONE, CLOSED):  # one that closes its own gate has measured what could be
        reason = stop_reason(scratch)
        if reason:
            raise stop_kind(scratch)(reason)
        raise RecipeError(f"{module} ended with exit code {status}: its output is in {private / LOG}.")


def stages_until(until: str | None, stages: list[str] = STAGES) -> Sequence[str]:
    """Those of `stages` up to `until`, by default all.

    Raises:
        SettingsError: there is no such stage.
    """
    if until is None:
        return stages
    if until not in stages:
        raise SettingsError(f"There is no stage '{until}'{nearest(until, stages)}: name one of {', '.join(stages)}.")
    return stages[: stages.index(until) + 1]


def notes(workspace: Path) -> Iterator[str]:
    """What the stages of the last run had to say beside their findings, each once."""
    path = private_folder(workspace) / LOG
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    yield from dict.fromkeys(line.removeprefix(NOTE) for line in lines if line.startswith(NOTE))


def stage_environment() -> Mapping[str, str]:
    """This process's environment for stages: this Python first on PATH, PYTHONPATH absolute, nobody's telemetry on."""
    search = [str(Path(entry).absolute()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(search),
        TOLD: "1",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "False",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
    }


def _failure(code: int, workspace: Path, log: Path) -> RecipeError:
    """What DVC itself says where neither a gate nor a stage gave a reason."""
    output = log.read_text(encoding="utf-8", errors="replace")
    if BUSY.search(output):
        return WorkspaceError(
            f"Another DVC command is working in {log.parent.parent}: wait for it to end, and start again."
        )
    if NO_GIT in output:
        return WorkspaceError(f"{log.parent.parent} is no git repository, as DVC needs it: run `git init` there.")
    if code < 0:
        return RecipeError(f"DVC was killed (signal {-code}): start again, and it goes on where it stopped.")
    failed = FAILURE.search(output)
    if failed:
        status = int(failed["status"])
        killed = status < 0 or status > STATUS_SIGNALLED
        how = "was killed, perhaps for want of memory" if killed else "ended and left no reason"
        return RecipeError(f"The stage {failed['stage']} {how} (exit code {status}): what it wrote is in {log}.")
    dead_links = sentence_on_dead_links(workspace, output)
    if dead_links:
        return DataError(dead_links)
    errors = [line.removeprefix(ERROR).rstrip(".") for line in output.splitlines() if line.startswith(ERROR)]
    return RecipeError(f"DVC stopped ({errors[0] if errors else 'without a word'}): what it wrote is in {log}.")
