"""docs/add-a-practice.md, followed to the letter in a copy of the project."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recipe.evidence import Finding
from recipe.report.findings import read
from tests.one_process import Ended, carry_out
from tests.test_docs import FENCE, PAGES
from tests.workspaces import ROOT, environment, make_workspace

PAGE = PAGES["docs/add-a-practice.md"]
PRACTICE, CONF, STAGE, TEST = (  # the four files that the page names
    "recipe/practices/baseline/model_size.py",
    "conf/stages/baseline.yaml",
    "tasks/baseline.py",
    "tests/practices/baseline/test_model_size.py",
)
LIMITS = "thresholds.baseline.model_size"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project with what the page says to add."""
    copy = tmp_path_factory.mktemp("practice") / "project"
    shutil.copytree(make_workspace(copy.with_name("workspace")), copy)
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs", copy / "docs")
    shutil.copy(ROOT / "pyproject.toml", copy)
    practice, threshold, line, test = (code for language, code in FENCE.findall(PAGE.read_text()) if language != "sh")
    stage = (copy / STAGE).read_text()
    start = stage.index("from recipe.practices.")
    stage = f"{stage[:start]}{line}{stage[start:]}".replace("    gradients,\n", "    gradients,\n    model_size,\n")
    conf = (copy / CONF).read_text() + threshold
    for name, content in {PRACTICE: practice, CONF: conf, STAGE: stage, TEST: test}.items():
        (copy / name).write_text(content)
    return copy


@pytest.fixture(scope="module")
def ended(project: Path) -> dict[str, tuple[Ended, Finding | None]]:
    """What came of `recipe` with each of some thresholds, and what the practice found then."""
    commands = {
        "": ("check", "baseline/model_size", "data=digits", "--out", "whole"),
        "max_ratio=0.1": ("check", "baseline/model_size", "data=digits", f"{LIMITS}.max_ratio=0.1", "--out", "tight"),
        "max_rato=1": ("run", "data=digits", f"{LIMITS}.max_rato=1"),
        "max_ratio=-1": ("run", "data=digits", f"{LIMITS}.max_ratio=-1"),
    }
    done = carry_out(project, *(("recipe.cli", *words) for words in commands.values()))
    found = [read(project / words[-1]).findings[0] if words[0] == "check" else None for words in commands.values()]
    return dict(zip(commands, zip(done, found, strict=True), strict=True))


@pytest.mark.parametrize(("override", "verdict"), [("", "pass"), ("max_ratio=0.1", "warn")])
def test_the_practice_is_carried_out_and_judged_by_its_threshold(
    ended: dict[str, tuple[Ended, Finding | None]], override: str, verdict: str
) -> None:
    done, found = ended[override]
    assert done.returncode == 0, done.stderr
    assert found is not None and found.verdict == verdict


@pytest.mark.parametrize(("override", "words"), [("max_rato=1", "did you mean"), ("max_ratio=-1", "greater than 0")])
def test_a_wrong_threshold_is_one_sentence(
    ended: dict[str, tuple[Ended, Finding | None]], override: str, words: str
) -> None:
    done, _ = ended[override]
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_its_own_tests_pass_and_it_is_on_the_page_of_faults(project: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST, "tests/test_faults_page.py"]
    subprocess.run([sys.executable, "-m", "tests.faults_page"], cwd=project, env=environment(project), check=True)
    done = subprocess.run(command, cwd=project, env=environment(project), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "baseline/model_size" in (project / "docs" / "what-makes-each-practice-fail.md").read_text()
