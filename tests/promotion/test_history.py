"""What a comparison comes to: decided in the registry it was made for, and only while the champion is the same."""

import shutil
from pathlib import Path

import pytest

from recipe.promotion.history import (
    BY_HAND,
    VERDICT,
    conclude,
    history,
    promote_by_hand,
    roll_back_by_hand,
    standing,
)
from recipe.runtime.workspace import write_json
from recipe.tracking.decisions import PERSON, RULE, promote, rulings
from recipe.tracking.registry import CHALLENGER, CHAMPION, RegistryError, alias_version
from tests.challenged import NAME, challenged_workspace, client_of, make_final_model, register, write_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return challenged_workspace(tmp_path_factory.mktemp("challenged"))


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Path(shutil.copytree(made, tmp_path / "workspace"))


def test_a_version_that_nothing_was_decided_on_is_open(workspace: Path) -> None:
    now = standing(workspace)
    assert (now.name, now.version, now.champion, now.is_open, now.ruling) == (NAME, "2", "1", True, None)


def test_what_was_compared_is_promoted_though_params_yaml_names_another_data_set_by_then(workspace: Path) -> None:
    now = standing(workspace)
    write_settings(workspace, "data=mnist5k", f"tracking.uri=sqlite:///{workspace / 'elsewhere.db'}")
    came = conclude(workspace, now, True, "It is better.", RULE)
    assert came.ruling is not None
    assert (came.ruling.action, came.ruling.version, came.ruling.replaced) == ("promoted", "2", "1")
    assert came.sentence == "Version 2 of digits is the champion, in place of 1. It is better."
    assert alias_version(client_of(workspace), NAME, CHAMPION) == "2"
    assert not (workspace / "elsewhere.db").exists()


def test_nothing_is_decided_on_a_version_that_a_person_has_promoted_meanwhile(workspace: Path) -> None:
    now, client = standing(workspace), client_of(workspace)
    promote(client, NAME, "2", "By hand.", PERSON)
    came = conclude(workspace, now, False, "Nobody approved of it.", RULE)
    assert came.ruling is None
    assert [ruling.action for ruling in rulings(client, NAME)] == ["first", "promoted"]
    assert client.get_model_version(NAME, "2").description == "By hand."


def test_a_version_that_another_overtook_stays_a_challenger(workspace: Path) -> None:
    now, client = standing(workspace), client_of(workspace)
    make_final_model(workspace, "the third")
    promote(client, NAME, register(workspace, NAME), "By hand.", PERSON)
    client.set_registered_model_alias(NAME, CHALLENGER, "2")
    came = conclude(workspace, now, True, "It is better than 1.", RULE)
    assert came.ruling is None
    assert came.sentence.endswith("it was compared with 1, and the champion is 3 now.")
    assert alias_version(client, NAME, CHALLENGER) == "2"


def test_the_newest_decision_is_found_again_by_a_run_that_could_not_tell_of_it(workspace: Path) -> None:
    came = conclude(workspace, standing(workspace), False, "It is no better.", RULE)
    again = standing(workspace)
    assert not again.is_open
    assert again.ruling is not None and again.ruling == came.ruling


def test_an_old_decision_is_no_news(workspace: Path) -> None:
    conclude(workspace, standing(workspace), False, "It is no better.", RULE)
    make_final_model(workspace, "the third")
    promote(client_of(workspace), NAME, register(workspace, NAME), "By hand.", PERSON)
    make_final_model(workspace, "the second")
    again = standing(workspace)
    assert (again.version, again.is_open, again.ruling) == ("2", False, None)


def test_where_the_champion_is_gone_one_sentence_says_how_to_name_one(workspace: Path) -> None:
    client_of(workspace).delete_registered_model_alias(NAME, CHAMPION)
    with pytest.raises(RegistryError, match=r"has no champion any more.*`recipe promote VERSION`"):
        standing(workspace)


def test_what_a_person_promotes_keeps_the_sentence_of_the_comparison(workspace: Path) -> None:
    verdict = {"name": NAME, "version": "2", "against": "1", "reason": "The rule keeps the champion: by chance."}
    write_json(workspace / VERDICT, verdict)
    promote_by_hand(workspace, "challenger", "It is smaller")
    assert history(workspace)[-1].why == "It is smaller. The rule keeps the champion: by chance."
    roll_back_by_hand(workspace, "")
    promote_by_hand(workspace, "2", "")
    assert history(workspace)[-1].why == f"{BY_HAND} The rule keeps the champion: by chance."
    promote_by_hand(workspace, "1", "")  # who was never compared with 2
    assert history(workspace)[-1].why == BY_HAND


@pytest.mark.parametrize("name", ["challenger", "7"])
def test_a_version_that_is_not_there_is_one_sentence(workspace: Path, name: str) -> None:
    promote_by_hand(workspace, "2", "")
    told = "No version of digits is the challenger now" if name == "challenger" else "digits has no version '7'"
    with pytest.raises(RegistryError, match=told):
        promote_by_hand(workspace, name, "")


def test_where_nothing_is_registered_there_is_nothing_to_go_back_to(workspace: Path) -> None:
    write_settings(workspace, "data=mnist5k")
    with pytest.raises(RegistryError, match="mnist5k has no champion: `recipe run` trains one"):
        roll_back_by_hand(workspace, "")
