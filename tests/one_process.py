"""Commands carried out one after another in one process, as each would be in a process of its own, but imported once.

    python -m tests.one_process '[["tasks.data"], ["recipe.cli", "predict", "models/final", "rows.csv"]]'

prints what each ended with and said, as JSON.
"""

import io
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.here import exit_code, stages_here
from tests.workspaces import ROOT, run


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def carry_out(workspace: Path, *commands: Sequence[str]) -> list[Ended]:
    """What came of each of `commands`, a module and its words, in a process with the code of `workspace`."""
    command = (sys.executable, "-m", "tests.one_process", json.dumps(commands))
    done = run(workspace, *command, PYTHONPATH=f"{workspace}:{ROOT}")
    assert done.returncode == 0, done.stderr
    return [Ended(**ended) for ended in json.loads(done.stdout)]


def _carry_out(module: str, *words: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = exit_code(module, *words)
    return Ended(code or 0, out.getvalue(), err.getvalue())


if __name__ == "__main__":
    with stages_here():
        results = [asdict(_carry_out(*command)) for command in json.loads(sys.argv[1])]
    json.dump(results, sys.stdout)
