"""DVC's own commands do here what its users expect."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.finished import continued
from tests.growing import settings_of
from tests.workspaces import make_workspace, recipe, run

pytestmark = pytest.mark.slow

AUTHOR = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")


@pytest.fixture(scope="module")
def repository(finished: Path) -> Path:
    """A git repository in which the recipe has run, all of it committed."""
    for command in (("add", "-A"), (*AUTHOR, "commit", "-q", "-m", "Digits")):
        assert run(finished, "git", *command).returncode == 0
    return finished


def test_what_a_run_makes_is_kept_out_of_git_but_for_its_figures(repository: Path) -> None:
    tracked = run(repository, "git", "ls-files").stdout.splitlines()
    assert {"dvc.lock", "params.yaml", "metrics/ingest.json", "metrics/data.json"} <= set(tracked)
    assert not [name for name in tracked if name.startswith(("reports/", "data/prepared", "gates/", ".recipe/"))]


def test_a_local_remote_carries_data_and_results_to_an_empty_cache(repository: Path, tmp_path: Path) -> None:
    assert run(repository, "dvc", "remote", "add", "-f", "-d", "store", str(tmp_path / "store")).returncode == 0
    pushed = run(repository, "dvc", "push")
    assert "pushed" in pushed.stdout, pushed.stderr
    before = (repository / "reports" / "data" / "measured.json").read_bytes()
    for made in (repository / ".dvc" / "cache", repository / "reports" / "data", repository / "data" / "prepared"):
        shutil.rmtree(made)
    run(repository, "dvc", "pull", "data", "ingest")
    assert (repository / "reports" / "data" / "measured.json").read_bytes() == before
    assert "up to date" in run(repository, "dvc", "status", "data").stdout


def test_an_experiment_composes_its_settings_and_its_figures_are_compared(repository: Path, tmp_path: Path) -> None:
    own = continued(repository, tmp_path)
    ingest = ("dvc", "metrics", "diff", "--targets", "metrics/ingest.json")
    before = str(json.loads((own / "metrics" / "ingest.json").read_text(encoding="utf-8"))["train"])
    done = run(own, "dvc", "exp", "run", "-S", "data=breast_cancer", "-S", "seed=3", "ingest")
    assert done.returncode == 0, done.stderr
    assert "name: breast_cancer" in (own / "params.yaml").read_text(encoding="utf-8")
    lines = [line.split() for line in run(own, *ingest).stdout.splitlines()]
    (before_and_after,) = [line[2:4] for line in lines if line[:2] == ["metrics/ingest.json", "train"]]
    now = json.loads((own / "metrics" / "ingest.json").read_text(encoding="utf-8"))["train"]
    assert before_and_after == [before, str(now)] and before != str(now)


def test_two_people_with_equal_inputs_make_equal_files_to_the_byte(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "another name" / "workspace"
    other.parent.mkdir()
    assert run(tmp_path, "git", "clone", "-q", str(repository), str(other)).returncode == 0
    done = recipe(other, "run", *settings_of(other), "--until", "baseline")
    assert done.returncode == 0, done.stderr + done.stdout
    assert not run(other, "git", "status", "--porcelain").stdout, run(other, "git", "diff").stdout


def test_metrics_fit_a_screen_and_name_the_figure_that_runs_are_compared_by(repository: Path) -> None:
    lines = run(repository, "dvc", "metrics", "show").stdout.splitlines()
    assert lines[0].split() == ["Path", "accuracy", "accuracy_high", "accuracy_low"]
    assert lines[1].split()[0] == "metrics/final.json" and len(lines) == 2
    assert max(map(len, lines)) <= 80


def test_a_stage_in_which_a_practice_raised_closes_its_gate_and_is_measured_again(tmp_path: Path) -> None:
    own = make_workspace(tmp_path / "workspace")
    practice = own / "recipe" / "practices" / "data" / "imbalance.py"
    sound = practice.read_text(encoding="utf-8")
    name = re.search(r"^def (\w+)\(.*Finding:\n", sound, re.MULTILINE)
    assert name is not None
    again = f'@practice("data/imbalance")\ndef {name[1]}(*_: object) -> Finding:\n    """It holds."""\n    1 / 0\n'
    practice.write_text(f"{sound}\n\n{again}", encoding="utf-8")
    ended = recipe(own, "run", "data=diabetes", "--until", "data")
    assert ended.returncode == 1
    assert "It could not be measured: ZeroDivisionError: division by zero." in ended.stdout + ended.stderr
    assert "data" not in yaml.safe_load((own / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    findings = json.loads((own / "reports" / "findings.json").read_text(encoding="utf-8"))
    assert [stage["verdict"] for stage in findings["stages"]] == ["pass", "fail"]
    assert not (own / "gates" / "data").exists()
