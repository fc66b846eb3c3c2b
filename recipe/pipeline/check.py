"""Practices alone, outside the pipeline: a scratch workspace takes the data in, runs what is asked, and is judged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recipe.errors import DataError, SettingsError, WorkspaceError
from recipe.evidence import Finding
from recipe.pipeline.reproduce import STAGES, run_apart
from recipe.report.build import build_report
from recipe.report.findings import TABLES, RunResult, StageResult, describe, read_judged, save, taken
from recipe.report.page import Opening, write_page
from recipe.runtime.progress import PLACE, watched
from recipe.runtime.workspace import RUN_LOCK, fingerprint, locked, make_output_folder, private_folder, write_whole
from recipe.settings import PARAMS, Settings, load_settings, nearest, parse_settings
from recipe.settings.composition import changed, compose
from recipe.settings.defaults import lookup
from recipe.settings.identity import identity
from recipe.settings.overrides import overridden
from recipe.settings.paths import make_paths_absolute

KEPT = 5  # scratch workspaces; each holds its data prepared
CHOSEN = "chosen"  # what a stage leaves to the next
LAST_CHOICE = "tune.json"  # the last there: what squeeze trains
ERROR_BUDGET = "squeeze/error_budget"
DELIVERED, ADVICE = "delivery", "advice"  # what carries them out among tasks/, which is no stage of the pipeline
DELIVERY = Path("reports") / DELIVERED
UNMET = "What speaks against it"  # heads what failed, on the page of a delivery
INGESTED = "ingested"  # in the scratch workspace's .recipe/: names what its prepared data were made from


def check(
    workspace: Path, names: Sequence[str], overrides: Sequence[str], out: Path | None = None
) -> tuple[RunResult, Path]:
    """Run the practices or stages `names` (default: data and baseline); gives the findings and the folder they are in.

    With a data.delivery the practices of the data stage are asked of it, beside the data set that it is to join: that
    of params.yaml, where `overrides` name no other.
    Changes neither params.yaml nor what the pipeline made.

    Args:
        out: by default reports/check, and reports/delivery for a delivery.

    Raises:
        SettingsError: a name or an override that does not exist.
        WorkspaceError: `out` cannot be written.
        RecipeError: a stage could not go on; with its sentence.
    """
    begun = "data.delivery" in overridden(overrides) and (workspace / PARAMS).is_file()
    settings = changed(workspace, overrides) if begun else compose(workspace, overrides)
    if settings["data"]["delivery"]:
        shutil.rmtree(workspace / DELIVERY, ignore_errors=True)
        out = out or workspace / DELIVERY
        result = check_delivery(workspace, settings, out, _of_data(names))
        fits = "does not fit" if result.verdict == "fail" else "fits"
        headline = f"{result.run['delivery']} {fits} the data set."
        write_page(out, result, opening=Opening(headline, failures=UNMET))
        return result, out
    out = out or workspace / "reports" / "check"
    return _checked(workspace, _by_stage(names or ("data", "baseline")), settings, out), out


def advise(workspace: Path, overrides: Sequence[str], out: Path | None = None) -> tuple[Finding, Path]:
    """What the error budget finds, and the folder that it is in, by default reports/advice.

    With a data.delivery, whose examples have labels, also what the ensemble is wrong by on those that are new.

    Raises:
        DataError: the delivery cannot be read as this data set, or holds nothing new.
        WorkspaceError: no stage has chosen what is trained yet, or it could not be measured.
        SettingsError, RecipeError: see `check`.
    """
    settings = changed(workspace, overrides) if (workspace / PARAMS).is_file() else compose(workspace, overrides)
    if not _is_present_run(workspace, parse_settings(settings)) or not (workspace / CHOSEN / LAST_CHOICE).is_file():
        raise WorkspaceError(
            "There is nothing to advise on: no run with these settings has come as far as squeeze. `recipe run` first, "
            "with the same settings."
        )
    out = out or workspace / "reports" / "advice"
    result = _checked(workspace, _by_stage([ERROR_BUDGET]), settings, out, module=ADVICE)
    [finding] = [one for one in result.findings if one.practice == ERROR_BUDGET]
    if finding.verdict in ("fail", "skip"):
        raise WorkspaceError(f"{finding.summary} {finding.advice}".strip())
    return finding, out


def check_delivery(
    workspace: Path, settings: dict[str, Any], out: Path, names: Sequence[str] = (), wait_seconds: float = 0.0
) -> RunResult:
    """Examine the delivery that `settings` name, beside the data set that it is to join; the page is the caller's.

    Args:
        names: practices of the data stage; by default all that a delivery is held to.
        wait_seconds: for another check of the same data to end.

    Raises:
        DataError: it is not readable as this data set.
        RecipeError: see `check`.
    """
    return _checked(workspace, {"data": list(names)}, settings, out, wait_seconds, DELIVERED)


def _of_data(names: Sequence[str]) -> list[str]:
    """The practices among `names`, all of them of the data stage.

    Raises:
        SettingsError: one is of another stage.
    """
    for name in names:
        if name.partition("/")[0] != "data":
            raise SettingsError(f"A delivery is examined by the practices of data, not by {name}: name those, or none.")
    return [name for name in names if "/" in name]


def _checked(
    workspace: Path,
    due: Mapping[str, list[str]],
    settings: dict[str, Any],
    out: Path,
    wait_seconds: float = 0.0,
    module: str | None = None,
) -> RunResult:
    """What the practices that are `due` find in a scratch workspace, judged, with the report in `out`.

    Args:
        module: see `_measure`.
    """
    is_delivery = module == DELIVERED
    make_output_folder(out)
    is_present_run = _is_present_run(workspace, parse_settings(settings))
    make_paths_absolute(settings, workspace)
    source = _Source.of(workspace, settings)
    scratch = private_folder(workspace) / "check" / source.settings
    make_output_folder(scratch)
    with locked(scratch, wait_seconds, RUN_LOCK):
        write_whole(scratch / PARAMS, json.dumps(settings))
        shutil.rmtree(scratch / CHOSEN, ignore_errors=True)
        if is_present_run and (workspace / CHOSEN).is_dir():
            shutil.copytree(workspace / CHOSEN, scratch / CHOSEN)
        checked = parse_settings(settings)
        _measure(workspace, scratch, due, source, module)
        held_to = DELIVERED if is_delivery else None
        judged = tuple(read_judged(scratch / "reports", stage, checked, held_to) for stage in due)
        result = _report(scratch, checked, judged, is_delivery)
        shutil.copytree(scratch / "reports", out, dirs_exist_ok=True)
        if not is_delivery:
            shutil.copytree(scratch / "reports" / "ingest" / TABLES, out / TABLES, dirs_exist_ok=True)
    _forget_the_oldest(scratch.parent)
    return result


def _report(scratch: Path, checked: Settings, judged: tuple[StageResult, ...], is_delivery: bool) -> RunResult:
    """The report of what was measured; of a delivery, which has no model and no budget, the findings alone."""
    run = describe(checked)
    if not is_delivery:
        result = RunResult(run | taken(scratch), judged)
        build_report(scratch, result)
        return result
    name = Path(str(checked.data.delivery)).name
    told = {key: value for key, value in run.items() if key not in ("model", "budget", "seed")}
    result = RunResult({**told, "delivery": name}, judged)
    save(scratch / "reports", result)
    return result


def _forget_the_oldest(folder: Path) -> None:
    """Keep the scratch workspaces that were used last; one that is in use is the newest."""
    scratches = sorted(folder.iterdir(), key=lambda scratch: scratch.stat().st_mtime, reverse=True)
    for scratch in scratches[KEPT:]:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_present_run(workspace: Path, asked: Settings) -> bool:
    """Whether the workspace's own run is of these settings, so that what its stages chose holds here too."""
    try:
        present = load_settings(workspace)
    except SettingsError:
        return False
    return identity(present) == identity(asked)


