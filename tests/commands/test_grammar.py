"""Each command explains itself by examples that it takes."""

import re
import shlex
from argparse import Namespace
from pathlib import Path

import pytest

from recipe.commands.completion import words
from recipe.commands.grammar import COMPLETION, EXAMPLES, make_parser
from recipe.errors import SettingsError
from recipe.pipeline.reproduce import stages_until
from recipe.settings.composition import compose
from tests.workspaces import ROOT

TYPED = [typed for examples in EXAMPLES.values() for typed, _ in examples]


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_help_of_a_command_has_its_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args([command, "--help"])
    told = capsys.readouterr().out
    for typed, does in EXAMPLES[command]:
        assert re.search(rf"^  {re.escape(typed)} +{re.escape(does)}$", told, flags=re.MULTILINE)
        assert typed.startswith(f"recipe {command}")


def test_every_command_has_examples() -> None:
    with pytest.raises(SettingsError) as caught:
        make_parser().parse_args(["none"])
    known = str(caught.value).partition("choose from")[2].partition(")")[0]
    assert set(re.findall(r"\w+", known)) == set(EXAMPLES)


@pytest.mark.parametrize("typed", TYPED)
def test_every_example_is_taken_as_it_stands(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("photos", "rows.csv", "monday.csv", "nets.py"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    parsed = make_parser().parse_args(shlex.split(typed)[1:])
    overrides, names = _words(parsed)
    assert compose(ROOT, overrides)
    assert stages_until(getattr(parsed, "until", None))
    monkeypatch.chdir(ROOT)
    for name in names:
        assert name in words(name, "STAGE|PRACTICE|OVERRIDE", [])


def _words(parsed: Namespace) -> tuple[list[str], list[str]]:
    """The overrides of an example, and what a check names."""
    given = getattr(parsed, "words", [])
    named = [word for word in given if "=" not in word] if parsed.command == "check" else []
    return [word for word in given if "=" in word], named


def test_the_help_and_the_readme_say_how_completion_is_switched_on() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in (
        'eval "$(register-python-argcomplete recipe)"',
        "register-python-argcomplete --shell fish recipe | source",
    ):
        assert command in COMPLETION and command in readme
