"""`recipe why` on whole runs: all kinds of difference at once, code from git, other seeds, kills, and what is gone."""

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from recipe.cli import BAD_INPUT, OPEN
from recipe.report.published import published_runs
from recipe.settings.composition import compose_params
from tests.made_runs import BROKEN, NET, OWN, commit, dvc_add, make_run_apart
from tests.runs import kill_tree, started
from tests.workspaces import make_workspace, recipe

pytestmark = pytest.mark.acceptance

SMALL = ("budget=quick", "budget.epochs=2", "budget.steps=80", "budget.trials=2", "model=mlp")
PATIENT = "thresholds.overfit.low_training_loss.max_loss_share=1"  # a low rate learns little in so few steps
KILLS = 6


@dataclass(frozen=True)
class Answer:
    """What the command said, and the table that it left."""

    table: pd.DataFrame
    told: subprocess.CompletedProcess[str]

    def change(self, factor: str) -> float:
        return float(self.table.set_index("factor").loc[factor, "change"])


def why(workspace: Path, *words: str) -> Answer:
    told = recipe(workspace, "why", *words)
    assert told.returncode == OPEN, told.stderr
    table = pd.read_csv(workspace / "reports" / "why" / "why.csv", dtype={"from": str, "to": str})
    assert table["change"][:-1].sum() == pytest.approx(table["change"].iloc[-1])
    return Answer(table, told)


# Whole runs, as a person makes them


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the digits through every gate, the second with a lower rate and another seed."""
    workspace = make_workspace(tmp_path_factory.mktemp("digits") / "workspace")
    for words in ([], ["optimizer.lr=1e-4", "seed=1", PATIENT]):
        done = recipe(workspace, "run", "data=digits", *SMALL, *words)
        assert done.returncode == OPEN, done.stderr
    return workspace


def test_runs_that_went_through_the_gates_are_compared_with_the_data_from_dvcs_cache(digits: Path) -> None:
    answer = why(digits, "1", "2")
    assert answer.table["factor"].tolist() == ["optimizer", "seed", "in all"]
    assert len(re.findall(r"run \d of \d", answer.told.stderr)) <= 1
    data = list((digits / ".recipe" / "why" / "data").iterdir())
    assert data and not [scratch for scratch in data if (scratch / ".recipe" / "run.log").exists()]  # none was ingested


def test_a_model_made_again_is_the_one_that_was_registered(digits: Path) -> None:
    before = why(digits, "1", "2")
    shutil.rmtree(digits / ".recipe" / "why")
    elsewhere = digits / "elsewhere"
    (digits / "mlruns").rename(elsewhere)
    for kept in elsewhere.rglob("params.yaml"):  # the settings stay, the models are gone
        shutil.copytree(kept.parent, digits / "mlruns" / kept.parent.relative_to(elsewhere))
    try:
        again = why(digits, "1", "2")
    finally:
        shutil.rmtree(digits / "mlruns")
        elsewhere.rename(digits / "mlruns")
    assert len(re.findall(r"run \d of 3", again.told.stderr)) == 3
    pd.testing.assert_frame_equal(again.table, before.table)


def test_more_seeds_tell_what_chance_does(digits: Path) -> None:
    answer = why(digits, "1", "2", "--seeds", "2")
    (told,) = re.findall(r"(\d) runs that differ by the seed alone are up to (\d\.\d+)", answer.told.stdout)
    assert told[0] == "4" and float(told[1]) >= abs(answer.change("seed")) - 1e-4
    assert set(answer.table["beyond_seed"].dropna().astype(str).str.lower()) <= {"true", "false"}


@pytest.mark.parametrize("number", range(KILLS))
def test_one_that_is_killed_goes_on_from_what_is_finished(digits: Path, number: int) -> None:
    undisturbed = why(digits, "1", "2")
    shutil.rmtree(digits / ".recipe" / "why")
    with started(digits, "why", "1", "2") as run:
        with suppress(subprocess.TimeoutExpired):
            run.wait(random.Random(number).uniform(2, 25))
        kill_tree(run)
    pd.testing.assert_frame_equal(why(digits, "1", "2").table, undisturbed.table)


# A table, a model and a repository of one's own


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with a tracked table and a model, and one run."""
    workspace = make_workspace(tmp_path_factory.mktemp("rows") / "workspace")
    compose_params(workspace, ["data=digits"])
    load_breast_cancer(as_frame=True).frame.to_csv(workspace / "rows.csv", index=False)
    dvc_add(workspace, "rows.csv")
    (workspace / "nets.py").write_text(NET)
    commit(workspace, "Begin")
    assert make_run_apart(workspace, *OWN) == "1"
    return workspace


