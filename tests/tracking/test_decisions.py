"""Who is the champion: decided once, told afterwards, and finished when a process was killed in between."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from recipe.tracking.connection import connect
from recipe.tracking.decisions import PERSON, RULE, enter, keep_out, promote, roll_back, rulings, settle
from recipe.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, RegistryError, alias_version

NAME = "digits"
WRITES = (
    "set_model_version_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "update_model_version",
)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"


@pytest.fixture
def client(database: str, tmp_path: Path) -> MlflowClient:
    """A registry with three versions of one model and no decision on any."""
    client = connect(database)
    if client.search_registered_models(f"name = '{NAME}'"):
        client.delete_registered_model(NAME)
    client.create_registered_model(NAME)
    for _ in range(3):
        client.create_model_version(NAME, str(tmp_path))
    return client


def aliases(client: MlflowClient) -> tuple[str | None, str | None, str | None]:
    champion, previous, challenger = (alias_version(client, NAME, name) for name in (CHAMPION, PREVIOUS, CHALLENGER))
    return champion, previous, challenger


def test_the_first_version_is_the_champion_and_the_second_a_challenger(client: MlflowClient) -> None:
    assert enter(client, NAME, "1") == CHAMPION
    assert enter(client, NAME, "2") == CHALLENGER
    assert aliases(client) == ("1", None, "2")


def test_a_promoted_challenger_leaves_the_one_before_as_previous(client: MlflowClient) -> None:
    enter(client, NAME, "1")
    enter(client, NAME, "2")
    promote(client, NAME, "2", "It is better.", RULE)
    assert aliases(client) == ("2", "1", None)
    assert client.get_model_version(NAME, "2").description == "It is better."


def test_a_version_that_was_kept_out_is_not_asked_again(client: MlflowClient) -> None:
    enter(client, NAME, "1")
    enter(client, NAME, "2")
    keep_out(client, NAME, "2", "It is no better.", RULE)
    assert enter(client, NAME, "2") == ""
    assert aliases(client) == ("1", None, None)


def test_going_back_twice_ends_where_it_began(client: MlflowClient) -> None:
    enter(client, NAME, "1")
    promote(client, NAME, "2", "Better.", RULE)
    roll_back(client, NAME, "Complaints.", PERSON)
    assert aliases(client)[:2] == ("1", "2")
    roll_back(client, NAME, "It was not the model.", PERSON)
    assert aliases(client)[:2] == ("2", "1")
    assert [ruling.action for ruling in rulings(client, NAME)] == ["first", "promoted", "rolled back", "rolled back"]


def test_with_one_champion_ever_there_is_none_to_go_back_to(client: MlflowClient) -> None:
    enter(client, NAME, "1")
    with pytest.raises(RegistryError, match="one champion only"):
        roll_back(client, NAME, "", PERSON)


def test_one_that_was_compared_with_another_champion_is_not_promoted(client: MlflowClient) -> None:
    enter(client, NAME, "1")
    promote(client, NAME, "2", "By hand.", PERSON)
    assert promote(client, NAME, "3", "Better than 1.", RULE, over="1") is None
    assert aliases(client)[0] == "2"


def test_a_champion_is_not_kept_out(client: MlflowClient) -> None:
    enter(client, NAME, "1")
    promote(client, NAME, "2", "By hand.", PERSON)
    assert keep_out(client, NAME, "2", "Nobody approved of it.", RULE, over="1") is None
    assert keep_out(client, NAME, "3", "No better than 1.", RULE, over="1") is None
    assert [ruling.action for ruling in rulings(client, NAME)] == ["first", "promoted"]


def test_where_the_champion_was_taken_away_no_version_is_crowned_uncompared(client: MlflowClient) -> None:
    enter(client, NAME, "1")
    client.delete_registered_model_alias(NAME, CHAMPION)
    assert enter(client, NAME, "2") == CHALLENGER
    assert aliases(client) == (None, None, "2")


def test_no_version_has_an_alias_that_is_not_there_nor_one_of_a_model_that_is_not_there(client: MlflowClient) -> None:
    assert alias_version(client, NAME, CHAMPION) is None
    assert alias_version(client, "unknown", CHAMPION) is None


def test_a_registry_that_does_not_answer_is_not_one_without_a_champion(client: MlflowClient, database: str) -> None:
    enter(client, NAME, "1")
    with renamed_table(database, "registered_model_aliases", "out_of_reach"), pytest.raises(MlflowException):
        alias_version(client, NAME, CHAMPION)
    assert alias_version(client, NAME, CHAMPION) == "1"


@contextmanager
def renamed_table(database: str, name: str, other: str) -> Iterator[None]:
    """A table of the registry's database is called otherwise for as long as the block lasts."""
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection:
        connection.execute(f"ALTER TABLE {name} RENAME TO {other}")
        try:
            yield
        finally:
            connection.execute(f"ALTER TABLE {other} RENAME TO {name}")


@pytest.mark.parametrize("step", range(6))
def test_a_decision_that_was_cut_off_anywhere_is_finished(
    client: MlflowClient, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(client, NAME, "1")
    enter(client, NAME, "2")
    left = iter([True] * step)
    with monkeypatch.context() as patch, suppress(Killed):
        for name in WRITES:
            patch.setattr(client, name, until_killed(getattr(client, name), left))
        promote(client, NAME, "2", "Better.", RULE)
    assert aliases(client)[0] in ("1", "2")
    settle(client, NAME)
    decided = [ruling for ruling in rulings(client, NAME) if ruling.version == "2"]
    assert all(ruling.done for ruling in decided)
    assert aliases(client) == (("2", "1", None) if decided else ("1", None, "2"))


def until_killed(write: Callable[..., Any], left: Iterator[bool]) -> Callable[..., Any]:
    """`write`, as long as there are calls `left` among all that share them; then the process is killed."""

    def written(*arguments: Any, **named: Any) -> Any:
        if not next(left, False):
            raise Killed
        return write(*arguments, **named)

    return written
