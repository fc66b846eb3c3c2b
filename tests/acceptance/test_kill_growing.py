"""Deliveries, retrainings and decisions killed with SIGKILL: nothing lost, nothing twice, never two champions or none.

Everything that a command has started is killed with it, as when the power fails.
"""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from recipe.deliveries.incoming import CLAIMED, DECIDED, INCOMING
from recipe.deliveries.quarantine import QUARANTINE
from recipe.deliveries.record import outcomes
from recipe.tracking.connection import connect
from recipe.tracking.decisions import rulings
from recipe.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, alias_version
from recipe.versioning.provenance import tracked_version
from tests.deliveries.conftest import images_in, incoming, ready, write_images
from tests.flows.conftest import environment
from tests.growing import HELD, growing_workspace, settings_of
from tests.runs import kill_tree, working_in
from tests.workspaces import RECIPE, make_workspace, recipe

KILLS = 20
EXAMPLES = 40  # in a delivery, of which one is no image
COMMIT_SECONDS = 2.5  # from the decision on a delivery to its end, on a busy machine
WRITES = 6  # of a decision, to the registry
NAME = "digits"
RETRAIN = (sys.executable, "-m", "flows.retrain")
COMPARISON = "recipe.promotion.challenge"
DECISION_SECONDS = 12.0  # from the start of the comparison to the end of the flow

pytestmark = pytest.mark.acceptance


@contextmanager
def begun(workspace: Path, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """`command` at work in `workspace`; it and all that it started are killed when the block ends."""
    own = environment(workspace) | {"PYTHONPATH": str(workspace)}
    process = subprocess.Popen(
        command,
        cwd=workspace,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_tree(process)
        for left in working_in(workspace):
            left.kill()


# Deliveries


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that grows with each test, kept as a first version."""
    workspace = growing_workspace(tmp_path_factory.mktemp("growing"))
    done = recipe(workspace, "receive")
    assert done.returncode == 0, done.stderr
    return workspace


@pytest.mark.parametrize("number", range(KILLS))
def test_a_delivery_whose_taking_in_is_killed_is_taken_in_once(growing: Path, number: int) -> None:
    """The even ones at a moment between their decision and their end, the odd ones anywhere."""
    name, held, known = f"delivery-{number}", images_in(growing), len(outcomes(growing))
    start = HELD + number * EXAMPLES
    delivery = write_images(incoming(growing, name), range(start, start + EXAMPLES))
    spoilt = sorted(delivery.rglob("*.png"))[0]
    spoilt.write_bytes(spoilt.read_bytes()[:40])
    ready(delivery)
    chance = random.Random(number)

    with begun(growing, [*RECIPE, "receive"]) as process:
        if number % 2 == 0:
            wait_for_decision(growing, process)
            pause(process, chance.uniform(0, COMMIT_SECONDS))
        else:
            pause(process, chance.uniform(0, 9))
    assert len(outcomes(growing)) in (known, known + 1)
    done = recipe(growing, "receive")

    assert done.returncode in (0, 1), done.stderr  # 1: part of it was set aside
    [outcome] = [outcome for outcome in outcomes(growing) if outcome.name == name]
    assert (outcome.kind, outcome.new, outcome.known, outcome.aside) == ("partly accepted", EXAMPLES - 1, 0, 1)
    assert images_in(growing) == held + EXAMPLES - 1
    assert outcome.version == tracked_version(growing / "data" / "photos")
    assert sum(1 for path in (growing / QUARANTINE / outcome.id).rglob("*.png")) == 1
    assert not [*(growing / INCOMING).iterdir(), *(growing / ".recipe" / CLAIMED).iterdir()]
    assert dvc_agrees(growing)


def wait_for_decision(workspace: Path, process: "subprocess.Popen[str]") -> None:
    while not any((workspace / ".recipe" / CLAIMED).glob(f"*/{DECIDED}")) and process.poll() is None:
        time.sleep(0.005)  # to kill within the few milliseconds after the file is there


def pause(process: "subprocess.Popen[str]", seconds: float) -> None:
    """Until `process` has ended by itself, at most `seconds`."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def dvc_agrees(workspace: Path) -> bool:
    """Whether what lies in the data set is what its .dvc file says."""
    command = [sys.executable, "-m", "dvc", "status", "data/photos.dvc"]
    return "up to date" in subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=True).stdout


# Decisions


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MlflowClient]:
    """A workspace whose registry has a champion, the one before it, and more versions."""
    workspace = make_workspace(tmp_path_factory.mktemp("decided") / "workspace")
    done = recipe(workspace, "run", "data=digits", "budget=quick", "--until", "ingest")
    assert done.returncode == 0, done.stderr
    client = connect(f"sqlite:///{workspace / 'mlflow.db'}")
    client.create_registered_model(NAME)
    for _ in range(3):
        client.create_model_version(NAME, str(workspace))
    for version in ("1", "2"):
        assert recipe(workspace, "promote", version).returncode == 0
    return workspace, client


