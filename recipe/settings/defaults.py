"""The defaults of stages and gates, for an experiment made by hand: conf/ is where they stand, and nowhere else."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recipe.errors import SettingsError
from recipe.settings.yaml12 import read_yaml

PACKAGE = Path(__file__).parent.parent
FOLLOWS = re.compile(r"\$\{([\w.]+)\}")  # how a setting in conf/ names another whose value it takes


@cache
def conf_defaults() -> dict[str, Any]:
    """`stages` and `thresholds` as conf/ has them.

    Raises:
        SettingsError: conf/ is missing, or a file of it cannot be read.
    """
    folder = _folder()
    settings: dict[str, Any] = {"data": _read(folder, "data/base.yaml"), "stages": {}, "thresholds": {}}
    for file in (*(f"stages/{path.name}" for path in sorted((folder / "stages").glob("*.yaml"))), "watch.yaml"):
        content = _read(folder, file)
        for section in ("stages", "thresholds", "watch"):
            settings[section] = settings.get(section, {}) | content.get(section, {})
    return {section: _followed(settings[section], settings) for section in ("stages", "thresholds")}


def completed(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with conf/'s defaults for what its stages and gates do not say, as those of an older version may."""
    return {**content, **{name: filled(content.get(name, {}), defaults) for name, defaults in conf_defaults().items()}}


def filled(given: Any, defaults: Any, levels: int = 3) -> Any:
    """`given`, and what of `defaults` it lacks, down to single settings: a stage's, a practice's, one by name."""
    if not levels or not isinstance(given, Mapping) or not isinstance(defaults, Mapping):
        return given
    missing = {name: value for name, value in defaults.items() if name not in given}
    return missing | {name: filled(value, defaults.get(name), levels - 1) for name, value in given.items()}


def lookup(settings: Mapping[str, Any], dotted: str) -> Any:
    """What `settings` hold under a dotted name; an empty mapping where they hold nothing."""
    value: Any = settings
    for part in dotted.split("."):
        value = (value or {}).get(part)
    return {} if value is None else value


def _folder() -> Path:
    """The project's own conf/, which lies beside the package; a wheel has a copy inside, where a clone has a link.

    Raises:
        SettingsError: there is neither.
    """
    for place in (PACKAGE.parent / "conf", PACKAGE / "conf"):
        if (place / "stages").is_dir():
            return place
    raise SettingsError(f"{PACKAGE.parent / 'conf'} is missing, which holds the defaults: bring it back.")


def _read(folder: Path, file: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] | None = read_yaml((folder / file).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"{folder / file} cannot be read, which holds defaults ({reason}): mend it.") from error
    return content or {}


def _followed(value: Any, settings: Mapping[str, Any]) -> Any:
    """`value`, where it names another setting, as the value of that one."""
    if isinstance(value, Mapping):
        return {name: _followed(item, settings) for name, item in value.items()}
    follows = FOLLOWS.fullmatch(value) if isinstance(value, str) else None
    return lookup(settings, follows[1]) if follows else value
