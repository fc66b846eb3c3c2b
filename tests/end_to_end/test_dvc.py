"""DVC's own commands do here what its users expect."""

import json
import shutil
from pathlib import Path

import pytest

from tests.finished import continued
from tests.workspaces import run

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
    before = str(json.loads((own / "metrics" / "ingest.json").read_text(encoding="utf-8"))["train"])
    done = run(own, "dvc", "exp", "run", "-S", "data=breast_cancer", "-S", "seed=3", "ingest")
    assert done.returncode == 0, done.stderr
    assert "name: breast_cancer" in (own / "params.yaml").read_text(encoding="utf-8")
    lines = [line.split() for line in run(own, "dvc", "metrics", "diff").stdout.splitlines()]
    (before_and_after,) = [line[2:4] for line in lines if line[:2] == ["metrics/ingest.json", "train"]]
    now = json.loads((own / "metrics" / "ingest.json").read_text(encoding="utf-8"))["train"]
    assert before_and_after == [before, str(now)] and before != str(now)
