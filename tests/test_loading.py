"""What names an experiment's data and code, and whose ledgers a stage in a scratch workspace uses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from recipe.composition import compose_params
from recipe.dataset import ingest
from recipe.dataset.stored import INPUTS, PREPARED
from recipe.loading import identity, load_experiment, with_test
from recipe.settings import load_settings
from recipe.stage import Stage
from recipe.test_set import LEDGER
from tests.workspaces import ROOT


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("conf", "dvc.yaml", "requirements.lock"):
        (workspace / name).symlink_to(ROOT / name)
    compose_params(workspace, ["data=diabetes"])
    ingest(workspace, load_settings(workspace))
    return workspace


def test_inputs_that_are_prepared_otherwise_are_other_data(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(workspace)
    before = identity(workspace, settings)
    ingest(workspace, settings)
    assert identity(workspace, settings) == before
    monkeypatch.setattr("recipe.dataset.ingestion.prepare_rows", lambda rows, preparation: np.ones((len(rows), 10)))
    ingest(workspace, settings)
    assert np.load(workspace / PREPARED / INPUTS).max() == 1
    assert identity(workspace, settings) != before


def test_an_edited_model_is_other_code_though_the_settings_name_no_source_of_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "own_net.py").write_text("from recipe.models import Mlp\n\nclass Net(Mlp): ...\n", encoding="utf-8")
    compose_params(workspace, ["data=diabetes", "model._target_=own_net.Net"])
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("model: own_net.py", "model: recipe/models.py"), encoding="utf-8")
    before = identity(workspace, load_settings(workspace))
    (workspace / "own_net.py").write_text("from recipe.models import Linear as Net\n", encoding="utf-8")
    assert identity(workspace, load_settings(workspace)) != before


def test_a_scratch_workspace_reads_the_test_set_on_the_account_of_its_home(workspace: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    shutil.copytree(workspace, scratch, symlinks=True)
    stage = Stage("squeeze", scratch, load_settings(scratch), home=workspace)
    experiment = with_test(load_experiment(stage), stage)
    assert experiment.note_reading is not None
    assert experiment.note_reading("squeeze/final_test", 66, 0.5) == 1
    assert json.loads((workspace / LEDGER).read_text())["reader"] == "squeeze/final_test"
    assert not (scratch / LEDGER).exists()


def test_a_scratch_workspace_splits_as_its_home_does(workspace: Path, tmp_path: Path) -> None:
    rows = workspace / "rows.csv"
    rows.write_text("a,label\n" + "".join(f"{row},{row * 1.5}\n" for row in range(100)), encoding="utf-8")
    compose_params(workspace, ["data=table", f"data.path={rows}"])
    ingest(workspace, load_settings(workspace))
    (known,) = [path for path in (workspace / ".recipe" / "splits").iterdir() if path.name.startswith("rows")]
    scratch = workspace / ".recipe" / "check" / "one"
    scratch.mkdir(parents=True)
    settings = load_settings(workspace)
    absolute = settings.model_copy(update={"data": settings.data.model_copy(update={"path": str(rows)})})
    ingest(scratch, absolute, home=workspace)
    assert [path for path in (workspace / ".recipe" / "splits").iterdir() if path.name.startswith("rows")] == [known]
