"""conf/ and overrides become params.yaml: Hydra composes, paths become lasting ones, and all is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from recipe.runtime.workspace import write_whole
from recipe.settings import PARAMS, load_settings, parse_settings
from recipe.settings.defaults import FOLLOWS, lookup
from recipe.settings.overrides import PARTS, READ_AS, composed, dotted_items, overridden, plain
from recipe.settings.paths import (
    BEGUN_EMPTY,
    PATHS,
    begin_files,
    make_lasting,
    require_begun,
    require_data,
    require_weights,
)
from recipe.settings.user_code import sources_behind
from recipe.settings.yaml12 import read_yaml

if TYPE_CHECKING:
    from omegaconf import DictConfig

TARGET = re.compile(r"\._target_$")  # another target is another part, with settings of its own


def compose_params(workspace: Path, overrides: Sequence[str], out: Path | None = None) -> Path:
    """Compose conf/ with `overrides` and write params.yaml, if it changes; gives its path.

    Args:
        out: the folder that gets it; default the workspace.

    Raises:
        SettingsError: an override names no setting or option, or a value does not fit.
        DataError: data.path is not there.
    """
    path = (out or workspace) / PARAMS
    settings = compose(workspace, overrides)
    begin_files(settings, workspace)
    _write(path, settings)
    return path


def change_params(workspace: Path, overrides: Sequence[str]) -> None:
    """Change in params.yaml what `overrides` say, and nothing else; the files that people write bit by bit are begun.

    Raises:
        SettingsError, DataError: see `changed`.
    """
    settings = changed(workspace, overrides) if overrides else load_settings(workspace).model_dump(by_alias=True)
    begin_files(settings, workspace)
    if overrides:
        _write(workspace / PARAMS, settings)


def compose(workspace: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The settings that conf/ and `overrides` make, checked, as plain mappings.

    Raises:
        SettingsError, DataError: see `compose_params`.
    """
    return _checked(_asked(workspace, overrides), workspace, origin="conf/ and the overrides")


def changed(workspace: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The settings of params.yaml with what `overrides` name as conf/ and they have it, checked, as plain mappings.

    Another data set, `data=NAME`, has nothing to go on from: it is composed as `compose` does.

    Raises:
        SettingsError: params.yaml cannot be read; an override names no setting or option, or a value does not fit.
        DataError: data.path is not there.
    """
    from omegaconf import OmegaConf

    names = [TARGET.sub("", name) for name in overridden(overrides)]
    if "data" in names:
        return compose(workspace, overrides)
    asked = OmegaConf.create(_asked(workspace, overrides, whole=False))
    load_settings(workspace)
    settings = OmegaConf.create(read_yaml((workspace / PARAMS).read_text(encoding="utf-8")))
    default = composed(workspace / "conf")
    for name, followed in _followers(default):
        value = OmegaConf.select(settings, name)
        if value is not None and value == OmegaConf.select(settings, followed):
            OmegaConf.update(settings, name, f"${{{followed}}}")
    for name in names:
        if name.startswith(READ_AS):
            held = settings.data.get("read_as", {})
            OmegaConf.update(settings, "data.read_as", {**held, **asked.data.read_as}, merge=False, force_add=True)
        else:
            _copy(name, asked, settings)
    settings.sources = default.sources
    return _checked(plain(settings), workspace, origin=f"{PARAMS} and the overrides")


def _asked(workspace: Path, overrides: Sequence[str], whole: bool = True) -> dict[str, Any]:
    """What conf/ and `overrides` make, unchecked, with lasting paths; see `composed` for `whole`."""
    settings = plain(composed(workspace / "conf", overrides, whole))
    for name in PATHS:
        given = name in overridden(overrides)
        if given or whole:
            make_lasting(settings, name, workspace, counted_from=Path.cwd() if given else workspace)
        if given and name in BEGUN_EMPTY:
            require_begun(settings, name, workspace)
    return settings


def _checked(settings: dict[str, Any], workspace: Path, origin: str) -> dict[str, Any]:
    """The settings, once they fit, their data are there, and it is known which files of the user's they name."""
    parse_settings(settings, origin=origin)
    require_data(settings, workspace)
    weights = require_weights(settings, workspace)
    targets = {part: lookup(settings, part).get("_target_") for part in PARTS}
    settings["sources"] |= sources_behind(targets, settings["sources"], workspace)
    settings["sources"] |= {"pretrained": weights} if weights else {}
    return settings


def _followers(conf: DictConfig) -> Iterator[tuple[str, str]]:
    """Each setting that takes its value from another, with the name of that one."""
    for name, value in dotted_items(plain(conf, resolve=False)):
        if isinstance(value, str) and (match := FOLLOWS.fullmatch(value)):
            yield name, match[1]


def _copy(name: str, source: DictConfig, settings: DictConfig) -> None:
    """Make `settings` hold under `name` what `source` does: perhaps nothing."""
    from omegaconf import OmegaConf

    holder, _, key = name.rpartition(".")
    held = OmegaConf.select(source, holder) if holder else source
    if held is not None and key in held:
        OmegaConf.update(settings, name, held[key], merge=False, force_add=True)
    elif present := OmegaConf.select(settings, holder):
        present.pop(key, None)


def _write(path: Path, settings: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)