@pytest.fixture
def rows(repository: Path) -> Iterator[Path]:
    """The repository, with files as they were at first."""
    files = [repository / name for name in ("rows.csv", "rows.csv.dvc", "nets.py")]
    before = [file.read_bytes() for file in files]
    yield repository
    for file, content in zip(files, before, strict=True):
        file.write_bytes(content)
    commit(repository, "Go back")


def test_all_that_differs_at_once_is_told_apart(rows: Path) -> None:
    table, chance = pd.read_csv(rows / "rows.csv"), np.random.default_rng(0)
    where = chance.permutation(len(table))[: len(table) // 3]
    table.loc[where, "target"] = chance.permutation(table["target"][where])
    table.to_csv(rows / "rows.csv", index=False)
    dvc_add(rows, "rows.csv")
    (rows / "nets.py").write_text(BROKEN)
    broken = commit(rows, "Break the model")
    newer = make_run_apart(rows, *OWN, "optimizer.lr=1e-3", "stages.squeeze.ensemble.epochs_factor=1", "seed=1")
    (rows / "nets.py").write_text("what lies there now is of no account")
    answer = why(rows, "1", newer)
    factors = answer.table["factor"].tolist()
    assert factors == ["optimizer", "stages.squeeze", "data version", "code", "seed", "in all"]
    assert answer.table["to"][3] == broken[:8]
    code = answer.table.set_index("factor").loc["code"]
    assert code["high"] < 0 and code["change"] == answer.table["change"][:-1].min()  # a model that sees nothing
    assert answer.change("seed") == 0  # nor does the seed matter to it


def test_code_that_was_never_committed_is_judged_by_its_registered_model(rows: Path) -> None:
    (rows / "nets.py").write_text(BROKEN)
    newer = make_run_apart(rows, *OWN, "optimizer.lr=1e-3")
    (rows / "nets.py").write_text(NET)
    answer = why(rows, "1", newer)
    assert answer.table["factor"].tolist() == ["optimizer", "code", "in all"]
    assert answer.table.set_index("factor").loc["code", "high"] < 0
    assert "could not be swapped" in answer.told.stdout.replace("\n", " ")
    backwards = why(rows, newer, "1")
    assert backwards.table["factor"].tolist() == ["code", "optimizer", "in all"]
    assert backwards.change("in all") == pytest.approx(-answer.change("in all"))


def test_settings_that_hold_only_together_are_swapped_together(rows: Path) -> None:
    (rows / "nets.py").write_text(f"{NET}\ndef halved(batch):\n    return batch[:, :15]\n\n{PAIRED}")
    commit(rows, "Add a model of half the columns")
    rate = "optimizer.lr=2e-2"  # so that it is no model which is registered already, of other code
    first = make_run_apart(rows, *OWN, rate)
    half = ("model._target_=nets.HalfNet", "data.transform._target_=nets.halved", "seed=1")
    newer = make_run_apart(rows, *OWN, rate, *half)
    answer = why(rows, first, newer)
    assert answer.table["factor"].tolist() == ["model and data.transform", "seed", "in all"]
    assert "There is no run with model of B" in answer.told.stdout.replace("\n", " ")


PAIRED = """
class HalfNet(Net):
    def __init__(self, input_shape, n_outputs):
        super().__init__((15,), n_outputs)
"""


def test_runs_of_different_data_have_nothing_to_be_compared_on(digits: Path) -> None:
    done = recipe(digits, "run", "data=breast_cancer", *SMALL, "--until", "ingest")
    assert done.returncode == OPEN, done.stderr
    told = recipe(digits, "why", "digits/1", published_runs(digits)["ingest"]["run_id"])
    assert told.returncode == BAD_INPUT
    assert "0 validation examples in common" in told.stderr
