"""Commands carried out one after another in one process, as each would be in a process of its own, but imported once.

    python -m tests.one_process '[["tasks.data"], ["recipe.cli", "predict", "models/final", "rows.csv"]]'

prints what each ended with and said, as JSON.
"""

import io
import json
import runpy
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.workspaces import ROOT, environment


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def carry_out(workspace: Path, *commands: Sequence[str]) -> list[Ended]:
    """What came of each of `commands`, a module and its words, in a process with the code of `workspace`."""
    own = {**environment(workspace), "PYTHONPATH": f"{workspace}:{ROOT}"}
    command = [sys.executable, "-m", "tests.one_process", json.dumps(commands)]
    done = subprocess.run(command, cwd=workspace, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Ended(**ended) for ended in json.loads(done.stdout)]


def _carry_out(module: str, *words: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        warnings.catch_warnings(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # of a module that another command has imported
        patched.setattr(sys, "argv", [module, *words])
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


if __name__ == "__main__":
    from tests.here import stages_here

    with stages_here():
        results = [asdict(_carry_out(*command)) for command in json.loads(sys.argv[1])]
    json.dump(results, sys.stdout)
