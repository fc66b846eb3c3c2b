"""The process that a stage or a gate runs in: it holds the workspace, and what ends it is told in one sentence."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recipe.errors import DataError, RecipeError, SettingsError, WorkspaceError, redacted
from recipe.runtime.processes import interrupted_by_signals
from recipe.runtime.workspace import find_workspace, locked, private_folder, write_json, write_whole

WAIT = "RECIPE_WAIT_SECONDS"  # how long to wait for the workspace; a flow sets it, a person is answered at once
TOLD = "RECIPE_TOLD"  # set where whoever started the process tells the person what it says
STOPPED = "stopped.json"  # in .recipe/: the sentence for whoever tells it
TRACEBACK = "traceback.txt"
NOTE = "recipe note: "  # begins a line that is to be told beside the findings

DONE, CLOSED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

logger = logging.getLogger("recipe.stage")


def run_process(name: str, work: Callable[[Path], int], workspace: Path | None = None) -> int:
    """Carry out `work` while holding the workspace; gives its exit code, 2 on bad input, 130 when interrupted.

    Args:
        name: such as "The stage data", to begin the sentence that says what ended it.
        workspace: by default the one around the current folder.
    """
    _start_logging()
    wait_seconds = float(os.environ.get(WAIT, "0"))
    try:
        workspace = workspace or find_workspace()
        with interrupted_by_signals(), _explained(workspace, name), locked(workspace, wait_seconds):
            return work(workspace)
    except RecipeError as error:
        logger.error("%s", error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def first_line(error: BaseException) -> str:
    """What `error` says, in one line without its full stop and without passwords."""
    return redacted(str(error).strip().split("\n", 1)[0] or "no message").rstrip(".")


def is_told() -> bool:
    """Whether another process tells the person what this one says."""
    return bool(os.environ.get(TOLD))


def stop_reason(workspace: Path) -> str | None:
    """The sentence that the last stage or gate stopped with, if one did."""
    reason: str | None = _stopped(workspace).get("reason")
    return reason


def stop_kind(workspace: Path) -> type[RecipeError]:
    """What the last stage could not go on with: the data, the settings, the workspace; RecipeError where it broke."""
    kinds = {kind.__name__: kind for kind in (DataError, SettingsError, WorkspaceError)}
    return kinds.get(_stopped(workspace).get("kind", ""), RecipeError)


def _stopped(workspace: Path) -> dict[str, str]:
    path = private_folder(workspace) / STOPPED
    content: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def _start_logging() -> None:
    """What the library has to say goes to the error stream, marked where another process is to tell it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    if is_told():
        handler.addFilter(_marked)
    library = logging.getLogger("recipe")
    library.handlers = [handler]
    library.propagate = False


def _marked(record: logging.LogRecord) -> bool:
    if record.levelno == logging.WARNING:
        record.msg = NOTE + str(record.msg)
    return True


@contextmanager
def _explained(workspace: Path, name: str) -> Iterator[None]:
    """Whatever ends the block is written down in one sentence, for the command that started this process."""
    stopped = private_folder(workspace) / STOPPED
    try:
        yield
    except RecipeError as error:
        write_json(stopped, {"reason": str(error), "kind": type(error).__name__})
        raise
    except Exception as error:
        record = private_folder(workspace) / TRACEBACK
        write_whole(record, redacted(traceback.format_exc()))
        where = "".join(f" in {note}" for note in getattr(error, "__notes__", ()))
        cause = f"{type(error).__name__}: {first_line(error)}"
        sentence = f"{name} stopped{where} on {cause}. The traceback is in {record}."
        write_json(stopped, {"reason": sentence})
        raise RecipeError(sentence) from error
