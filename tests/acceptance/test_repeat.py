"""The whole run twice from nothing: the same figures to the last digit, whatever the number of workers."""

from pathlib import Path

import pytest

from tests.workspaces import make_workspace, metrics_of, recipe

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("data", ["digits", "breast_cancer", "diabetes", "mnist5k"])
def test_two_folders_with_one_and_two_workers_give_the_same_figures(tmp_path: Path, data: str) -> None:
    made = []
    for workers in (1, 2):
        workspace = make_workspace(tmp_path / f"workers-{workers}")
        done = recipe(workspace, "run", f"data={data}", "budget=quick", f"fanout.workers={workers}")
        assert done.returncode in (0, 1), done.stderr
        made.append(metrics_of(workspace))
    assert made[0] and made[0] == made[1]
