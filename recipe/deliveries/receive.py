"""Deliveries taken in, one after another, by steps that a kill anywhere leaves either not begun or to be finished.

A delivery is claimed by a rename, examined, and decided on in one file; from there on every step can be done again.
"""

import logging
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from recipe.dataset.ingestion import ledger_of
from recipe.dataset.splits import keep_for_training
from recipe.deliveries.appending import Growth, is_based_on, put_in_place, stage_growth
from recipe.deliveries.examination import ASIDE, KNOWN, NEW, read_fates, read_rows
from recipe.deliveries.incoming import DECIDED, INCOMING, QUARANTINE, arrivals, claim, claimed, forget, given
from recipe.deliveries.notices import letter, write_delivery_page
from recipe.deliveries.quarantine import LETTER, REASONS, put_aside, stage_aside
from recipe.deliveries.record import REFUSED, TAKEN, Kind, Outcome, write_outcome
from recipe.deliveries.versions import commit_version, data_path, keep_version
from recipe.errors import DataError, RecipeError, SettingsError, WorkspaceError
from recipe.pipeline.check import check_delivery, stamps
from recipe.report.findings import RunResult
from recipe.report.page import PAGE
from recipe.report.spreadsheet import text_of
from recipe.runtime.workspace import RUN_LOCK, STAGE_LOCK, locked, write_json, write_whole
from recipe.settings import Settings, load_settings
from recipe.versioning.provenance import tracked_out, tracked_version

WATCH_LOCK = "watch.lock"
ATTEMPTS, DESPITE_DRIFT = "attempts", "despite-drift"
MOST_ATTEMPTS = 3  # at a delivery whose examination ends for no reason that it gives, such as for want of memory
REPORTS = Path("reports") / "deliveries"
# What real change in the world fails as well as a fault: a person may have it taken in all the same. Of inputs that
# have shifted a probe trained on the others cannot tell whether the labels are right.
DRIFT, LABELS = "data/drift", "data/label_noise"
SHIFTS = (DRIFT, "data/expectations")
# What these warn of is not taken in.
OF_ASIDE = ("data/unreadable", "data/corrupt_labels", "data/duplicates", "data/leakage")

logger = logging.getLogger(__name__)


def receive(
    workspace: Path, settings: Settings, paths: Sequence[Path] = (), despite_drift: bool = False
) -> Iterator[Outcome]:
    """Take in `paths`, by default every whole delivery in data/incoming; gives what became of each as it is done.

    What an earlier call began and could not finish comes first.

    Args:
        despite_drift: take the deliveries in although they are distributed otherwise than the data set.

    Raises:
        DataError: the data set cannot grow, or one of `paths` is not there.
        WorkspaceError: DVC, git or the disk refuses.
    """
    target = data_path(workspace, settings)
    with locked(workspace, math.inf, WATCH_LOCK):
        yield from _finished(workspace, settings)
        first = _first_version(workspace, settings, target)
        if first:
            yield first
        marks = [DESPITE_DRIFT] if despite_drift else []
        for path in paths:
            _refuse_own(workspace, path, target)
            yield _take(workspace, settings, claim(workspace, path, marks))
        if not paths:
            for folder in _arrived(workspace, settings, marks):
                yield _take(workspace, settings, folder)


def _refuse_own(workspace: Path, path: Path, target: Path) -> None:
    """Refuse what is no delivery.

    Raises:
        DataError: it is not there, or is the data set, part of it, what holds it, or where deliveries are kept.
    """
    if not path.exists() and not path.is_symlink():
        raise DataError(f"There is no {path}: name a file or folder that was delivered.")
    place, own = path.resolve(), target.resolve()
    if place.is_relative_to(own) or own.is_relative_to(place):
        raise DataError(f"{path} is the data set, holds it, or is a part of it: name what was delivered.")
    if place == (workspace / INCOMING).resolve():
        raise DataError(f"{path} is where deliveries are put: name one of them, or none, for all that are there.")
    aside = (workspace / QUARANTINE).resolve()
    if aside in (place, place.parent) or (aside == place.parent.parent and place.name in (REASONS, LETTER)):
        raise DataError(f"{path} holds what was set aside, and the reasons: name the delivery in it.")


def _arrived(workspace: Path, settings: Settings, marks: Sequence[str]) -> Iterator[Path]:
    """The whole deliveries in data/incoming, claimed one by one; each is looked at again just before.

    One that cannot be claimed stays where it is, and keeps no other waiting.
    """
    tried: set[Path] = set()
    while True:
        waiting = arrivals(workspace, settings.watch.quiet_seconds)
        path = next((one.path for one in waiting if not one.waits and one.path not in tried), None)
        if path is None:
            return
        tried.add(path)
        try:
            yield claim(workspace, path, marks)
        except WorkspaceError as error:
            logger.warning("%s", error)


