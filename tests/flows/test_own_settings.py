"""A deployment's run has settings of its own; params.yaml is as before when it has ended, however it ends."""

from pathlib import Path

import pytest

from flows.own_settings import own_settings, put_back

BEFORE, MEANWHILE = "seed: 0\n", "seed: 7\n"


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(BEFORE, encoding="utf-8")
    return path


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "of a worker")


def change(params: Path) -> None:
    params.write_text(MEANWHILE, encoding="utf-8")


@pytest.mark.usefixtures("deployed")
def test_the_next_run_finds_the_settings_of_before(params: Path) -> None:
    with own_settings(params.parent, lambda: change(params)):
        assert params.read_text() == MEANWHILE
    assert params.read_text() == BEFORE


@pytest.mark.usefixtures("deployed")
def test_a_run_that_breaks_puts_them_back_as_well(params: Path) -> None:
    with pytest.raises(RuntimeError), own_settings(params.parent, lambda: change(params)):
        raise RuntimeError("killed")
    assert params.read_text() == BEFORE


@pytest.mark.usefixtures("deployed")
def test_what_a_killed_run_left_is_put_right_by_the_next_one(params: Path) -> None:
    run = own_settings(params.parent, lambda: change(params))
    run.__enter__()  # and never left: it was killed
    assert params.read_text() == MEANWHILE
    with own_settings(params.parent, lambda: None):
        assert params.read_text() == BEFORE


@pytest.mark.usefixtures("deployed")
def test_settings_that_somebody_has_chosen_since_stay(params: Path) -> None:
    run = own_settings(params.parent, lambda: change(params))
    run.__enter__()  # and never left: it was killed
    params.write_text("seed: 3\n", encoding="utf-8")
    put_back(params.parent)
    assert params.read_text() == "seed: 3\n"


def test_a_run_by_hand_leaves_its_settings(params: Path) -> None:
    with own_settings(params.parent, lambda: change(params)):
        pass
    assert params.read_text() == MEANWHILE
