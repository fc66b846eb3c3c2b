"""One real run on digits that the tests of this folder share, and go on from."""

from pathlib import Path

import pytest

from tests.workspaces import make_workspace, recipe

QUICK = ("data=digits", "budget=quick")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `recipe run data=digits budget=quick` has ended with every gate open."""
    workspace = make_workspace(tmp_path_factory.mktemp("run") / "workspace")
    done = recipe(workspace, "run", *QUICK)
    assert done.returncode == 0, done.stderr + done.stdout
    return workspace
