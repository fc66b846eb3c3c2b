"""Who is the champion, and why: each decision is written with the version that it is about, then carried out.

The aliases `champion`, `previous` and `challenger` of MLflow's registry follow from the decisions. A decision that was
written and not carried out, since the process was killed, is carried out by the next one that looks: see `settle`.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recipe.runtime.workspace import locked
from recipe.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, RegistryError, alias_version, figure_in_words

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

Action = Literal["first", "promoted", "kept out", "rolled back"]
DECISION = "recipe.decision."  # a tag of a version: then comes the time
REGISTRY_LOCK = "registry.lock"
RULE, PERSON = "rule", "person"


@dataclass(frozen=True)
class Ruling:
    """One decision on a version.

    Attributes:
        when: UTC, to the microsecond, so that decisions have an order.
        replaced: the champion before, where the decision made another one.
        why: one sentence. by: the rule, or a person.
        done: whether the aliases say so too.
    """

    when: str
    version: str
    action: Action
    replaced: str | None
    why: str
    by: str
    done: bool = False

    @property
    def crowns(self) -> bool:
        """Whether the version is the champion from then on."""
        return self.action != "kept out"


@contextmanager
def deciding(workspace: Path) -> Iterator[None]:
    """Only one process of a workspace decides at a time."""
    with locked(workspace, math.inf, REGISTRY_LOCK):
        yield


def enter(client: "MlflowClient", name: str, version: str) -> str:
    """A version that has just been registered: the champion where there never was one, else the challenger; says which.

    One that a decision was taken on before stays what it is.
    """
    settle(client, name)
    decided = rulings(client, name)
    champion = alias_version(client, name, CHAMPION)
    if any(ruling.version == version for ruling in decided):
        return CHAMPION if champion == version else ""
    if champion is None and not any(ruling.crowns for ruling in decided):
        _rule(
            client, name, version, "first", None, "The first version: there was no champion to compare it with.", RULE
        )
        return CHAMPION
    if champion == version:
        return CHAMPION
    client.set_registered_model_alias(name, CHALLENGER, version)
    return CHALLENGER


def promote(
    client: "MlflowClient", name: str, version: str, why: str, by: str, over: str | None = None
) -> Ruling | None:
    """Make `version` the champion, and the one before it `previous`; None where nothing was to be done.

    Args:
        over: only in place of this champion, which it was compared with; default: of any.
    """
    settle(client, name)
    champion = alias_version(client, name, CHAMPION)
    if champion == version or (over is not None and champion != over):
        return None
    return _rule(client, name, version, "promoted", champion, why, by)


def keep_out(
    client: "MlflowClient", name: str, version: str, why: str, by: str, over: str | None = None
) -> Ruling | None:
    """Leave the champion what it is; `version` is no challenger any more. None where nothing was to be done.

    Args:
        over: only beside this champion, which it was compared with; default: beside any.
    """
    settle(client, name)
    champion = alias_version(client, name, CHAMPION)
    if champion == version or (over is not None and champion != over):
        return None
    return _rule(client, name, version, "kept out", None, why, by)


def roll_back(client: "MlflowClient", name: str, why: str, by: str) -> Ruling:
    """Make the champion before the present one the champion again.

    Raises:
        RegistryError: there is none, or there was none before.
    """
    settle(client, name)
    champion, previous = (alias_version(client, name, alias) for alias in (CHAMPION, PREVIOUS))
    if champion is None:
        raise RegistryError(f"{name} has no champion: `recipe run` trains one.")
    if previous is None or previous == champion:
        raise RegistryError(f"{name} has had one champion only, so there is none to go back to.")
    return _rule(client, name, previous, "rolled back", champion, why, by)


def settle(client: "MlflowClient", name: str) -> None:
    """Carry out what a killed process had decided."""
    for ruling in rulings(client, name):
        if not ruling.done:
            _carry_out(client, name, ruling)


def rulings(client: "MlflowClient", name: str) -> list[Ruling]:
    """All decisions on the versions of a model, the oldest first."""
    found = [ruling for version in versions_of(client, name) for ruling in rulings_on(version)]
    return sorted(found, key=lambda ruling: ruling.when)


def versions_of(client: "MlflowClient", name: str) -> "list[ModelVersion]":
    """All versions of a model, the oldest first."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.version))


def rulings_on(version: "ModelVersion") -> Iterator[Ruling]:
    """The decisions on one version, in no order."""
    known = {field.name for field in fields(Ruling)}
    for key, value in version.tags.items():
        if key.startswith(DECISION):
            content = json.loads(value)
            yield Ruling(**{name: content[name] for name in known if name in content})


def _rule(
    client: "MlflowClient", name: str, version: str, action: Action, replaced: str | None, why: str, by: str
) -> Ruling:
    """Write a decision down, then carry it out: whatever happens between, `settle` finishes it."""
    ruling = Ruling(datetime.now(UTC).isoformat(timespec="microseconds"), version, action, replaced, why, by)
    _write(client, name, ruling)
    return _carry_out(client, name, ruling)


def _carry_out(client: "MlflowClient", name: str, ruling: Ruling) -> Ruling:
    """Each step may have been done before by a process that was killed; no moment is without a champion."""
    if ruling.crowns:
        if ruling.replaced is not None:
            client.set_registered_model_alias(name, PREVIOUS, ruling.replaced)
        client.set_registered_model_alias(name, CHAMPION, ruling.version)
    if alias_version(client, name, CHALLENGER) == ruling.version:
        client.delete_registered_model_alias(name, CHALLENGER)
    figure = figure_in_words(client.get_model_version(name, ruling.version).tags)
    client.update_model_version(name, ruling.version, description=f"{figure} {ruling.why}".strip())
    done = replace(ruling, done=True)
    _write(client, name, done)
    return done


def _write(client: "MlflowClient", name: str, ruling: Ruling) -> None:
    moment = re.sub(r"\D", "", ruling.when)  # a tag's name takes no colon
    client.set_model_version_tag(name, ruling.version, f"{DECISION}{moment}", json.dumps(asdict(ruling)))
