import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from recipe.evidence import at_most
from recipe.pipeline.gate import PUBLISHES, closed_gates, main, pass_gate
from recipe.pipeline.reproduce import publish_reached
from recipe.report.findings import describe
from recipe.runtime.workspace import locked
from recipe.settings import load_settings
from tests.here import library_logging
from tests.report.workspaces import REPOSITORY, change, found, measure, new_workspace

HEAVY = ("torch", "pandas", "matplotlib", "mlflow", "great_expectations", "sklearn")


@pytest.fixture(scope="module")
def tracking_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow database for all, since a new one migrates for seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def workspace(tmp_path: Path, tracking_store: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_store)
    return new_workspace(tmp_path)


def gate_process(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "recipe.pipeline.gate", *arguments]
    return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)


def gate(workspace: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of that process and what it writes to the error stream, from its `main` in this one."""
    with pytest.MonkeyPatch.context() as patched, library_logging(), redirect_stderr(io.StringIO()) as told:
        patched.chdir(workspace)
        return main(list(arguments)), told.getvalue()


def test_a_gate_opens_where_all_holds_and_publishes_the_stage(workspace: Path) -> None:
    measure(workspace, "data", found("data/imbalance", requirements=(at_most(12, 10, "warn"),)))
    assert pass_gate(workspace, "data") is None
    assert (workspace / "gates" / "data").read_text(encoding="utf-8") == "open\n"
    assert (workspace / "reports" / "index.html").is_file()
    content = json.loads((workspace / "reports" / "findings.json").read_text(encoding="utf-8"))
    assert content["stages"][0]["verdict"] == "warn"
    assert len(content["stages"][0]["mlflow_run_id"]) == 32


@pytest.mark.parametrize(("seconds", "at_once"), [(3.0, False), (90.0, True)])
def test_a_short_stage_is_published_by_the_run_at_its_end_and_a_long_one_at_once(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, at_once: bool
) -> None:
    monkeypatch.setenv(PUBLISHES, "1")
    measure(workspace, "data", found("data/imbalance", requirements=(at_most(1, 10),)), seconds=seconds)
    assert pass_gate(workspace, "data") is None
    content = json.loads((workspace / "reports" / "findings.json").read_text(encoding="utf-8"))
    assert (content["stages"][0]["mlflow_run_id"] is not None) == at_once


@pytest.mark.parametrize("reachable", [True, False])
def test_settings_that_changed_no_number_are_told_though_no_gate_ran(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    measure(workspace, "data", found("data/imbalance", requirements=(at_most(1, 10),)))
    assert pass_gate(workspace, "data") is None
    change(workspace, "seed", 7)
    if not reachable:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    publish_reached(workspace)
    told = json.loads((workspace / "reports" / "findings.json").read_text(encoding="utf-8"))["run"]
    assert told["seed"] == 7 and told["settings"] == describe(load_settings(workspace))["settings"]


def test_a_closed_gate_says_which_practice_closed_it_and_what_to_do(workspace: Path) -> None:
    finding = found("data/leakage", "3 images are in two splits.", advice="Split anew.", requirements=(at_most(3, 0),))
    measure(workspace, "data", finding, found("data/blank"))
    code, told = gate(workspace, "data")
    assert code == 1
    assert "data/leakage: 3 images are in two splits." in told
    assert "remedy: Split anew." in told
    assert "data/blank" not in told
    assert "Traceback" not in told
    assert not (workspace / "gates" / "data").exists()
    assert [closed.stage for closed in closed_gates(workspace)] == ["data"]


def test_a_changed_threshold_opens_and_closes_the_gate_without_measuring_again(workspace: Path) -> None:
    measure(workspace, "data", found("data/imbalance", requirements=(at_most(12, "max_missing"),)))
    assert pass_gate(workspace, "data") is not None
    change(workspace, "thresholds.data.imbalance.max_missing", 20)
    assert pass_gate(workspace, "data") is None
    assert closed_gates(workspace) == []
    change(workspace, "thresholds.data.imbalance.max_missing", 3)
    assert pass_gate(workspace, "data") is not None
    assert not (workspace / "gates" / "data").exists()


def test_a_stage_that_has_to_run_again_is_no_longer_what_stopped_the_run(workspace: Path) -> None:
    measure(workspace, "data", found("data/leakage", requirements=(at_most(3, 0),)))
    pass_gate(workspace, "data")
    assert len(closed_gates(workspace)) == 1
    (workspace / "reports" / "data" / "measured.json").unlink()
    assert closed_gates(workspace) == []


def test_a_tracking_server_that_does_not_answer_costs_one_line(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port, where nothing listens
    measure(workspace, "data", found("data/blank"))
    assert pass_gate(workspace, "data") is None
    (warning,) = (entry for entry in caplog.records if entry.name == "recipe.pipeline.gate")
    assert warning.getMessage().startswith("MLflow has not taken the stage data")
    assert (workspace / "gates" / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name one stage"),
        (("dta",), "There is no stage 'dta' (did you mean 'data'?)"),
        (("data",), "measured.json is missing: measure the stage first"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(workspace: Path, arguments: tuple[str, ...], sentence: str) -> None:
    code, told = gate(workspace, *arguments)
    assert code == 2
    assert sentence in told
    assert len(told.strip().splitlines()) == 1


def test_a_missing_threshold_is_named(workspace: Path) -> None:
    measure(workspace, "data", found("data/blank", requirements=(at_most(1, "max_nothing"),)))
    code, told = gate(workspace, "data")
    assert code == 2
    assert "thresholds.data.blank.max_nothing is missing" in told


def test_a_gate_does_not_write_into_a_workspace_where_a_stage_is_at_work(workspace: Path) -> None:
    measure(workspace, "data", found("data/blank"))
    with locked(workspace):
        run = gate_process(workspace, "data")
    assert run.returncode == 2
    assert "Another run" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert not (workspace / "reports" / "findings.json").exists()


def test_judging_and_the_report_need_no_heavy_library() -> None:
    modules = "sys, recipe.pipeline.gate, recipe.report.build"
    code = f"import {modules}; print([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
