"""The command line: quick to answer, one table, plain where there is no terminal."""

import contextlib
import json
import os
import pty
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from recipe.cli import CLOSED, OPEN, run_command
from recipe.pipeline.check import check
from recipe.runtime.progress import Place, displayed, expect, practice, training, watched
from tests.faults.data import image_folder
from tests.workspaces import RECIPE, ROOT, environment, make_workspace, recipe

COMMANDS = (
    "run",
    "flow",
    "retrain",
    "check",
    "receive",
    "decide",
    "annotate",
    "promote",
    "rollback",
    "history",
    "advise",
    "report",
    "predict",
    "why",
    "monitor",
)
HELP_SECONDS = 0.3
LIMIT = "thresholds.baseline.special_case.max_output_difference"  # no two ways of rounding agree to 0


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A workspace, and what the command said that took the digits in there."""
    workspace = make_workspace(tmp_path_factory.mktemp("command") / "workspace")
    return workspace, recipe(workspace, "run", "data=digits", "--until", "ingest", "budget=quick")


@pytest.fixture
def workspace(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    return ran[0]


def test_help_has_examples_and_costs_nothing() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run([*RECIPE, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "recipe run data=table data.path=rows.csv" in told.stdout
    for command in COMMANDS:
        assert f"    {command} " in told.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < HELP_SECONDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: recipe {command}")


def test_a_run_ends_with_a_plain_table_and_the_page_where_there_is_no_terminal(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    workspace, told = ran
    assert told.returncode == OPEN, told.stderr
    assert (workspace / "gates" / "ingest").read_text(encoding="utf-8") == "open\n"
    assert "\x1b" not in told.stdout + told.stderr
    assert "name: quick" in (workspace / "params.yaml").read_text(encoding="utf-8")  # what follows an option counts
    assert told.stdout.rstrip().endswith(str(workspace / "reports" / "index.html"))


def test_a_check_prints_one_table_and_writes_its_findings_apart(workspace: Path) -> None:
    before = (workspace / "params.yaml").read_text(encoding="utf-8")
    told = recipe(workspace, "check", "baseline/special_case", "data=digits", f"{LIMIT}=0")
    assert told.returncode == CLOSED
    seen = [re.sub(r"^\d+:\d\d  |  about \d+:\d\d left$", "", line) for line in told.stderr.splitlines()]
    assert set(seen) <= {"baseline/special_case (1 of 1)"}  # a practice that is over at once may not be seen
    assert told.stdout.count("  special_case ") == 1
    assert "\nfail baseline/special_case\n" in told.stdout
    assert (workspace / "reports" / "check" / "findings.json").is_file()
    assert (workspace / "params.yaml").read_text(encoding="utf-8") == before


def test_a_check_takes_the_data_in_again_only_where_they_have_changed(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("PYTHONPATH", str(workspace))
    photos = image_folder(tmp_path / "photos", count=100)

    def examples() -> int:
        words = ["data=image_folder", f"data.path={tmp_path / 'photos'}"]
        check(workspace, ["data/unreadable"], words, tmp_path / "out")
        return next(iter(prepared())).stat().st_mtime_ns

    def prepared() -> list[Path]:
        return sorted((workspace / ".recipe" / "check").glob("*/data/prepared/manifest.parquet"), key=os.path.getmtime)[
            ::-1
        ]

    first, again = examples(), examples()
    photos[0].unlink()
    assert first == again < examples()


def test_the_report_is_rebuilt_and_named(workspace: Path) -> None:
    told = recipe(workspace, "report")
    assert told.returncode == OPEN, told.stderr
    assert Path(told.stdout.strip()).is_file()


def test_a_reader_that_has_seen_enough_is_no_error(workspace: Path) -> None:
    command = f"{sys.executable} -m recipe.cli report | true; exit ${{PIPESTATUS[0]}}"
    told = subprocess.run(
        ["bash", "-c", command], cwd=workspace, env=environment(workspace), capture_output=True, text=True, check=False
    )
    assert told.stderr == ""


def test_a_stage_notes_its_place_for_the_command_that_started_it(tmp_path: Path) -> None:
    note = tmp_path / "progress.json"
    with displayed("baseline", note):
        practice("baseline/linear", 3, 13)
        training(1, 2)
    assert Place("baseline", "baseline/linear", 3, 13, 1, 2) == Place(**json.loads(note.read_text()))


def test_a_log_gets_a_line_for_each_practice_and_one_every_half_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("recipe.runtime.display.time.monotonic", lambda: now)
    note = tmp_path / "progress.json"
    with watched(note, ["data", "baseline"]) as refresh, displayed("baseline", note):
        for seconds in range(0, 100, 5):
            now = float(seconds)
            expect({"baseline": 55.0})
            practice(f"baseline/{'ab'[seconds >= 50]}", seconds // 10, 10)
            training(seconds // 10, 9)
            refresh()
    told = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[:2] for line in told] == [
        ["0:00", "baseline/a (1 of 10)"],
        ["0:30", "baseline/a: 3 of 9 trainings"],
        ["0:50", "baseline/b (6 of 10)"],
        ["1:20", "baseline/b: 8 of 9 trainings"],
    ]
    assert [line.split("  ")[2] for line in told] == [f"about {left} left" for left in ("1:00", "0:30", "0:10", "0:10")]
    with displayed("data", None):
        practice("data/blank", 0, 2)
    assert capsys.readouterr().err == "0:00  data/blank (1 of 2)\n"


SHOWN = """
import time
from pathlib import Path
from recipe.runtime.progress import displayed, practice, training, watched

note = Path("progress.json")
with watched(note, ["data", "baseline"]) as refresh, displayed("baseline", note):
    practice("baseline/linear", 3, 13)
    training(1, 4)
    refresh()
    time.sleep(0.5)
"""


def test_a_terminal_shows_what_runs_and_how_far_in_80_columns(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    shown = {**environment(ROOT), "COLUMNS": "80", "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", SHOWN], cwd=tmp_path, env=shown, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # what a terminal answers once its last writer is gone
        while part := os.read(ours, 4096):
            seen += part
    os.close(ours)
    assert process.wait() == 0
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", seen.decode())]
    assert max(map(len, lines)) <= 80
    for name, far in (("baseline", "1/2"), ("  linear", "3/13"), ("  trainings", "1/4")):
        assert any(line.startswith(f"{name} ") and far in line for line in lines)


def test_advice_before_a_run_has_got_that_far_is_refused_in_a_sentence(workspace: Path) -> None:
    done = recipe(workspace, "advise")
    assert done.returncode == 2
    assert done.stderr.startswith("recipe: There is nothing to advise on") and "`recipe run` first" in done.stderr
    assert "Traceback" not in done.stderr
