"""Each of the ten faults stops the run itself, at a gate that names it."""

import json
from pathlib import Path

import pytest

from recipe.cli import CLOSED
from tests.faults.catalogue import FAULTS, Fault
from tests.workspaces import ROOT, make_workspace, recipe

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("faults") / "workspace")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_run_with_the_fault_is_stopped_at_a_gate_that_names_it(workspace: Path, fault: Fault, tmp_path: Path) -> None:
    overrides = [*fault.prepared(tmp_path), "budget=quick", "--until", "baseline"]
    told = recipe(workspace, "run", *overrides, PYTHONPATH=f"{workspace}:{ROOT}")
    assert told.returncode == CLOSED, told.stderr
    stage = fault.practice.partition("/")[0]
    assert f"The gate of {stage} is closed." in told.stderr
    assert fault.practice in told.stderr and fault.words in told.stderr
    assert not (workspace / "gates" / stage).exists()
    findings = json.loads((workspace / "reports" / "findings.json").read_text(encoding="utf-8"))["findings"]
    assert fault.practice in [finding["practice"] for finding in findings if finding["verdict"] == "fail"]
