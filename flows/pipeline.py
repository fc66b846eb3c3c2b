"""One step of the DVC pipeline as a flow sees it: the stages of dvc.yaml, and what came of reproducing one."""

import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import yaml

from recipe.errors import WorkspaceError
from recipe.pipeline.dead_links import sentence_on_dead_links
from recipe.pipeline.gate import PUBLISHES
from recipe.pipeline.reproduce import BUSY, ERROR, FAILURE, STATUS_SIGNALLED, stage_environment
from recipe.runtime.processes import stop_session
from recipe.runtime.stage_process import CLOSED, TOLD, WAIT
from recipe.versioning.leftovers import clear_leftovers

Kind = Literal["open", "closed", "bad input", "busy", "killed", "interrupted"]

GATE = "gate"  # the stage of dvc.yaml that is a matrix over the others
CLOSES = "The gate of "  # how a closed gate begins, also where the stage asked it itself
LINES_KEPT = 40  # of the output, to find the sentence that says why a stage stopped
STATUS_INTERRUPTED = (
    *(-number for number in (signal.SIGINT, signal.SIGTERM)),
    *(STATUS_SIGNALLED + number for number in (signal.SIGINT, signal.SIGTERM)),
)

# Hints for somebody at a terminal, of no use in the log of a flow.
HINT = re.compile(
    r"^(To track the changes with git|To enable auto staging|Use `dvc push`|\tgit add|\tdvc config"
    r"|Updating lock file|Generating lock file|> |Stage '.*' didn't change|Data and pipelines are up)"
)
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours and cursor moves, ECMA-48


@dataclass(frozen=True)
class Outcome:
    """What came of reproducing a stage and its gate; `message` is the sentence that says why it is not open."""

    kind: Kind
    message: str = ""


def stages_of(workspace: Path) -> list[str]:
    """The stages that measure, in the order of dvc.yaml; the gates, a matrix over them, are left out.

    Raises:
        WorkspaceError: dvc.yaml is not what DVC reads.
    """
    path = workspace / "dvc.yaml"
    try:
        stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise WorkspaceError(f"{path} cannot be read ({reason}): restore it, such as with git checkout.") from error
    return [name for name in stages if name != GATE]


def reproduce_stage(workspace: Path, stage: str, log: Callable[[str], None]) -> Outcome:
    """Reproduce `stage` and its gate, nothing above them, and hand each line of output worth reading to `log`.

    The processes end with this call, however it ends.
    """
    clear_leftovers(workspace)
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage, f"{GATE}@{stage}"]
    tail: deque[str] = deque(maxlen=LINES_KEPT)
    with _running(command, workspace) as (process, output):
        for line in _readable(output):
            tail.append(line)
            if not HINT.match(line) and not FAILURE.match(line):
                log(line)
        status = process.wait()
    return Outcome("open") if status == 0 else _failure(workspace, list(tail))


def _failure(workspace: Path, lines: list[str]) -> Outcome:
    output = "\n".join(lines)
    if BUSY.search(output):
        return Outcome("busy", "Another run is working in this workspace.")
    failed = next((match for line in lines if (match := FAILURE.match(line))), None)
    if failed is None:
        errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
        return Outcome("bad input", sentence_on_dead_links(workspace, output) or (errors[0] if errors else output))
    said = _said_last(lines)
    target, status = failed["stage"], int(failed["status"])
    if status in STATUS_INTERRUPTED:
        return Outcome("interrupted", f"The stage {target} was interrupted.")
    if status < 0 or status > STATUS_SIGNALLED:
        return Outcome("killed", f"The stage {target} was killed (status {status}), perhaps for want of memory.")
    if status == CLOSED and (target.startswith(f"{GATE}@") or any(line.startswith(CLOSES) for line in said)):
        return Outcome("closed", " ".join(line.strip() for line in said) or f"The gate {target} is closed.")
    return Outcome("bad input", said[-1] if said else f"The stage {target} ended with exit code {status}.")


def _said_last(lines: list[str]) -> list[str]:
    """What the stage that ran last said, without DVC's own words."""
    started = max((position for position, line in enumerate(lines) if line.startswith("> ")), default=-1)
    return [line for line in lines[started + 1 :] if not HINT.match(line) and not FAILURE.match(line)]


@contextmanager
def _running(command: list[str], workspace: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """`command` in a session of its own, so that stopping it reaches the stage below DVC as well."""
    process = subprocess.Popen(
        command,
        cwd=workspace,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        stop_session(process)
        process.stdout.close()


def _environment() -> dict[str, str]:
    """A stage that queues where a person would be refused, says itself why it stopped, and leaves MLflow to us."""
    own = {name: value for name, value in stage_environment().items() if name != TOLD}
    return own | {WAIT: "inf", PUBLISHES: "1"}


def _readable(output: IO[str]) -> Iterator[str]:
    """The lines of `output` without colours; of a line that was redrawn, what it showed last."""
    for line in output:
        text = ESCAPE.sub("", line).rstrip().rsplit("\r", 1)[-1]
        if text.strip():
            yield text
