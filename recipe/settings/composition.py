"""conf/ and overrides become params.yaml: Hydra composes, paths become lasting ones, and all is checked."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from recipe.errors import DataError, SettingsError
from recipe.runtime.workspace import write_whole
from recipe.settings import PARAMS, load_settings, nearest, parse_settings
from recipe.settings.defaults import FOLLOWS, lookup
from recipe.settings.user_code import lasting, own_modules, source_of, spec_of
from recipe.settings.yaml12 import read_yaml

if TYPE_CHECKING:
    from omegaconf import DictConfig

PARTS = ("model", "loss", "optimizer", "augment", "data.transform")  # what a `_target_` names; any setting may follow
GROUPS = ("model", "loss", "optimizer", "augment")  # those with a menu, in which `custom` starts from nothing
SPACE = "stages.tune.space."  # below it, a range for each setting that is searched
IMPORTED = "imported_"  # begins the places in `sources` of what the user's files import
PATHS = ("data.path", "data.delivery", "stages.data.expectations.suites")  # settings that name files of the user's


def compose_params(workspace: Path, overrides: Sequence[str], out: Path | None = None) -> Path:
    """Compose conf/ with `overrides` and write params.yaml, if it changes; gives its path.

    Args:
        out: the folder that gets it; default the workspace.

    Raises:
        SettingsError: an override names no setting or option, or a value does not fit.
        DataError: data.path is not there.
    """
    path = (out or workspace) / PARAMS
    _write(path, compose(workspace, overrides))
    return path


def change_params(workspace: Path, overrides: Sequence[str]) -> None:
    """Change in params.yaml what `overrides` say, and nothing else.

    Raises:
        SettingsError, DataError: see `changed`.
    """
    if overrides:
        _write(workspace / PARAMS, changed(workspace, overrides))


def changed(workspace: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The settings of params.yaml with what `overrides` make another of conf/'s, checked, as plain mappings.

    Another data set, `data=NAME`, has nothing to go on from: it is composed as `compose` does.

    Raises:
        SettingsError: params.yaml cannot be read; an override names no setting or option, or a value does not fit.
        DataError: data.path is not there.
    """
    names = overridden(overrides)
    if "data" in names:
        return compose(workspace, overrides)
    conf = _config(workspace / "conf", ())
    default, asked = _content(conf), _asked(workspace, overrides, whole=False)
    load_settings(workspace)
    present = read_yaml((workspace / PARAMS).read_text(encoding="utf-8"))
    settings = _moved(copy.deepcopy(present), default, asked)
    for name in names:  # one that asks for what conf/ has may change params.yaml
        (place, key), (source, _) = _holder(settings, name), _holder(asked, name)
        if key in source:
            place[key] = source[key]
    for name, followed in _followers(_content(conf, resolve=False)):
        if name not in names and lookup(present, name) == lookup(present, followed):
            place, key = _holder(settings, name)
            place[key] = lookup(settings, followed)
    settings["sources"] = dict(default["sources"])
    return _checked(settings, workspace, origin=f"{PARAMS} and the overrides")


def _moved(present: Any, default: Any, asked: Any) -> Any:
    """`present`, but where `asked` is another than `default`; a part with another target has no other's settings."""
    if default == asked:
        return present
    if not all(isinstance(one, dict) for one in (present, default, asked)):
        return asked
    if default.get("_target_") != asked.get("_target_"):
        return asked
    kept = {key: value for key, value in present.items() if key in asked or key not in default}
    return kept | {
        key: _moved(present.get(key, value), default.get(key), value)
        for key, value in asked.items()
        if key in present or default.get(key) != value
    }


