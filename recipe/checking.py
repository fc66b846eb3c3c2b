"""Practices alone, outside the pipeline: a scratch workspace takes the data in, runs what is asked, and is judged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recipe.composition import compose, lookup, make_paths_absolute
from recipe.errors import SettingsError, WorkspaceError
from recipe.pipeline import STAGES, run_apart
from recipe.progress import PLACE, watched
from recipe.report.build import build_report
from recipe.report.findings import TABLES, RunResult, describe, read_judged
from recipe.settings import PARAMS, Settings, load_settings, nearest, parse_settings
from recipe.tracking import NOT_IN_KEY
from recipe.workspace import RUN_LOCK, fingerprint, locked, private_folder, write_whole

KEPT = 5  # scratch workspaces; each holds its data prepared
CHOSEN = "chosen"  # what a stage leaves to the next
INGESTED = "ingested"  # in the scratch workspace's .recipe/: names what its prepared data were made from


def check(workspace: Path, names: Sequence[str], overrides: Sequence[str], out: Path) -> RunResult:
    """Run the practices or stages `names` (default: data and baseline) and write the findings under `out`.

    Changes neither params.yaml nor what the pipeline made.

    Raises:
        SettingsError: a name or an override that does not exist.
        WorkspaceError: `out` cannot be written.
        RecipeError: a stage could not go on; with its sentence.
    """
    due = _by_stage(names or ("data", "baseline"))
    settings = compose(workspace, overrides)
    _make_folder(out)
    is_present_run = _is_present_run(workspace, parse_settings(settings))
    make_paths_absolute(settings, workspace)
    source = _Source.of(workspace, settings)
    scratch = private_folder(workspace) / "check" / source.settings
    _make_folder(scratch)
    with locked(scratch, name=RUN_LOCK):
        write_whole(scratch / PARAMS, json.dumps(settings))
        shutil.rmtree(scratch / CHOSEN, ignore_errors=True)
        if is_present_run and (workspace / CHOSEN).is_dir():
            shutil.copytree(workspace / CHOSEN, scratch / CHOSEN)
        _measure(workspace, scratch, due, source)
        checked = parse_settings(settings)
        judged = tuple(read_judged(scratch / "reports", stage, checked) for stage in due)
        result = RunResult(describe(checked), judged)
        build_report(scratch, result)
        shutil.copytree(scratch / "reports", out, dirs_exist_ok=True)
        shutil.copytree(scratch / "reports" / "ingest" / TABLES, out / TABLES, dirs_exist_ok=True)
    _forget_the_oldest(scratch.parent)
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
    names = set(Settings.model_fields) - NOT_IN_KEY
    return all(getattr(present, name) == getattr(asked, name) for name in names)


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
        files = [Path(settings["data"]["path"]), *(workspace / name for name in stage["deps"] if "${" not in name)]
        chosen = {name: lookup(settings, name) for name in stage["params"]}
        return cls(fingerprint(chosen), fingerprint([list(_stamps(path)) for path in files]))


def _measure(workspace: Path, scratch: Path, due: Mapping[str, list[str]], source: _Source) -> None:
    """Run the stages that are due, after ingest where the scratch workspace does not hold this very data."""
    held = private_folder(scratch) / INGESTED
    with watched(private_folder(scratch) / PLACE, ["ingest", *due]) as refresh:
        if not held.is_file() or held.read_text(encoding="utf-8") != source.files:
            held.unlink(missing_ok=True)
            _run_stage(workspace, scratch, "ingest", [], refresh)
            write_whole(held, source.files)
        for earlier in set(STAGES) - {"ingest"}:
            shutil.rmtree(scratch / "reports" / earlier, ignore_errors=True)
        for stage, practices in due.items():
            if stage != "ingest":
                _run_stage(workspace, scratch, stage, practices, refresh)


def _stamps(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """Name, size, time of change and inode of each file at or below `path`: what DVC too takes for unchanged."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if "__pycache__" not in file.parts:
            stat = file.lstat()
            yield str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino


def _run_stage(
    workspace: Path, scratch: Path, stage: str, practices: Sequence[str], refresh: Callable[[], None]
) -> None:
    run_apart(f"tasks.{stage}", scratch, "--home", str(workspace), *practices, code=workspace, refresh=refresh)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"Cannot write {folder}: {error.strerror}. Name another folder with --out.") from error
