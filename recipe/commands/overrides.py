"""What an override may be, as TAB offers it: read from conf/ without Hydra, whose import takes longer than TAB may."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import CSafeLoader, load

SIGNS = "+~"  # before a name: one that is new, or one that is taken away
SHARED = "base"  # the file of a group that others of it begin from; no option of its own
CUSTOM = "custom"  # the option that a `_target_` of one's own begins from
OVERRIDES = "override /"  # begins a group for which an option chooses what another is
AT_TOP = "# @package _global_"  # stands in a file whose settings are not below its group
MISSING = "???"  # the value of a setting that must be given


@dataclass(frozen=True)
class Menu:
    """The groups, each with its options and what their files begin with; each setting by its dotted name, and default.

    Which settings there are depends on the options chosen.
    """

    groups: Mapping[str, Mapping[str, str]]
    settings: Mapping[str, Any]


def offered(conf: Path, prefix: str, line: Sequence[str]) -> dict[str, str]:
    """The words that go on from `prefix`, each with what it means; settings a level at a time, as folders are.

    Args:
        conf: the folder of the settings.
        line: the overrides typed before, whose options decide which settings there are.
    """
    name = prefix.lstrip(SIGNS)
    sign = prefix.removesuffix(name)
    menu = read_menu(conf, line)
    words = _values(menu, name) if "=" in name else _names(menu, name)
    ends = "=" if "~" in sign else ""  # what is taken away has no value
    return {f"{sign}{word.removesuffix(ends)}": meaning for word, meaning in words.items()}


def read_menu(conf: Path, line: Sequence[str]) -> Menu:
    """What conf/ has for the options that the overrides in `line` choose."""
    top = _read(conf / "config.yaml")
    groups: dict[str, str] = {
        group: option
        for entry in top["defaults"]
        if isinstance(entry, dict)
        for group, option in entry.items()
        if isinstance(option, str)
    }
    chosen = _chosen(conf, groups, dict(word.partition("=")[::2] for word in line))
    settings: dict[str, Any] = {}
    for entry in top.pop("defaults"):
        if isinstance(entry, dict):
            for group, options in entry.items():
                for option in [chosen[group]] if group in chosen else options:
                    settings |= _settings_of(conf / group / f"{option}.yaml", group)
        else:
            settings |= dict(_leaves(top)) if entry == "_self_" else dict(_leaves(_read(conf / f"{entry}.yaml")))
    return Menu({group: _options(conf / group) for group in groups}, settings)


def _chosen(conf: Path, groups: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """The option of each group: the one named, else what another option chooses for it, else the default."""
    own = {group: CUSTOM for group in groups if f"{group}._target_" in named}
    named = own | {group: option for group, option in named.items() if group in groups}
    chosen = {**groups, **named}
    for group, option in list(chosen.items()):
        for entry in _read(conf / group / f"{option}.yaml").get("defaults", ()):
            if isinstance(entry, dict):
                chosen |= {key.removeprefix(OVERRIDES): value for key, value in entry.items()}
    return chosen | named


def _settings_of(path: Path, group: str) -> dict[str, Any]:
    """The settings of an option, those it shares with its group first; nothing where there is no such option."""
    content = _read(path)
    settings: dict[str, Any] = {}
    for entry in content.pop("defaults", ()):
        if isinstance(entry, str) and entry.partition("@")[0] == SHARED:
            settings |= _settings_of(path.with_stem(SHARED), group)
    below = "" if AT_TOP in _lines(path) else f"{group}."
    return settings | dict(_leaves(content, below))


def _leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _options(folder: Path) -> dict[str, str]:
    """The options of a group, each with the comment that its file begins with."""
    told = {path.stem: _comment(path) for path in sorted(folder.glob("*.yaml"))}
    return {option: comment for option, comment in told.items() if option != SHARED}


def _comment(path: Path) -> str:
    """The first comment of a file, without the one that is for Hydra."""
    comments = (line.removeprefix("# ") for line in _lines(path) if line.startswith("# ") and line != AT_TOP)
    return next(comments, "")


def _names(menu: Menu, prefix: str) -> dict[str, str]:
    """Groups and settings that begin with `prefix`, down to the next dot.

    Where that leaves one word, which the shell takes for whole, it is told what lies below.
    """
    words = {f"{group}=": "" for group in menu.groups if group.startswith(prefix)}
    for name, default in menu.settings.items():
        if name.startswith(prefix):
            level, dot, _ = name[len(prefix) :].partition(".")
            words[f"{prefix}{level}{dot or '='}"] = "" if dot else _told(default)
    (only, *others) = words or [""]
    return _names(menu, only) if only.endswith(".") and not others else words


def _values(menu: Menu, word: str) -> dict[str, str]:
    """The options of a group, yes and no, or the value that a setting has by default."""
    name = word.partition("=")[0]
    if name in menu.groups:
        return {f"{name}={option}": comment for option, comment in menu.groups[name].items()}
    default = menu.settings.get(name)
    if isinstance(default, bool):
        return {f"{name}={value}": "" for value in ("true", "false")}
    told = "" if isinstance(default, list | dict) else _told(default)
    return {f"{name}={told}": "default"} if told else {}


def _told(default: Any) -> str:
    """A default as YAML has it; nothing for one that is empty, or follows another setting."""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return "" if default is None or text == MISSING or "${" in text else text


def _read(path: Path) -> dict[str, Any]:
    """What a file of conf/ holds; nothing where there is none."""
    content: dict[str, Any] | None = load("\n".join(_lines(path)), Loader=CSafeLoader)
    return content or {}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
