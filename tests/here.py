"""The stages that a check, a delivery or a comparison of runs starts, carried out in this process.

The command line is the same and what comes of it too; what is spared are the seconds in which a new Python imports what
this one has imported. tests/deliveries/test_apart.py has deliveries examined in a process, as a person's are.
"""

import logging
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from recipe.pipeline import reproduce
from recipe.training.fit import MEMORY


@contextmanager
def stages_here() -> Iterator[None]:
    """Within, a stage that is to run apart runs here, as this process has its code."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reproduce, "run_to_end", _run_here)
        yield


def _run_here(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    meanwhile: Callable[[], None],
) -> int:
    """What `run_to_end` does with `python -m MODULE WORD ...`; gives the exit code."""
    _, option, module, *words = command
    assert option == "-m" and module.startswith(("tasks.", "recipe.")), command
    with pytest.MonkeyPatch.context() as patched, open(log, "w") as output:
        patched.chdir(folder)
        for variable, value in environment.items():
            patched.setenv(variable, value)
        with redirect_stdout(output), redirect_stderr(output):
            code = exit_code(module, *words)
    assert code is not None, f"{module} ends its process"
    meanwhile()
    return code


def exit_code(module: str, *words: str) -> int | None:
    """What `python -m MODULE WORD ...`, carried out in this process, exits with; None where it does not exit."""
    MEMORY.clear()  # a process of its own has trained nothing yet
    with pytest.MonkeyPatch.context() as patched, library_logging(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the module may have been imported before
        patched.setattr(sys, "argv", [module, *words])
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as ended:
            return int(ended.code or 0)
    return None


@contextmanager
def library_logging() -> Iterator[None]:
    """Within, a stage or a gate sets the library's logging up for its process; what it was before is put back."""
    library = logging.getLogger("recipe")
    before = library.handlers, library.propagate
    yield
    library.handlers, library.propagate = before
