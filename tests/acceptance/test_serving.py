"""The champion behind `mlflow models serve`: the same answers after a restart, the earlier ones after a rollback."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipe.tracking.connection import connect
from recipe.tracking.registry import CHAMPION, alias_version
from tests.deliveries.conftest import shuffled_digits
from tests.flows.conftest import run
from tests.growing import HELD, growing_workspace, settings_of
from tests.scoring import as_record, post, scoring
from tests.workspaces import recipe

ASKED = 300

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def succession(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two versions of a model, the second of which is the champion."""
    workspace = growing_workspace(tmp_path_factory.mktemp("succession"))
    for overrides in ([], settings_of(workspace, "seed=1")):
        done = run("-m", "flows.retrain", *overrides, workspace=workspace)
        assert done.returncode == 0, done.stdout
    done = recipe(workspace, "promote", "2", "--why", "To go back from.")
    assert done.returncode == 0, done.stderr
    return workspace


def test_the_champion_answers_alike_after_a_restart_and_as_the_one_before_after_a_rollback(
    succession: Path, tmp_path: Path
) -> None:
    client = connect(f"sqlite:///{succession / 'mlflow.db'}")
    assert alias_version(client, "photos", CHAMPION) == "2"
    second, second_again = asked(succession, tmp_path), asked(succession, tmp_path)
    assert second == second_again

    assert recipe(succession, "rollback").returncode == 0
    first, first_again = asked(succession, tmp_path), asked(succession, tmp_path)
    assert first == first_again != second

    assert recipe(succession, "rollback").returncode == 0
    assert asked(succession, tmp_path) == second

    labels = shuffled_digits()[1][HELD : HELD + ASKED].astype(str)
    for answers in (first, second):
        rows = json.loads(answers)["predictions"]
        assert sum(row["prediction"] == label for row, label in zip(rows, labels, strict=True)) > 0.9 * ASKED


def asked(workspace: Path, elsewhere: Path) -> str:
    """What the champion says of raw images, to the last digit, by a server of its own."""
    body: dict[str, Any] = {"dataframe_records": [as_record(image) for image in shuffled_digits()[0][HELD:][:ASKED]]}
    tracking = f"sqlite:///{workspace / 'mlflow.db'}"
    with scoring(f"models:/photos@{CHAMPION}", elsewhere, MLFLOW_TRACKING_URI=tracking) as url:
        status, answer = post(url, body)
    assert status == 200, answer
    return json.dumps(answer)
