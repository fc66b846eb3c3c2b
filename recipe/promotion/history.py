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
    folder_hash,
    metric_on_test,
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
    """Where the model that the workspace has made stands: to be compared with the champion, or `why` not.

    Attributes:
        uri, name: the registry, and the data set's models there, for params.yaml may name others by the time of a
            decision.
        ruling: the newest decision on any version, where it is on this one.
    """

    uri: str
    name: str
    version: str
    champion: str
    why: str
    ruling: Ruling | None

    @property
    def is_open(self) -> bool:
        return not self.why


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
    with _registry(workspace) as (client, uri, name):
        content = folder_hash(workspace / FINAL_MODEL)
        known = client.search_model_versions(f"name = '{name}' and tags.`{MODEL_HASH}` = '{content}'")
        if not known:
            raise RegistryError(
                f"The model in {workspace / FINAL_MODEL} is not registered: MLflow was not there when it was "
                "published; start again, and it is."
            )
        version = str(known[0].version)
        enter(client, name, version)
        champion = alias_version(client, name, CHAMPION)
        decided = rulings(client, name)
    if champion is None:
        raise RegistryError(
            f"{name} has no champion any more, so version {version} cannot be compared: name one with "
            "`recipe promote VERSION`; `recipe history` tells of them."
        )
    taken = [ruling for ruling in decided if ruling.version == version]
    newest = taken[-1] if taken and taken[-1] == decided[-1] else None
    why = f"Version {version} of {name} was decided on before: {taken[-1].why}" if taken else ""
    if champion == version:
        why = f"Version {version} of {name} is the champion."
    return Standing(uri, name, version, champion, why, newest)


def conclude(workspace: Path, now: Standing, promoted: bool, why: str, by: str) -> Conclusion:
    """Carry out the decision on a compared version, unless the champion is not the one it was compared with."""
    with _registry(workspace, now) as (client, _, _):
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
    with _registry(workspace) as (client, _, name):
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
    with _registry(workspace) as (client, _, name):
        ruling = roll_back(client, name, why or BY_HAND, PERSON)
    return f"{name} version {ruling.version} is the champion again, in place of version {ruling.replaced}."


def history(workspace: Path) -> list[Chapter]:
    """Every decision on the versions of the workspace's data set, and the versions without one, the oldest first.

    Raises:
        RegistryError: none is registered.
    """
    with _registry(workspace) as (client, _, name):
        versions = versions_of(client, name)
        aliases = {alias_version(client, name, alias): alias for alias in (PREVIOUS, CHALLENGER, CHAMPION)}
    if not versions:
        raise RegistryError(f"No model of {name} is registered yet: train one with `recipe run`.")
    chapters = [chapter for version in versions for chapter in _chapters(version, aliases)]
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
def _registry(workspace: Path, of: Standing | None = None) -> Iterator[tuple[MlflowClient, str, str]]:
    """A client of a registry in which nobody else decides meanwhile, where that is, and the name of its models.

    What was begun with them is finished.

    Args:
        of: what was found in there; default: as params.yaml says now.
    """
    if of is None:
        settings = load_settings(workspace)
        uri, name = tracking_uri(workspace, settings), registered_name(settings.data.name)
    else:
        uri, name = of.uri, of.name
    client = connect(uri)
    with deciding(workspace), answering():
        settle(client, name)
        yield client, uri, name


def _number(client: MlflowClient, name: str, version: str) -> str:
    numbers = [str(one.version) for one in versions_of(client, name)]
    number = version if version in numbers else alias_version(client, name, version)
    if number is None and version in (CHALLENGER, CHAMPION, PREVIOUS):
        raise RegistryError(f"No version of {name} is the {version} now; `recipe history` tells what they are.")
    if number is None:
        known = ", ".join(numbers) or "none"
        raise RegistryError(f"{name} has no version '{version}': there are {known}; `recipe history` tells of them.")
    return number


def _chapters(version: ModelVersion, aliases: Mapping[str | None, str]) -> Iterator[Chapter]:
    """The decisions on one version; without one, that it was registered. `aliases` are those of all, by version."""
    number, measured = str(version.version), metric_on_test(version.tags)
    figure = "{:.4f} [{:.4f}, {:.4f}]".format(*measured) if measured else ""
    common = (number, aliases.get(number, ""), version.tags.get(DATA_VERSION, "")[:SHORT_VERSION], figure)
    taken = list(rulings_on(version))
    for ruling in taken:
        decision = ruling.action if ruling.replaced is None else f"{ruling.action}, in place of {ruling.replaced}"
        yield Chapter(ruling.when, *common, decision, ruling.why, ruling.by)
    if not taken:
        registered = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="microseconds")
        yield Chapter(registered, *common, UNDECIDED, "", "")
