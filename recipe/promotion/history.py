"""Who is the champion of a workspace's data set: changed by hand, and told as a history."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe.settings import load_settings
from recipe.tracking.connection import connect, tracking_uri
from recipe.tracking.decisions import (
    PERSON,
    Ruling,
    deciding,
    enter,
    keep_out,
    promote,
    roll_back,
    rulings,
    rulings_on,
    settle,
    versions_of,
)
from recipe.tracking.pipeline_run import DATA_VERSION
from recipe.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    MODEL_HASH,
    PREVIOUS,
    RegistryError,
    alias_version,
    answering,
    figure_on_test,
    folder_hash,
    registered_name,
)
from recipe.versioning.provenance import FINAL_MODEL

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

VERDICT = Path("reports") / "challenge" / "decision.json"
BY_HAND = "By hand, without a reason given."
SHORT_VERSION = 8  # characters of a data version that tell versions apart
UNDECIDED = "not decided"


@dataclass(frozen=True)
class Chapter:
    """One line of the history: a decision, or a version that none was taken on.

    `alias` is what the version is now, if anything.
    """

    when: str
    version: str
    alias: str
    data_version: str
    figure: str
    decision: str
    why: str
    by: str


@dataclass(frozen=True)
class Standing:
    """Where the model that the workspace has made stands; `is_open`: to be compared with the champion, or `why` not.

    Attributes:
        uri, name: the registry, and the data set's models there, for params.yaml may name others by the time of a
            decision.
        ruling: the newest decision on any version, where it is on this one.
    """

    uri: str
    name: str
    version: str
    champion: str
    is_open: bool
    why: str = ""
    ruling: Ruling | None = None


@dataclass(frozen=True)
class Conclusion:
    """What came of a comparison: the decision, None where none was taken, and the sentence that tells of it."""

    ruling: Ruling | None
    sentence: str


def standing(workspace: Path) -> Standing:
    """Where the workspace's final model stands in the registry.

    Raises:
        RegistryError: it is not registered, or the champion is gone.
    """
    uri, name = _place_of(workspace)
    with _registry(workspace, uri, name) as client:
        return _standing(client, uri, name, workspace)


def _standing(client: MlflowClient, uri: str, name: str, workspace: Path) -> Standing:
    content = folder_hash(workspace / FINAL_MODEL)
    known = client.search_model_versions(f"name = '{name}' and tags.`{MODEL_HASH}` = '{content}'")
    if not known:
        raise RegistryError(
            f"The model in {workspace / FINAL_MODEL} is not registered: MLflow was not there when it was published; "
            "start again, and it is."
        )
    version = str(known[0].version)
    enter(client, name, version)
    champion = alias_version(client, name, CHAMPION)
    if champion is None:
        raise RegistryError(
            f"{name} has no champion any more, so version {version} cannot be compared: name one with "
            "`recipe promote VERSION`; `recipe history` tells of them."
        )
    decided = rulings(client, name)
    taken = [ruling for ruling in decided if ruling.version == version]
    newest = taken[-1] if taken and taken[-1] == decided[-1] else None
    if champion == version:
        why = f"Version {version} of {name} is the champion."
    elif taken:
        why = f"Version {version} of {name} was decided on before: {taken[-1].why}"
    else:
        why = ""
    return Standing(uri, name, version, champion, not why, why, newest)


def conclude(workspace: Path, now: Standing, promoted: bool, why: str, by: str) -> Conclusion:
    """Carry out the decision on a compared version, unless the champion is not the one it was compared with."""
    with _registry(workspace, now.uri, now.name) as client:
        rule = promote if promoted else keep_out
        ruling = rule(client, now.name, now.version, why, by, over=now.champion)
        champion = alias_version(client, now.name, CHAMPION)
    if ruling is None:
        sentence = (
            f"Nothing is decided on version {now.version} of {now.name}: it was compared with {now.champion}, and the "
            f"champion is {champion} now."
        )
    elif promoted:
        sentence = f"Version {now.version} of {now.name} is the champion, in place of {now.champion}. {why}"
    else:
        sentence = f"Version {now.version} of {now.name} is kept out, {now.champion} stays. {why}"
    return Conclusion(ruling, sentence)


def read_verdict(workspace: Path) -> Mapping[str, Any]:
    """What the last comparison of challenger and champion wrote.

    Raises:
        RegistryError: there is none.
    """
    path = workspace / VERDICT
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path} cannot be read ({error}): compare the models again.") from error
    return content


def promote_by_hand(workspace: Path, version: str, why: str) -> str:
    """Make `version`, a number or an alias, the champion; gives the sentence that says so.

    Raises:
        RegistryError: there is no such version.
    """
    with _registry_of(workspace) as (client, name):
        number = _number(client, name, version)
        champion = alias_version(client, name, CHAMPION)
        said, compared = why or BY_HAND, _compared(workspace, name, number, champion)
        ruling = promote(client, name, number, f"{said.rstrip('.')}. {compared}" if compared else said, PERSON)
    if ruling is None:
        return f"{name} version {number} is the champion already."
    before = f"; `recipe rollback` goes back to version {ruling.replaced}" if ruling.replaced else ""
    return f"{name} version {number} is the champion now{before}."


def _compared(workspace: Path, name: str, version: str, champion: str | None) -> str:
    """What the last comparison says, where it was of this version with this champion; else nothing."""
    try:
        verdict = read_verdict(workspace)
    except RegistryError:
        return ""
    who = {"name": name, "version": version, "against": champion}
    return str(verdict.get("reason", "")) if who.items() <= verdict.items() else ""


def roll_back_by_hand(workspace: Path, why: str) -> str:
    """Make the champion before the present one the champion again; gives the sentence that says so.

    Raises:
        RegistryError: there was none before.
    """
    with _registry_of(workspace) as (client, name):
        ruling = roll_back(client, name, why or BY_HAND, PERSON)
    return f"{name} version {ruling.version} is the champion again, in place of version {ruling.replaced}."


def history(workspace: Path) -> list[Chapter]:
    """Every decision on the versions of the workspace's data set, and the versions without one, the oldest first.

    Raises:
        RegistryError: none is registered.
    """
    with _registry_of(workspace) as (client, name):
        versions = {str(version.version): version for version in versions_of(client, name)}
        aliases = {alias_version(client, name, alias): alias for alias in (PREVIOUS, CHALLENGER, CHAMPION)}
    if not versions:
        raise RegistryError(f"No model of {name} is registered yet: train one with `recipe run`.")
    chapters = []
    for version in versions.values():
        told = [_chapter(version, aliases, ruling) for ruling in rulings_on(version)]
        chapters += told or [_chapter(version, aliases, None)]
    return sorted(chapters, key=lambda chapter: chapter.when)


def history_lines(chapters: Sequence[Chapter], width: int) -> list[str]:
    """The history as a table for a terminal of `width` characters, the reason below each line."""
    rows = [("when (UTC)", "version", "data", "test figure", "decision")]
    for chapter in chapters:
        when = chapter.when[: len("2026-11-25T12:34")].replace("T", " ")
        by = " by hand" if chapter.by == PERSON else ""
        version = f"{chapter.version} {chapter.alias}".strip()
        rows.append((when, version, chapter.data_version, chapter.figure, f"{chapter.decision}{by}"))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    written = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines = [written[0]]
    for line, chapter in zip(written[1:], chapters, strict=True):
        lines.append(line)
        lines += textwrap.wrap(chapter.why, width, initial_indent="    ", subsequent_indent="    ")
    return lines


@contextmanager
def _registry_of(workspace: Path) -> Iterator[tuple[MlflowClient, str]]:
    """A client of the workspace's registry and the name of its data set's models there; see `_registry`."""
    uri, name = _place_of(workspace)
    with _registry(workspace, uri, name) as client:
        yield client, name


def _place_of(workspace: Path) -> tuple[str, str]:
    """Where the workspace's registry is, and the name of its data set's models there, as params.yaml says now."""
    settings = load_settings(workspace)
    return tracking_uri(workspace, settings), registered_name(settings.data.name)


@contextmanager
def _registry(workspace: Path, uri: str, name: str) -> Iterator[MlflowClient]:
    """A client of a registry in which nobody else decides meanwhile; what was begun with `name` is finished."""
    client = connect(uri)
    with deciding(workspace), answering():
        settle(client, name)
        yield client


def _number(client: MlflowClient, name: str, version: str) -> str:
    numbers = [str(one.version) for one in versions_of(client, name)]
    number = version if version in numbers else alias_version(client, name, version)
    if number is None and version in (CHALLENGER, CHAMPION, PREVIOUS):
        raise RegistryError(f"No version of {name} is the {version} now; `recipe history` tells what they are.")
    if number is None:
        known = ", ".join(numbers) or "none"
        raise RegistryError(f"{name} has no version '{version}': there are {known}; `recipe history` tells of them.")
    return number


def _chapter(version: ModelVersion, aliases: Mapping[str | None, str], ruling: Ruling | None) -> Chapter:
    number = str(version.version)
    common = (number, aliases.get(number, ""), version.tags.get(DATA_VERSION, "")[:SHORT_VERSION], _figure(version))
    if ruling is None:
        return Chapter(_registered(version), *common, UNDECIDED, "", "")
    decision = ruling.action if ruling.replaced is None else f"{ruling.action}, in place of {ruling.replaced}"
    return Chapter(ruling.when, *common, decision, ruling.why, ruling.by)


def _figure(version: ModelVersion) -> str:
    """The test figure that a version was registered with, and its interval; empty where it has none."""
    value, low, high = figure_on_test(version.tags) or (None, None, None)
    return "" if value is None else f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _registered(version: ModelVersion) -> str:
    return datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="microseconds")
