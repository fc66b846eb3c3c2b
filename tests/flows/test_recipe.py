"""The flow of the recipe, as far as it needs no server."""

import itertools
from pathlib import Path

import pytest
import yaml
from prefect.logging import disable_run_logger

from flows.pipeline import stages_of
from flows.recipe import as_markdown, run_recipe
from recipe.evidence import Finding
from recipe.settings.composition import compose_params
from tests.flows.conftest import REPOSITORY
from tests.workspaces import make_workspace


def test_every_stage_waits_for_the_gate_of_the_one_before() -> None:
    stages = stages_of(REPOSITORY)
    described = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    assert described["gate"]["matrix"]["stage"] == stages
    for before, stage in itertools.pairwise(stages):
        assert f"gates/{before}" in described[stage]["deps"]


def test_a_stage_that_does_not_exist_is_one_sentence_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    compose_params(workspace, ["data=digits"])
    monkeypatch.chdir(workspace)
    with disable_run_logger():
        state = run_recipe.fn(until="basline")
    assert state.is_failed() and state.name == "Bad input"
    assert "did you mean 'baseline'?" in str(state.message)


def test_findings_become_a_table_with_the_advice_where_something_does_not_hold() -> None:
    holds = Finding("All decode.", measured=0.0, practice="data/unreadable", verdict="pass", advice="Mend them.")
    leaks = Finding("12 | 14 cross.", measured=0.125, practice="data/leakage", verdict="fail", advice="Split again.")
    shown = as_markdown([holds, leaks])
    assert "| fail | data/leakage | 0.125 |  | 12 \\| 14 cross. |" in shown
    assert "- **data/leakage**: Split again." in shown
    assert "Mend them." not in shown
    assert shown.index("data/leakage") < shown.index("data/unreadable")


def test_what_is_knowledge_is_called_so_in_the_table() -> None:
    known = Finding("The number to beat.", measured=0.9, practice="baseline/linear", verdict="pass", knowledge=True)
    assert "| knowledge | baseline/linear | 0.9 |" in as_markdown([known])
