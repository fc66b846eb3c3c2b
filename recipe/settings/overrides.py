"""conf/ composed with overrides, by Hydra; a wrong override is a sentence that names the nearest right one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from recipe.errors import SettingsError
from recipe.settings import nearest
from recipe.settings.paths import PATHS

if TYPE_CHECKING:
    from hydra.errors import MissingConfigException
    from omegaconf import DictConfig

# what a `_target_` names; any setting may follow
PARTS = ("model", "loss", "optimizer", "augment", "scheduler", "data.transform")
# those with a menu, in which `custom` starts from nothing
GROUPS = ("model", "loss", "optimizer", "augment", "scheduler")
NAMES = ("data.label", "data.split_column", "data.group_column", "data.split.column")  # any text may be one
LISTS = ("data.ignore", "data.missing")  # of any texts
READ_AS = "data.read_as."  # below it a setting a column, by its name
SPACE = "stages.tune.space."  # below it, a range for each setting that is searched


def composed(folder: Path, overrides: Sequence[str] = (), whole: bool = False) -> DictConfig:
    """What Hydra makes of the files in `folder` and of `overrides`.

    Args:
        whole: no setting may be missing; else one that is has the value `???`.

    Raises:
        SettingsError: a file or an override cannot be read, or an override names no setting or option.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    if not (folder / "config.yaml").is_file():
        raise SettingsError(f"{folder / 'config.yaml'} is missing: run this in a training-recipe workspace.")
    columns = [text for text in overrides if text.startswith(READ_AS)]
    written = _as_hydra_has_them([text for text in overrides if text not in columns], folder)
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            config = compose("config", overrides=written)
        for text in columns:  # whose names Hydra need not be able to read
            name, how = _column_read(text)
            with open_dict(config):
                config.data.read_as[name] = how
        missing = sorted(OmegaConf.missing_keys(config))
        if missing and whole:
            raise SettingsError(f"The setting '{missing[0]}' is missing: give it as an override, {missing[0]}=...")
        plain(config)  # what names a setting that is not there is told here
        return config
    except MissingConfigException as error:
        raise SettingsError(_no_such_option(error)) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"A file in {folder} is no YAML ({' '.join(str(error).split())}): mend it.") from error
    except OverrideParseException as error:
        text = error.override.lstrip("+")
        told = f"The override '{text}' cannot be read: close its brackets, and quote a value with , : = or spaces."
        raise SettingsError(told) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_no_such_key(str(error), folder)) from None


def overridden(overrides: Sequence[str]) -> list[str]:
    """The dotted names of what `overrides` are about."""
    return [text.partition("=")[0].lstrip("+~").replace("/", ".") for text in overrides]


def plain(config: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """`config` as plain mappings; what follows another setting has its value, or unresolved the text that names it."""
    from omegaconf import OmegaConf

    return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=resolve))


def dotted_items(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of `settings`, those of mappings too, with what it holds."""
    for name, item in settings.items():
        yield f"{prefix}{name}", item
        if isinstance(item, Mapping):
            yield from dotted_items(item, f"{prefix}{name}.")


def _as_hydra_has_them(overrides: Sequence[str], folder: Path) -> list[str]:
    """A `_target_` starts from the empty menu entry, its settings are new keys, and a path may be written as it is."""
    chosen = {text.partition("=")[0] for text in overrides}
    result: list[str] = []
    for text in overrides:
        key, separator, value = text.partition("=")
        if not separator and not key.startswith("~"):
            raise SettingsError(f"The override '{text}' has no value: write it as name=value.")
        if any(key.startswith(f"{part}.") for part in PARTS):
            group = key.partition(".")[0]
            if key == f"{group}._target_" and group in GROUPS and group not in chosen:
                result.append(f"{group}=custom")
            key = f"++{key}"
        if key.lstrip("+") in PATHS + NAMES:
            value = _quoted(value)
        elif key.lstrip("+") in LISTS and value.startswith("[") and value.endswith("]"):
            value = f"[{','.join(_quoted(item) for item in _items(value[1:-1]))}]"
        elif key.startswith(SPACE) and value.startswith("{") and key in _all_keys(folder):
            result.append(f"~{key}")  # another range takes the place of the one that is there, and does not join it
            key = f"+{key}"
        result.append(f"{key}={value}" if separator else key)
    return result


def _quoted(text: str) -> str:
    """A path or a name as Hydra takes any text."""
    if not text or text[0] in "'\"" or text in ("null", "???"):
        return text
    return "'" + text.replace("'", "\\'") + "'"


def _items(text: str) -> Iterator[str]:
    """The items of a list, of which one with a comma in it is quoted."""
    for item in re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,]+", text):
        if item.strip():
            yield item.strip()


def _column_read(text: str) -> tuple[str, str]:
    """The column that an override of `READ_AS` names, and what it says of it.

    Raises:
        SettingsError: it has no value.
    """
    name, separator, how = text.removeprefix(READ_AS).rpartition("=")
    if not separator or not name or not how:
        raise SettingsError(f"The override '{text}' has no value: write it as data.read_as.COLUMN=category.")
    return name.strip("'\""), how.strip("'\"")


def _all_keys(folder: Path) -> list[str]:
    """Every dotted key of the default settings."""
    return [name for name, _ in dotted_items(plain(composed(folder)))]


def _no_such_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = [one for one in error.options or () if one != "base"]
    listed = f": it is one of {', '.join(options)}" if options else ""
    return f"There is no {group or 'setting group'} '{option}'{nearest(option, options)}{listed}."


def _no_such_key(message: str, folder: Path) -> str:
    found = re.search(r"(?:Could not override|Error merging override) '?([^'\s=]+)", message)
    if not found:
        return f"The overrides do not compose: {message.split(chr(10), 1)[0]}"
    key = found[1].lstrip("+~")
    if key in GROUPS:
        return f"The setting '{key}' is one of a menu, or given one by one: {key}._target_=... {key}.NAME=VALUE."
    if "append to your config" in message or "not in struct" in message:
        return f"The setting '{key}' does not exist{nearest(key, _all_keys(folder))}."
    return f"The setting '{key}' does not fit: {message.strip().splitlines()[-1].strip()}."
