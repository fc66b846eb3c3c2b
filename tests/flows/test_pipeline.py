"""Reproducing one stage and its gate, on a small DVC pipeline whose stages do what the test asks."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.pipeline import Outcome, reproduce_stage, stages_of
from recipe.errors import WorkspaceError
from recipe.settings.composition import compose_params
from tests.workspaces import init_dvc, make_workspace

DVC_YAML = """
stages:
  ingest:
    cmd: python stage.py ingest ${behaviour.ingest}
    params: [behaviour.ingest]
    outs: [reports/ingest]
  data:
    cmd: python stage.py data ${behaviour.data}
    deps: [gates/ingest]
    params: [behaviour.data]
    outs: [reports/data]
  gate:
    matrix:
      stage: [ingest, data]
    cmd: python stage.py gate ${item.stage} ${behaviour.gate}
    deps: ["reports/${item.stage}"]
    params: [behaviour.gate]
    outs: ["gates/${item.stage}"]
"""

STAGE = """
import os, signal, sys, time
from pathlib import Path

*stage, behaviour = sys.argv[1:]
out = Path("gates", stage[1]) if stage[0] == "gate" else Path("reports", stage[0], "measured.json")
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text("{}")
print("measuring", *stage)
if behaviour == "closes":
    print("The gate is closed.\\n  data/leakage: 12 images are in both splits", file=sys.stderr)
    sys.exit(1)
if behaviour == "bad":
    print("The folder pictures does not exist: give data.path.", file=sys.stderr)
    sys.exit(2)
if behaviour == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if behaviour == "slow":
    Path("pid").write_text(str(os.getpid()))
    time.sleep(60)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    init_dvc(tmp_path)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "stage.py").write_text(STAGE)
    return tmp_path


def behave(workspace: Path, ingest: str = "well", data: str = "well", gate: str = "well") -> None:
    lines = [f"  ingest: {ingest}", f"  data: {data}", f"  gate: {gate}"]
    (workspace / "params.yaml").write_text("\n".join(["behaviour:", *lines]))


def reproduce(workspace: Path, stage: str) -> tuple[Outcome, list[str]]:
    log: list[str] = []
    return reproduce_stage(workspace, stage, log.append), log


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_of_slow_stage(workspace: Path) -> int:
    deadline = time.monotonic() + 60
    while not (workspace / "pid").is_file() or not (workspace / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int((workspace / "pid").read_text())


def test_the_stages_are_those_of_dvc_yaml_in_its_order_without_the_gates(workspace: Path) -> None:
    assert stages_of(workspace) == ["ingest", "data"]


def test_a_dvc_yaml_that_is_no_yaml_is_one_sentence(workspace: Path) -> None:
    (workspace / "dvc.yaml").write_text("stages: [")
    with pytest.raises(WorkspaceError, match=r"dvc\.yaml cannot be read") as caught:
        stages_of(workspace)
    assert "\n" not in str(caught.value)


def test_a_stage_and_its_gate_run_and_run_no_more_when_nothing_changed(workspace: Path) -> None:
    behave(workspace)
    first, said = reproduce(workspace, "ingest")
    second, then = reproduce(workspace, "ingest")
    assert (first, second) == (Outcome("open"), Outcome("open"))
    assert [line for line in said if line.startswith("measuring")] == ["measuring ingest", "measuring gate ingest"]
    assert then == []


def test_a_closed_gate_is_told_with_its_reason(workspace: Path) -> None:
    behave(workspace, gate="closes")
    outcome, _ = reproduce(workspace, "ingest")
    assert outcome.kind == "closed"
    assert "12 images are in both splits" in outcome.message


def test_bad_input_is_told_in_the_sentence_of_the_stage(workspace: Path) -> None:
    behave(workspace, ingest="bad")
    outcome, _ = reproduce(workspace, "ingest")
    assert outcome == Outcome("bad input", "The folder pictures does not exist: give data.path.")


def test_a_stage_that_was_killed_is_told_from_one_that_refused(workspace: Path) -> None:
    behave(workspace, ingest="killed")
    assert reproduce(workspace, "ingest")[0].kind == "killed"


def test_a_workspace_in_use_is_busy_and_free_again_afterwards(workspace: Path) -> None:
    behave(workspace, ingest="slow")
    outcomes: list[Outcome] = []
    first = threading.Thread(target=lambda: outcomes.append(reproduce(workspace, "ingest")[0]))
    first.start()
    slow = pid_of_slow_stage(workspace)
    assert reproduce(workspace, "ingest")[0].kind == "busy"
    os.kill(slow, signal.SIGINT)
    first.join()
    behave(workspace)
    assert outcomes[0].kind == "interrupted"
    assert reproduce(workspace, "ingest")[0] == Outcome("open")


def test_an_interrupted_reproduction_leaves_no_process_behind(workspace: Path) -> None:
    behave(workspace, ingest="slow")
    code = f"from flows.pipeline import *; reproduce_stage(Path({str(workspace)!r}), 'ingest', print)"
    flow = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    slow = pid_of_slow_stage(workspace)
    flow.send_signal(signal.SIGINT)
    flow.wait(30)
    assert not is_running(slow)


def test_a_file_that_dvc_misses_is_told_in_its_words(workspace: Path) -> None:
    behave(workspace)
    outcome, _ = reproduce(workspace, "data")
    assert outcome.kind == "bad input"
    assert "gates/ingest" in outcome.message


def test_data_with_a_link_that_leads_nowhere_are_told_in_the_sentence_of_the_command(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "dead.png").symlink_to(tmp_path / "gone.png")
    compose_params(workspace, ["data=image_folder", f"data.path={tmp_path / 'photos'}"])
    outcome, _ = reproduce(workspace, "ingest")
    assert outcome.kind == "bad input"
    assert "1 link that leads nowhere (cat/dead.png)" in outcome.message and "mend or remove it" in outcome.message