@pytest.mark.parametrize("number", range(KILLS))
@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_decision_that_is_killed_is_taken_whole_or_not_at_all(
    decided: tuple[Path, MlflowClient], action: str, number: int
) -> None:
    workspace, client = decided
    champion, previous = (alias_version(client, NAME, alias) for alias in (CHAMPION, PREVIOUS))
    assert champion and previous
    wanted = previous if action == "rollback" else next(one for one in "123" if one != champion)
    if action == "promote":
        client.set_registered_model_alias(NAME, CHALLENGER, wanted)
    before = len(rulings(client, NAME))

    words = [action] if action == "rollback" else [action, CHALLENGER]
    with begun(workspace, [*RECIPE, *words, "--why", f"kill {number}"]) as process:
        wait_for_writes(workspace / "mlflow.db", 1 + number % WRITES, process)

    assert alias_version(client, NAME, CHAMPION) in (champion, wanted)
    done = recipe(workspace, "history")
    assert done.returncode == 0, done.stderr
    told = rulings(client, NAME)
    assert all(ruling.done for ruling in told)
    assert len(told) in (before, before + 1)
    expected = (wanted, champion) if len(told) > before else (champion, previous)
    assert (alias_version(client, NAME, CHAMPION), alias_version(client, NAME, PREVIOUS)) == expected
    assert done.stdout.count(f" {CHAMPION}") >= 1 and f"  {expected[0]} {CHAMPION}" in done.stdout


def wait_for_writes(database: Path, count: int, process: "subprocess.Popen[str]") -> None:
    """Until others have written to an SQLite database `count` times."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        seen, written = None, -1
        while written < count and process.poll() is None:
            version = connection.execute("PRAGMA data_version").fetchone()
            if version != seen:
                seen, written = version, written + 1
            time.sleep(0.0005)  # SQLite tells of another's write only who asks, and writes come close together


# Retrainings


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A workspace with a first champion, and the seconds that it took."""
    workspace = growing_workspace(tmp_path_factory.mktemp("retrained"))
    began = time.monotonic()
    finish(workspace)
    return workspace, time.monotonic() - began


@pytest.mark.parametrize("number", range(KILLS // 4))
def test_a_retraining_killed_four_times_is_finished_by_the_next(retrained: tuple[Path, float], number: int) -> None:
    """Three times anywhere on its way, and once while it compares or decides."""
    workspace, seconds = retrained
    chance = random.Random(number)
    versions = champions(workspace)
    finish_settings = settings_of(workspace, f"seed={number + 1}")
    for _ in range(3):
        with begun(workspace, [*RETRAIN, *finish_settings]) as process:
            pause(process, chance.uniform(5, seconds * 0.6))
        assert champions(workspace) == versions
    with begun(workspace, [*RETRAIN, *finish_settings]) as process:
        while process.poll() is None and not working_in(workspace, COMPARISON):
            time.sleep(0.2)
        pause(process, chance.uniform(0, DECISION_SECONDS))
    assert len(champions(workspace)) >= len(versions)

    finish(workspace, *finish_settings)

    client = connect(f"sqlite:///{workspace / 'mlflow.db'}")
    told = rulings(client, "photos")
    newest = str(number + 2)
    assert [ruling.version for ruling in told].count(newest) == 1
    assert all(ruling.done for ruling in told)
    assert alias_version(client, "photos", CHAMPION) == [ruling.version for ruling in told if ruling.crowns][-1]
    assert alias_version(client, "photos", CHALLENGER) is None
    assert {str(version.version) for version in client.search_model_versions("name = 'photos'")} == {
        str(one) for one in range(1, number + 3)
    }


def finish(workspace: Path, *overrides: str) -> None:
    done = subprocess.run(
        [*RETRAIN, *overrides],
        cwd=workspace,
        env=environment(workspace) | {"PYTHONPATH": str(workspace)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def champions(workspace: Path) -> list[str]:
    """The versions that were made champion, one after another."""
    return [
        ruling.version for ruling in rulings(connect(f"sqlite:///{workspace / 'mlflow.db'}"), "photos") if ruling.crowns
    ]