def _by_stage(names: Sequence[str]) -> Mapping[str, list[str]]:
    """The stages to run, in the recipe's order, each with its practices; an empty list means all of them."""
    wanted: dict[str, list[str]] = {}
    for name in names:
        stage = name.partition("/")[0]
        if stage not in STAGES:
            raise SettingsError(
                f"There is no stage '{stage}'{nearest(stage, STAGES)}: name one of {', '.join(STAGES)}."
            )
        wanted.setdefault(stage, [])
        if "/" in name:
            wanted[stage].append(name)
    return {stage: wanted[stage] for stage in STAGES if stage in wanted}


@dataclass(frozen=True)
class _Source:
    """Names what ingest depends on, as dvc.yaml lists it: its settings, and the state of data files and code."""

    settings: str
    files: str

    @classmethod
    def of(cls, workspace: Path, settings: Mapping[str, Any]) -> _Source:
        stage = yaml.safe_load((workspace / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["ingest"]
        decisions = Path(settings["data"]["decisions"])
        files = [Path(settings["data"]["path"]), *([decisions] if decisions.exists() else [])]
        files += [workspace / name for name in stage["deps"] if "${" not in name]
        chosen = {name: lookup(settings, name) for name in stage["params"]}
        return cls(fingerprint(chosen), fingerprint([list(stamps(path)) for path in files]))


def _measure(
    workspace: Path, scratch: Path, due: Mapping[str, list[str]], source: _Source, module: str | None = None
) -> None:
    """Run the stages that are due, after ingest where the scratch workspace does not hold this very data.

    Args:
        module: what carries them out, where it is not the stage of the pipeline.
    """
    held = private_folder(scratch) / INGESTED
    with watched(private_folder(scratch) / PLACE, ["ingest", *due]) as refresh:
        if not held.is_file() or held.read_text(encoding="utf-8") != source.files:
            held.unlink(missing_ok=True)
            _ingest(workspace, scratch, refresh, is_reference=module == DELIVERED)
            write_whole(held, source.files)
        for earlier in set(STAGES) - {"ingest"}:
            shutil.rmtree(scratch / "reports" / earlier, ignore_errors=True)
        for stage, practices in due.items():
            if stage != "ingest":
                _run_stage(workspace, scratch, module or stage, practices, refresh)


def _ingest(workspace: Path, scratch: Path, refresh: Callable[[], None], is_reference: bool) -> None:
    """Take the data set in.

    Raises:
        WorkspaceError: it cannot be read, where it is not what is checked but what a delivery is compared with.
        RecipeError: see `run_apart`.
    """
    try:
        _run_stage(workspace, scratch, "ingest", [], refresh)
    except DataError as error:
        if not is_reference:
            raise
        raise WorkspaceError(f"The data set that the delivery is to join cannot be read: {error}") from error


def stamps(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """Name, size, time of change and inode of each file at or below `path`: what DVC too takes for unchanged."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if "__pycache__" not in file.parts:
            stat = file.lstat()
            yield str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino


def _run_stage(
    workspace: Path, scratch: Path, stage: str, practices: Sequence[str], refresh: Callable[[], None]
) -> None:
    run_apart(f"tasks.{stage}", scratch, "--home", str(workspace), *practices, code=workspace, refresh=refresh)
