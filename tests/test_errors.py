"""Passwords are taken out of what is shown, and nothing else is."""

import sys
from pathlib import Path

import pytest

from recipe.errors import SettingsError, redacted
from recipe.report.facts import facts_of
from recipe.runtime.processes import handed_on, run_to_end
from recipe.runtime.stage_process import first_line
from recipe.runtime.workspace import write_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hush@db.example:5432/runs", "postgresql://db.example:5432/runs"),
        ("mysql+pymysql://me:hu/sh@hu@db.example", "mysql+pymysql://db.example"),
        ("at 'redis://:hush@cache:6379/0', twice", "at 'redis://cache:6379/0', twice"),
        ("https://me:hush@mlflow.example/a@b", "https://mlflow.example/a@b"),
        ("https://hush@github.com/me/it.git", "https://github.com/me/it.git"),
        ("s3://KEY:hush@bucket/place", "s3://bucket/place"),
        ("postgresql://db/runs?user=me&password=hush&ssl=1", "postgresql://db/runs?user=me&password=***&ssl=1"),
        ("connection failed: host=db password='hu sh' user=me", "connection failed: host=db password=*** user=me"),
        ("https://api.example/?api_key=hush", "https://api.example/?api_key=***"),
    ],
)
def test_a_password_in_an_address_is_hidden(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert str(SettingsError(f"It is wrong: {text}")) == f"It is wrong: {shown}"
    assert first_line(ValueError(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me@db.example/runs",
        "http://localhost:5000/#/models/digits@champion",
        "models:/digits@champion",
        "sqlite:////home/me/a:b@c/mlflow.db",
        "me@example.org wrote: the ratio a:b is 3",
    ],
)
def test_what_holds_no_password_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_words_that_are_handed_on_are_on_no_command_line_and_go_no_further(tmp_path: Path) -> None:
    script = (
        "import os, pathlib; from recipe.runtime.processes import given_words;"
        "words = given_words(); secret = 'hu' + 'sh';"
        "shown = pathlib.Path('/proc/self/cmdline').read_text();"
        "print(words, secret in shown, any(secret in value for value in os.environ.values()))"
    )
    words = ["tracking.uri=postgresql://me:hush@db/runs", "--force"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), **handed_on(words)}

    assert run_to_end([sys.executable, "-c", script], tmp_path, environment, tmp_path / "said") == 0

    assert (tmp_path / "said").read_text().strip() == f"{['-c', *words][1:]} False False"


def test_the_reports_links_to_mlflow_hold_no_password(tmp_path: Path) -> None:
    record = {"uri": "https://me:hush@mlflow.example/", "experiment_id": "1", "run_id": "ab12", "hash": "0"}
    write_json(tmp_path / ".recipe" / "mlflow_runs.json", {"data": record})

    assert facts_of(tmp_path, "digits").mlflow == {"data": "https://mlflow.example/#/experiments/1/runs/ab12"}
