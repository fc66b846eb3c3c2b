"""What differs between the settings of two runs, part by part, and one part swapped for the other's."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe.settings.identity import NOT_IN_KEY

DATA, CODE, SEED = "data version", "code", "seed"
FIRST = (
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "augment",
    "batch_size",
    "budget",
    "data",
)  # in this order; the rest follows
VERSIONED = ("data.path", "data.name")  # a part of the data's version: a newer one may be another file
APART = (*VERSIONED, "seed", "sources")  # swapped with the data, last, and with the part whose file they name
SHOWN = 3  # differences of a part, in a cell of a table
TRANSFORM = "data.transform"
MISSING = object()


@dataclass(frozen=True)
class Factor:
    """One thing that differs: what it is called, how it is in either run, and the settings it consists of, dotted."""

    name: str
    before: str
    after: str
    settings: tuple[str, ...] = ()


def settings_factors(a: Mapping[str, Any], b: Mapping[str, Any], read: Sequence[str]) -> list[Factor]:
    """The parts of the settings that differ, among those that a model depends on.

    Args:
        read: the dotted names of these settings; those of the data that are read one by one are one part.
    """
    parts: dict[str, list[str]] = {name: [] for name in FIRST}
    for name in read:
        if name not in APART:
            part = "data" if name.startswith("data.") and name != TRANSFORM else name
            parts.setdefault(part, []).append(name)
    found = [_factor(part, names, a, b) for part, names in parts.items()]
    return [factor for factor in found if factor is not None]


def left_out(a: Mapping[str, Any], b: Mapping[str, Any], read: Sequence[str]) -> list[str]:
    """The dotted names of the settings that differ, and that no model depends on."""
    flat_a, flat_b = _flat(a, ""), _flat(b, "")
    held = (*read, *APART, *NOT_IN_KEY)
    names = [name for name in {**flat_a, **flat_b} if flat_a.get(name) != flat_b.get(name)]
    return [name for name in names if not any(f"{name}.".startswith(f"{part}.") for part in held)]


def swapped(settings: Mapping[str, Any], other: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """`settings` with what is under the dotted `names` as `other` has it."""
    result = copy.deepcopy(dict(settings))
    for name in names:
        holder, value = result, _value(other, name)
        *above, key = name.split(".")
        for part in above:
            holder = holder.setdefault(part, {})
        if value is MISSING:
            holder.pop(key, None)
        else:
            holder[key] = copy.deepcopy(value)
    return result


def differing(a: Mapping[str, Any], b: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether anything under the dotted `names` differs."""
    return any(_flat(_value(a, name), "") != _flat(_value(b, name), "") for name in names)


def _factor(name: str, names: Sequence[str], a: Mapping[str, Any], b: Mapping[str, Any]) -> Factor | None:
    """The part that consists of `names`; None where it does not differ."""
    flat_a, flat_b = (
        {key: value for part in names for key, value in _flat(_value(one, part), part[len(name) + 1 :]).items()}
        for one in (a, b)
    )
    keys = [key for key in {**flat_a, **flat_b} if flat_a.get(key) != flat_b.get(key)]
    if not keys:
        return None
    role = name.rpartition(".")[2]
    source = (f"sources.{role}",) if differing(a, b, [f"sources.{role}"]) else ()
    return Factor(name, _shown(flat_a, keys), _shown(flat_b, keys), (*names, *source))


def _value(settings: Mapping[str, Any], dotted: str) -> Any:
    """What is under a dotted name; MISSING where nothing is."""
    value: Any = settings
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def _flat(value: Any, prefix: str) -> dict[str, Any]:
    """The leaves of `value` by dotted name; what is missing or None is left out, as they mean the same."""
    if isinstance(value, Mapping):
        leaves = [_flat(item, f"{prefix}.{name}".lstrip(".")) for name, item in value.items()]
        return {key: leaf for part in leaves for key, leaf in part.items()}
    return {} if value is None or value is MISSING else {prefix: value}


def _shown(values: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The values of `keys` in a few words: `lr=0.001, fused=True`; of a target the last name."""
    words = [_word(key, values[key]) for key in keys if key in values]
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more if words else "none"


def _word(key: str, value: Any) -> str:
    if key.endswith("_target_"):
        return str(value).rpartition(".")[2]
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{key}={text}" if key else text
