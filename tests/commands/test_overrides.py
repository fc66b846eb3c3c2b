"""The overrides that TAB offers are those that Hydra composes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe.commands.overrides import offered, read_menu
from recipe.settings.composition import compose
from tests.workspaces import ROOT

CONF = ROOT / "conf"


@pytest.mark.parametrize(
    "line",
    [
        (),
        ("data=digits", "budget=quick"),
        ("data=table", "data.path=rows.csv"),  # whose file chooses model and augmentation
        ("data=breast_cancer", "model=linear"),
        ("model._target_=nets.MyNet",),
        ("fanout=sequential", "augment=none", "seed=1"),
    ],
)
def test_the_settings_are_those_of_the_options_chosen(
    line: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").touch()
    (tmp_path / "nets.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert set(read_menu(CONF, line).settings) == set(leaves(compose(ROOT, line)))


def test_each_option_of_a_group_is_offered_with_what_its_file_says() -> None:
    options = offered(CONF, "data=", [])
    assert list(options) == [
        f"data={path.stem}" for path in sorted((CONF / "data").glob("*.yaml")) if path.stem != "base"
    ]
    assert "Your images" in options["data=image_folder"]


def test_settings_are_offered_a_level_at_a_time_with_their_defaults() -> None:
    assert offered(CONF, "bud", []) == {"budget=": "", "budget.": ""}
    assert offered(CONF, "budget.ep", ["budget=quick"]) == {"budget.epochs=": "8"}
    assert set(offered(CONF, "thresholds.over", [])) == set(offered(CONF, "thresholds.overfit.", []))  # nothing else


def test_values_are_yes_and_no_or_the_default() -> None:
    assert list(offered(CONF, "watch.git=", [])) == ["watch.git=true", "watch.git=false"]
    assert offered(CONF, "seed=", []) == {"seed=0": "default"}
    for name in ("data.delivery", "data.path", "data.ignore", "nothing"):  # empty, due, a list, unknown
        assert offered(CONF, f"{name}=", ["data=table"]) == {}


def test_what_is_taken_away_has_no_value_and_what_is_added_has() -> None:
    assert set(offered(CONF, "~mod", [])) == {"~model", "~model."}
    assert set(offered(CONF, "+aug", [])) == {"+augment=", "+augment."}


def test_a_new_option_is_offered_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "config.yaml").write_text("defaults: [{data: mine}, _self_]\nseed: 0\n", encoding="utf-8")
    (tmp_path / "data" / "mine.yaml").write_text("# My own.\npath: rows.csv\n", encoding="utf-8")
    assert offered(tmp_path, "data=", []) == {"data=mine": "My own."}
    assert set(offered(tmp_path, "", ["data=none"])) == {"data=", "seed="}
    assert set(offered(tmp_path, "data.", [])) == {"data.path="}


def leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
