"""A fault as a user would have it closes a gate with a finding that names it: one of a model, one of the data.

The practices' own tests have all ten, and `make acceptance` takes each through a run.
"""

import json
from pathlib import Path

import pytest

from recipe.cli import CLOSED
from tests.faults.catalogue import FAULTS, Fault
from tests.workspaces import ROOT, make_workspace, recipe

NAMES = ("softmax before cross-entropy", "a user's own split with test images also in train")
CHOSEN = [fault for fault in FAULTS if fault.name in NAMES]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all, so that data are prepared once for the faults that share them."""
    return make_workspace(tmp_path_factory.mktemp("faults") / "workspace")


@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
def test_the_fault_is_stopped_and_named(workspace: Path, fault: Fault, tmp_path: Path) -> None:
    overrides = [*fault.prepared(tmp_path), "budget=quick"]
    out = tmp_path / "findings"
    told = recipe(workspace, "check", fault.practice, *overrides, "--out", str(out), PYTHONPATH=f"{workspace}:{ROOT}")
    assert told.returncode == CLOSED, told.stderr
    (finding,) = json.loads((out / "findings.json").read_text(encoding="utf-8"))["findings"]
    assert finding["practice"] == fault.practice
    assert finding["verdict"] == "fail"
    assert fault.words in finding["summary"] + finding["advice"]


def test_a_sound_model_on_sound_data_is_let_through(workspace: Path, tmp_path: Path) -> None:
    practices = [fault.practice for fault in CHOSEN]
    told = recipe(workspace, "check", *practices, "data=digits", "budget=quick", "--out", str(tmp_path / "findings"))
    assert told.returncode == 0, told.stderr + told.stdout
