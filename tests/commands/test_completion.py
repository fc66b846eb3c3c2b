"""TAB, asked for as a shell does: bash is given the line, and calls what the completion registered."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from argcomplete.shell_integration import shellcode

from recipe.commands.completion import PATHS, words
from recipe.report.findings import STAGES
from recipe.settings import composition
from tests.workspaces import ROOT, environment

TAB_SECONDS = 0.3  # from here a person waits; torch alone takes several times as long to import
ASK = """
COMP_LINE=$1 COMP_POINT=${#1}
_python_argcomplete recipe
printf '%s\\n' "${COMPREPLY[@]}"
"""

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the command in it."""
    path = tmp_path_factory.mktemp("bin") / "recipe"
    path.write_text(f"#!{sys.executable}\nfrom recipe.cli import main\n\nmain()\n", encoding="utf-8")
    path.chmod(0o755)
    return path.parent


@pytest.fixture
def tab(folder: Path) -> Callable[..., list[str]]:
    """What bash offers after a line, in the workspace of this project or another folder."""

    def offered(line: str, where: Path = ROOT) -> list[str]:
        own = environment(ROOT)
        told = subprocess.run(
            ["bash", "--norc", "-c", shellcode(["recipe"]) + ASK, "bash", line],
            cwd=where,
            env={**own, "PATH": f"{folder}{os.pathsep}{own['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        return [word for word in told.stdout.splitlines() if word]

    return offered


@needs_bash
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("recipe re", ["retrain", "report", "receive"]),
        ("recipe run --u", ["--until "]),
        ("recipe run --until ba", ["baseline "]),
        ("recipe flow --until ba", ["baseline "]),
        ("recipe run data=di", ["diabetes", "digits"]),  # bash takes = for a break, and asks for what follows
        ("recipe run 'data=dig", ["data=digits"]),
        ("recipe run data=table model.w", ["model.width="]),
        ("recipe run data=digits --until data budget=qu", ["quick "]),
        ("recipe run ~model.drop", ["~model.dropout "]),
        ("recipe run data.path=Lic", []),
        ("recipe run data.path=LIC", ["LICENSE "]),
        ("recipe flow data=digits budget=th", ["thorough "]),
        ("recipe check baseline/gra", ["baseline/gradients "]),
        ("recipe check data/blank model=resn", ["resnet "]),
        ("recipe check --out do", ["docs/"]),
        ("recipe predict LIC", ["LICENSE "]),
        ("recipe promote ch", ["challenger "]),
        ("recipe why champion ch", ["champion", "challenger"]),
    ],
)
def test_tab_in_bash_offers_what_may_follow(tab: Callable[..., list[str]], line: str, words: list[str]) -> None:
    assert tab(line) == words


@needs_bash
def test_outside_of_a_workspace_tab_offers_commands_and_options_still(
    tab: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert tab("recipe hi", tmp_path) == ["history "]
    assert tab("recipe retrain --fo", tmp_path) == ["--force "]
    assert tab("recipe run da", tmp_path) == []


@needs_bash
def test_tab_answers_before_a_person_waits(tab: Callable[..., list[str]]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert tab("recipe check stages.baseline.loss_at_init.see") == ["stages.baseline.loss_at_init.seeds="]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < TAB_SECONDS


def test_every_stage_and_practice_is_offered_and_nothing_else() -> None:
    code = "".join(path.read_text() for path in (ROOT / "recipe" / "practices").rglob("*.py"))
    defined = set(re.findall(r'@practice\("([^"]+)"\)', code))
    assert set(checked("")) >= set(STAGES) == set(words("", "STAGE", []))
    assert {name for stage in STAGES for name in checked(f"{stage}/")} == defined


def checked(prefix: str) -> Iterable[str]:
    return [word for word in words(prefix, "STAGE|PRACTICE|OVERRIDE", []) if word.startswith(prefix)]


@needs_bash
def test_files_are_offered_for_every_setting_that_names_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert composition.PATHS == PATHS
    (tmp_path / "photos").mkdir()
    for name in ("dvc.yaml", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    for name in PATHS:
        assert words(f"{name}=pho", "OVERRIDE", []) == [f"{name}=photos/"]
