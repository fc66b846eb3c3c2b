"""A DVC killed at any moment is no hindrance to the next one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recipe.runtime.workspace import TRAININGS
from recipe.training.experiment import Experiment
from recipe.training.fit import MEMORY, Shelf, fit_all
from recipe.versioning.leftovers import KEPT_SECONDS, clear_leftovers, clear_trainings


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def zombie() -> Iterator[int]:
    """The id of a process that has ended and that nobody has collected yet."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()  # ends with the process
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.stdout.close()
    process.wait()


def entry(pid: int) -> dict[str, object]:
    return {"pid": pid, "cmd": "dvc repro"}


def test_the_locks_of_a_zombie_are_struck_out_and_those_of_the_living_stay(book: Path, zombie: int) -> None:
    living = entry(os.getpid())
    content = {"read": {"a": [entry(zombie), living], "b": [entry(zombie)]}, "write": {"c": entry(zombie), "d": living}}
    book.write_text(json.dumps(content))
    clear_leftovers(book.parents[2])
    assert json.loads(book.read_text()) == {"read": {"a": [living]}, "write": {"d": living}}


@pytest.mark.parametrize("half", ["", '{"read": {"a"', "[]"])
def test_half_a_book_is_dropped(book: Path, half: str) -> None:
    book.write_text(half)
    clear_leftovers(book.parents[2])
    assert not book.exists()


@pytest.mark.parametrize(
    "half", ["", "schema: '2.0'\n", "schema: '2.0'\nstages:\n  data:\n    cm", "stages:\n  a: {\n"]
)
def test_half_a_record_is_dropped(book: Path, half: str) -> None:
    record = book.parents[2] / "dvc.lock"
    record.write_text(half)
    clear_leftovers(book.parents[2])
    assert not record.exists()


def test_a_whole_record_stays(book: Path) -> None:
    record = book.parents[2] / "dvc.lock"
    record.write_text("schema: '2.0'\nstages:\n  data:\n    cmd: python -m tasks.data\n")
    clear_leftovers(book.parents[2])
    assert record.exists()


def test_nothing_to_clear_is_no_error(tmp_path: Path) -> None:
    clear_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_training_is_kept_as_long_as_some_run_asks_for_it(tmp_path: Path, diabetes_mlp: Experiment) -> None:
    experiment = replace(diabetes_mlp, folder=str(tmp_path / ".recipe" / TRAININGS))
    MEMORY.clear()
    fit_all(experiment, [experiment.training, replace(experiment.training, seed=1)])
    kept = sorted((tmp_path / ".recipe" / TRAININGS).iterdir())
    for path in kept:
        os.utime(path, times=(0, time.time() - KEPT_SECONDS - 60))
    MEMORY.clear()  # as another process, which reads what this one has kept
    fit_all(experiment, [experiment.training])
    clear_trainings(tmp_path)
    assert [path for path in kept if path.exists()] == [
        tmp_path / ".recipe" / TRAININGS / f"{Shelf(experiment).key(experiment.training)}.pt"
    ]
