"""One real run on digits that the tests of this folder share, and go on from."""

from pathlib import Path

import pytest

from tests.workspaces import make_workspace, recipe

LEAST = ("data=digits", "model=mlp", "budget=test")
ALONE = (*LEAST, "fanout=sequential")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `recipe run data=digits model=mlp budget=test` has ended with every gate open."""
    workspace = make_workspace(tmp_path_factory.mktemp("run") / "workspace")
    done = recipe(workspace, "run", *ALONE)
    assert done.returncode == 0, done.stderr + done.stdout
    return workspace