def _holder(settings: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    """The mapping that holds what `dotted` names, and the last part of the name."""
    holder, _, key = dotted.rpartition(".")
    return (lookup(settings, holder) if holder else settings), key


def _followers(unresolved: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each setting that takes its value from another, with the name of that one."""
    for name, value in _items(unresolved):
        if isinstance(value, str) and (match := FOLLOWS.fullmatch(value)):
            yield name, match[1]


def _write(path: Path, settings: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)


def compose(workspace: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The settings that conf/ and `overrides` make, checked, as plain mappings.

    Raises:
        SettingsError, DataError: see `compose_params`.
    """
    return _checked(_asked(workspace, overrides), workspace, origin="conf/ and the overrides")


def overridden(overrides: Sequence[str]) -> list[str]:
    """The dotted names of what `overrides` are about."""
    return [text.partition("=")[0].lstrip("+~").replace("/", ".") for text in overrides]


def _asked(workspace: Path, overrides: Sequence[str], whole: bool = True) -> dict[str, Any]:
    """What conf/ and `overrides` make, unchecked, with lasting paths; see `_config` for `whole`."""
    folder = workspace / "conf"
    settings = _content(_config(folder, _normalised(overrides, folder), whole))
    for name in PATHS:
        given = name in overridden(overrides)
        if given or whole:
            _make_path_lasting(settings, name, workspace, counted_from=Path.cwd() if given else workspace)
    return settings


def _checked(settings: dict[str, Any], workspace: Path, origin: str) -> dict[str, Any]:
    """The settings, once they fit, their data are there, and it is known which files of the user's they name."""
    parse_settings(settings, origin=origin)
    _require_data(settings, workspace)
    targets = {part: lookup(settings, part).get("_target_") for part in PARTS}
    for part, target in targets.items():
        _require_module(part, target, workspace)
        if source := source_of(target, workspace):
            settings["sources"][part.rpartition(".")[2]] = source
    settings["sources"] |= _imported(targets.values(), settings["sources"], workspace)
    return settings


def _imported(targets: Iterable[str | None], sources: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """What the user's own files behind `targets` import of the user's own, in the places that dvc.yaml has for it."""
    behind = {name: lasting(path, workspace) for name, path in own_modules(targets, workspace).items()}
    others = {name: path for name, path in behind.items() if path not in sources.values()}
    places = [place for place in sources if place.startswith(IMPORTED)]
    if len(others) > len(places):
        raise SettingsError(
            f"Behind the _target_s stand {len(others)} more modules of your own ({', '.join(others)}), and at most "
            f"{len(places)} are watched: put some of them into a package, a folder that counts as one."
        )
    return dict(zip(places, others.values(), strict=False))


def _require_module(part: str, target: str | None, workspace: Path) -> None:
    """A target whose package has gone must not pass for one that has not changed."""
    if target and "." in target and spec_of(target, workspace) is None:
        top = target.partition(".")[0]
        raise SettingsError(
            f"{part}: cannot import '{top}' for {part}._target_={target} (no module named '{top}'): install it, or put "
            "its folder on PYTHONPATH."
        )


def make_paths_absolute(settings: dict[str, Any], workspace: Path) -> None:
    """Change every path in `settings` that counts from the workspace, so that it holds from anywhere."""
    for name in PATHS:
        holder, _, key = name.rpartition(".")
        section = lookup(settings, holder)
        if section.get(key) is not None:
            section[key] = str(workspace / section[key])
    settings["sources"] = {role: str(workspace / source) for role, source in settings["sources"].items()}


def _normalised(overrides: Sequence[str], folder: Path) -> list[str]:
    """Overrides as Hydra wants them: a `_target_` starts from the empty menu entry, and its settings are new keys."""
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
        if key.lstrip("+") in PATHS:
            value = _quoted(value)
        elif key.startswith(SPACE) and value.startswith("{") and key in _all_keys(folder):
            result.append(f"~{key}")  # another range takes the place of the one that is there, and does not join it
            key = f"+{key}"
        result.append(f"{key}={value}" if separator else key)
    return result


def _quoted(path: str) -> str:
    """A path as Hydra takes any text, so that people may write it as it is."""
    if not path or path[0] in "'\"" or path in ("null", "???"):
        return path
    return "'" + path.replace("'", "\\'") + "'"


def _config(folder: Path, overrides: Sequence[str], whole: bool = False) -> DictConfig:
    """What Hydra composes.

    Args:
        whole: no setting may be missing; else one that is has the value `???`.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not (folder / "config.yaml").is_file():
        raise SettingsError(f"{folder / 'config.yaml'} is missing: run this in a training-recipe workspace.")
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            config = hydra_compose("config", overrides=list(overrides))
        missing = sorted(OmegaConf.missing_keys(config))
        if missing and whole:
            raise SettingsError(f"The setting '{missing[0]}' is missing: give it as an override, {missing[0]}=...")
        OmegaConf.to_container(config, resolve=True)  # what names a setting that is not there is told here
        return config
    except MissingConfigException as error:
        raise SettingsError(_no_such_option(str(error))) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"A file in {folder} is no YAML ({' '.join(str(error).split())}): mend it.") from error
    except OverrideParseException as error:
        raise SettingsError(_unreadable(error.override)) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_no_such_key(str(error), folder)) from None


def _content(config: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """`config` as plain mappings; what follows another setting has its value, or unresolved the text that names it."""
    from omegaconf import OmegaConf

    return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=resolve))


def _no_such_option(message: str) -> str:
    """Hydra's "Could not find 'data/mnst'" with its list of options, in one sentence."""
    found = re.search(r"(?:Could not find|Cannot find[^']*|Could not load) '([^']+)'", message)
    options = [option for option in re.findall(r"^\t(\S+)$", message, flags=re.MULTILINE) if option != "base"]
    if not found:
        return message.split("\n", 1)[0]
    group, _, option = found[1].rpartition("/")
    listed = f": it is one of {', '.join(options)}" if options else ""
    return f"There is no {group or 'setting group'} '{option}'{nearest(option, options)}{listed}."


def _unreadable(override: str) -> str:
    text = override.lstrip("+")
    return f"The override '{text}' cannot be read: close its brackets, and quote a value with , : = or spaces."


def _no_such_key(message: str, folder: Path) -> str:
    found = re.search(r"(?:Could not override|Error merging override) '?([^'\s=]+)", message)
    if not found:
        return f"The overrides do not compose: {message.split(chr(10), 1)[0]}"
    key = found[1].lstrip("+~")
    if "append to your config" in message or "not in struct" in message:
        return f"The setting '{key}' does not exist{nearest(key, _all_keys(folder))}."
    return f"The setting '{key}' does not fit: {message.strip().splitlines()[-1].strip()}."


def _all_keys(folder: Path) -> list[str]:
    """Every dotted key of the default settings, for naming the nearest one."""
    return [name for name, _ in _items(_content(_config(folder, ())))]


def _items(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of `settings`, those of mappings too, with what it holds."""
    for name, item in settings.items():
        yield f"{prefix}{name}", item
        if isinstance(item, Mapping):
            yield from _items(item, f"{prefix}{name}.")


def _make_path_lasting(settings: dict[str, Any], name: str, workspace: Path, counted_from: Path) -> None:
    """Make a path relative to the workspace where it lies inside, absolute elsewhere."""
    holder, _, key = name.rpartition(".")
    section = lookup(settings, holder)
    value = section.get(key)
    if value == "":
        raise SettingsError(f"The setting '{name}' is empty: give a path, {name}=...")
    if isinstance(value, str):
        path = Path(os.path.normpath(counted_from / Path(value).expanduser()))
        section[key] = path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)


def _require_data(settings: Mapping[str, Any], workspace: Path) -> None:
    path = workspace / settings["data"]["path"]
    if not path.exists():
        raise DataError(f"data.path={path} is not there: give the folder or file of your data, data.path=...")
    if workspace.is_relative_to(path.resolve()):
        raise DataError(f"data.path={path} holds the workspace itself: put your data in a folder of their own.")
