"""What makes a retraining worth its while: new data, settings, code, limits or expectations."""

import json
import shutil
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows.retrain import retrain
from recipe.pipeline.changes import is_new, remember, state_of
from recipe.settings import load_settings
from recipe.settings.composition import compose
from tests.workspaces import ROOT


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a table, which was retrained on."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "rows.csv").write_text("width,label\n1,a\n2,b\n")
    set_to(tmp_path)
    remember(tmp_path, state(tmp_path), "Version 2 is kept out.")
    return tmp_path


def set_to(workspace: Path, *overrides: str) -> None:
    own = ("data=table", f"data.path={workspace / 'rows.csv'}", "data.label=label", *overrides)
    (workspace / "params.yaml").write_text(json.dumps(compose(ROOT, own)))


def state(workspace: Path) -> str:
    return state_of(workspace, load_settings(workspace))


def test_nothing_is_new_where_nothing_has_changed(workspace: Path) -> None:
    set_to(workspace)
    assert not is_new(workspace, state(workspace))


@pytest.mark.parametrize(
    "override",
    ["seed=7", "thresholds.data.leakage.max_near=0.5", "stages.data.expectations.suites=other"],
)
def test_a_changed_setting_or_limit_is_new(workspace: Path, override: str) -> None:
    set_to(workspace, override)
    assert is_new(workspace, state(workspace))


@pytest.mark.parametrize("name", ["rows.csv", "conf/expectations/rows.json", "plausible.py", "plausible/rows.py"])
def test_changed_data_suites_and_modules_are_new(workspace: Path, name: str) -> None:
    set_to(workspace, "stages.data.expectations.modules=[plausible]")
    remember(workspace, state(workspace), "A gate closed.")
    (workspace / name).parent.mkdir(parents=True, exist_ok=True)
    (workspace / name).write_text("changed")
    assert is_new(workspace, state(workspace))


def test_data_that_are_gone_end_the_retraining_in_one_sentence(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    (workspace / "rows.csv").unlink()
    with disable_run_logger():
        ended = retrain.fn()
    assert ended.is_failed() and ended.name == "Bad input"
    assert ended.message is not None
    assert ended.message.startswith(f"{workspace / 'rows.csv'} does not exist: restore it, such as with `dvc checkout`")