def finish_begun(workspace: Path) -> None:
    """Finish what a killed process had decided on, so that no run meets a data set that has grown by half a delivery.

    Whoever calls has the workspace for a run. A living process finishes its own.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(workspace, name=WATCH_LOCK))
        except WorkspaceError:
            return
        settings = load_settings(workspace)
        for folder in claimed(workspace):
            decision = _read_decision(folder)
            if decision and is_based_on(decision.growth, workspace / decision.target):
                _carry_out(workspace, settings, folder, decision, STAGE_LOCK)


@dataclass(frozen=True)
class Decision:
    """What is to become of a claimed delivery; `target` is the data set that it was examined beside.

    `doubted` are the contents of what is taken in though its label is in doubt.
    """

    outcome: Outcome
    growth: Growth
    target: str
    doubted: tuple[str, ...] = ()


NO_GROWTH = Growth({})


def _finished(workspace: Path, settings: Settings) -> Iterator[Outcome]:
    for folder in claimed(workspace):
        if given(folder) is None and not (folder / DECIDED).is_file():
            forget(folder)  # killed before anything was in it
        else:
            yield _take(workspace, settings, folder)


def _first_version(workspace: Path, settings: Settings, target: Path) -> Outcome | None:
    """What is there before the first delivery becomes the first version."""
    if tracked_version(target) is not None:
        return None
    with _at_rest(workspace, RUN_LOCK, STAGE_LOCK):
        version = keep_version(workspace, target)
    if settings.watch.git:
        commit_version(workspace, target, f"Keep the first version of {settings.data.name}")
    why, out = "What was there before the first delivery.", tracked_out(target)
    first = Outcome(f"first-{version}", settings.data.path, "first version", version=version, why=why, out=out)
    return write_outcome(workspace, first)


def _take(workspace: Path, settings: Settings, folder: Path) -> Outcome:
    try:
        decision = _read_decision(folder)
        if decision is None or not is_based_on(decision.growth, workspace / decision.target):
            decision = _decide(workspace, settings, folder)
            write_json(folder / DECIDED, asdict(decision))
        return _carry_out(workspace, settings, folder, decision)
    except OSError as error:
        raise WorkspaceError(
            f"{(given(folder) or folder).name} cannot be taken in ({error.strerror or error}): see to the disk; the "
            f"delivery is kept in {folder}, and the next look goes on with it."
        ) from error


def _read_decision(folder: Path) -> Decision | None:
    """What was decided; None where nothing was, or by a version of this code that wrote it otherwise."""
    path = folder / DECIDED
    with suppress(ValidationError):
        return TypeAdapter(Decision).validate_json(path.read_bytes()) if path.is_file() else None
    return None


def _carry_out(workspace: Path, settings: Settings, folder: Path, decision: Decision, *locks: str) -> Outcome:
    """Each step may have been done before by a call that was killed.

    Args:
        locks: those that keep runs and stages away, where the caller does not hold one of them already.
    """
    target, outcome = workspace / decision.target, decision.outcome
    if decision.growth != NO_GROWTH:
        with _at_rest(workspace, *(locks or (RUN_LOCK, STAGE_LOCK))):
            _keep_out_of_test(workspace, settings, target, decision.doubted)
            put_in_place(folder, decision.growth, target)
            version = keep_version(workspace, target)
        if settings.watch.git:
            commit_version(workspace, target, f"Take {outcome.new} examples of {outcome.name} in")
        outcome = replace(outcome, version=version, out=tracked_out(target))
    whole = outcome.kind in REFUSED
    if outcome.aside or whole:
        place = put_aside(folder, given(folder), workspace, whole)
        outcome = replace(outcome, quarantine=place.relative_to(workspace).as_posix())
    outcome = replace(outcome, report=(REPORTS / folder.name / PAGE).as_posix())
    write_delivery_page(workspace / REPORTS / folder.name, outcome)
    recorded = write_outcome(workspace, outcome)
    forget(folder)
    return recorded


@contextmanager
def _at_rest(workspace: Path, *locks: str) -> Iterator[None]:
    """Have the workspace while no run and no stage works in it: a run reads the data set whole, before or after."""
    with ExitStack() as stack:
        for name in locks:
            stack.enter_context(locked(workspace, math.inf, name))
        yield


# Deciding


def _decide(workspace: Path, settings: Settings, folder: Path) -> Decision:
    delivered = given(folder)
    assert delivered is not None, "a claimed delivery without a decision is still there"
    report, target = workspace / REPORTS / folder.name, data_path(workspace, settings)
    before, growth, doubted = list(stamps(delivered)), NO_GROWTH, tuple[str, ...]()
    outcome = Outcome(folder.name, delivered.name, "rejected", version=tracked_version(target))
    try:
        result = _examined(workspace, settings, folder, delivered, report)
        fates = read_fates(report / "data")
        counts = {fate: int((fates["fate"] == fate).sum()) for fate in (NEW, KNOWN, ASIDE)}
        kind, why = judged(result, counts, settings, (folder / DESPITE_DRIFT).exists())
        outcome = replace(outcome, kind=kind, why=why, new=counts[NEW], known=counts[KNOWN], aside=counts[ASIDE])
        listed = pd.read_csv(report / "tables" / "data.quarantine.csv", dtype="str", keep_default_na=False)
        reasons = listed.map(text_of)
        if kind in TAKEN:
            taken = fates[fates["fate"] == NEW]
            doubted = _doubted(report, taken)
            growth = stage_growth(folder, delivered, taken, read_rows(report / "data"), target, settings.data)
    except DataError as error:
        outcome = replace(outcome, kind="rejected", why=str(error))
        reasons = pd.DataFrame({"id": [""], "path": [delivered.name], "label": [""], "reason": [outcome.why]})
    whole = outcome.kind in REFUSED
    if not whole and list(stamps(delivered)) != before:
        raise WorkspaceError(
            f"{delivered.name} was still being written while it was examined: it is examined again at the next look."
        )
    if outcome.aside or whole:
        stage_aside(folder, delivered, reasons, letter(outcome, reasons), whole)
    return Decision(replace(outcome, new=0) if whole else outcome, growth, settings.data.path, doubted)


def _doubted(report: Path, taken: pd.DataFrame) -> tuple[str, ...]:
    """The contents of examples whose labels the examination doubts: a test example may not have such a one."""
    table = report / "tables" / "data.label_noise.csv"
    if not table.is_file():
        return ()
    listed = pd.read_csv(table, dtype="str", keep_default_na=False)
    paths = {text_of(path) for path in listed["path"][listed["flagged"] == "true"]}
    return tuple(taken["content_id"][taken["path"].isin(paths)])


def _keep_out_of_test(workspace: Path, settings: Settings, target: Path, contents: Sequence[str]) -> None:
    """Have examples of these contents trained on, whichever ledger of splits the next run goes by.

    A split by time goes by none: to leave out of its test what the past finds unlikely would flatter the model.
    """
    if settings.data.split.by == "time":
        return
    for split_given in (False, True):
        keep_for_training(contents, ledger_of(workspace, target.resolve(), settings.data, split_given))


def _examined(workspace: Path, settings: Settings, folder: Path, delivered: Path, report: Path) -> RunResult:
    """The findings of the delivery.

    Raises:
        DataError: it is not readable as this data set, or its examination came to no end again and again.
    """
    content = settings.model_dump(mode="json", by_alias=True)  # params.yaml may be another run's by now
    content["data"]["delivery"] = str(delivered)
    shutil.rmtree(report, ignore_errors=True)
    try:
        return check_delivery(workspace, content, report, wait_seconds=math.inf)
    except (DataError, WorkspaceError, SettingsError):  # the delivery's fault, or not at all
        raise
    except RecipeError as error:
        path = folder / ATTEMPTS
        attempt = int(path.read_text(encoding="utf-8")) + 1 if path.is_file() else 1
        write_whole(path, str(attempt))
        if attempt < MOST_ATTEMPTS:
            raise
        raise DataError(f"It could not be examined, at {attempt} attempts: {error}") from error


def judged(result: RunResult, counts: dict[str, int], settings: Settings, despite_drift: bool) -> tuple[Kind, str]:
    """What becomes of the delivery, and why."""
    unmet = {finding.practice: finding.summary for finding in result.findings if finding.verdict == "fail"}
    shifted = DRIFT in unmet
    overruled = [name for name in unmet if name in SHIFTS or (name == LABELS and shifted)] if despite_drift else []
    against = [summary for name, summary in unmet.items() if name not in overruled]
    total = sum(counts.values())
    limit = settings.watch.max_bad_share
    if against:
        return "drifted" if shifted and not despite_drift else "rejected", " ".join(against)
    if counts[ASIDE] / total > limit:
        return "rejected", f"{counts[ASIDE]} of {total} examples cannot be used, and at most {limit:.0%} may be so."
    if not counts[NEW]:
        return "nothing new", f"All {counts[KNOWN]} usable examples are in the data set already."
    unlike = f", taken despite {', '.join(overruled)}" if overruled else ""
    new, them = ("1 example is new", "it") if counts[NEW] == 1 else (f"{counts[NEW]} examples are new", "them")
    warned = [finding for finding in result.findings if finding.verdict == "warn" and finding.practice not in OF_ASIDE]
    doubts = "".join(f" {finding.summary}" for finding in warned)
    if counts[ASIDE]:
        return "partly accepted", f"{new}{unlike}; {counts[ASIDE]} cannot be used.{doubts}"
    none = "" if doubts else f", and nothing speaks against {them}"
    return "accepted", f"{new}{unlike or none}.{doubts}"


def describe(outcome: Outcome) -> dict[str, Any]:
    """`outcome` as others are told of it: all but DVC's own entry."""
    return {name: value for name, value in asdict(outcome).items() if name != "out"}
