"""Runs made again from what they are made of, in scratch workspaces beside the real one, as far as no cache holds them.

Nothing is published or registered, no gate is asked, no test label is read, and params.yaml and what the pipeline made
stay as they are. A scratch workspace is named by what goes into it, and is kept: one that was killed goes on.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recipe.attribution.past_code import Code
from recipe.dataset.stored import FACTS, PREPARED
from recipe.errors import DataError
from recipe.pipeline.reproduce import run_apart, stage_environment
from recipe.runtime.progress import PLACE, watched
from recipe.runtime.workspace import RUN_LOCK, TRAININGS, fingerprint, locked, private_folder, write_whole
from recipe.settings import PARAMS
from recipe.settings.defaults import lookup
from recipe.settings.identity import without_what_changes_nothing
from recipe.settings.kinds import comes_with_a_package
from recipe.tracking.past_runs import SHORT
from recipe.tracking.pipeline_run import data_version
from recipe.versioning.provenance import FINAL_MODEL, code_in, content_hash, model_stages, stage_settings

logger = logging.getLogger(__name__)

INGEST = "ingest"
MODEL_MODULE = "recipe.inference.final_model"
CHOSEN = "chosen"  # what a stage leaves to the next
DESCRIBED = "MLmodel"  # a model's folder holds it, whole
SPLITS = "splits"  # in .recipe/: copied from the workspace, whose trainings are shared
ORPHAN_SECONDS = 3600.0  # what a stage may take that outlived a killed command: it is waited for
KEPT = {"runs": 24, "data": 6, "code": 6}  # below .recipe/why/, beside what was just used; data may be large
CONTENT = re.compile(r"[0-9a-f]{32}(\.dir)?")  # what DVC knows data by
DVC = """[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    dir = {cache}
    type = "reflink,hardlink,copy"
"""  # no symbolic links: ingest refuses those that lead outside the data


@dataclass(frozen=True)
class Data:
    """A version of the data: its path, as the settings name it, and what tells it from others; empty if nothing does.

    `md5` is DVC's hash of what lay at the path, where that is known.
    """

    path: str
    version: str
    md5: str | None


@dataclass(frozen=True)
class Ingredients:
    """What a run is made from."""

    settings: Mapping[str, Any]
    data: Data
    code: Code

    @property
    def folder(self) -> Path:
        """Where the code lies."""
        assert self.code.folder is not None, "a run is made from code that is at hand"
        return self.code.folder


@dataclass(frozen=True)
class Bench:
    """Where runs are made again: beside `workspace`, sharing its caches.

    `prepared` maps what prepared data are made from (`prepared_key`) to DVC's hash of them, as past runs recorded it.
    """

    workspace: Path
    prepared: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return private_folder(self.workspace) / "why"


def prepared_key(made_from: Ingredients) -> str:
    """Names what prepared data are made from: the settings and the code of ingest, and the version of the data."""
    settings = {name: lookup(made_from.settings, name) for name in stage_settings(made_from.folder, INGEST)}
    return fingerprint([settings, made_from.data.version, code_in(made_from.folder, made_from.settings, [INGEST])])


def prepared_data(bench: Bench, made_from: Ingredients) -> Path:
    """The folder of a scratch workspace that holds these data prepared: from DVC's cache, else made again.

    Raises:
        DataError: this version of the data is at hand no more.
        RecipeError: ingest could not go on; with its sentence.
    """
    recorded = bench.prepared.get(prepared_key(made_from), "")
    scratch = bench.folder / "data" / _data_name(bench, made_from)
    scratch.mkdir(parents=True, exist_ok=True)
    os.utime(scratch)
    with locked(scratch, name=RUN_LOCK):
        if (scratch / PREPARED / FACTS).is_file():
            return scratch
        if not _checked_out(bench, scratch, PREPARED.as_posix(), recorded):
            _ingest(bench, scratch, made_from)
            _look_for_difference(scratch, made_from, recorded)
    return scratch


def finished_model(bench: Bench, made_from: Ingredients) -> Path | None:
    """The folder of the model that was made from these before; None where it was not, or is there no more."""
    model = _scratch_of(bench, made_from) / FINAL_MODEL
    return model if (model / DESCRIBED).is_file() else None


def make_model(bench: Bench, made_from: Ingredients) -> Path:
    """The folder of the model that is made from these; finished trainings are shared with the workspace.

    Raises:
        RecipeError: a stage could not go on; with its sentence.
    """
    scratch = _scratch_of(bench, made_from)
    scratch.mkdir(parents=True, exist_ok=True)
    with locked(scratch, name=RUN_LOCK):
        _furnish(bench, scratch, made_from)
        # The first stage has prepared the data; the last would read the test labels.
        chosen = {stage: scratch / CHOSEN / f"{stage}.json" for stage in model_stages(made_from.folder)[1:-1]}
        due = [stage for stage, file in chosen.items() if not file.is_file()]
        with watched(private_folder(scratch) / PLACE, [*due, "squeeze"]) as refresh:
            for module in (*(f"tasks.{stage}" for stage in due), _model_module(made_from.folder)):
                _run(bench, module, scratch, made_from, refresh)
    return scratch / FINAL_MODEL


def _model_module(code: Path) -> str:
    """What makes the final model in `code`, which may be that of a run made before the library had rooms."""
    return MODEL_MODULE if (code / f"{MODEL_MODULE.replace('.', '/')}.py").is_file() else "recipe.final_model"


def _scratch_of(bench: Bench, made_from: Ingredients) -> Path:
    """The scratch workspace of a run: of all that may change a number."""
    settings = without_what_changes_nothing(made_from.settings)
    code = code_in(made_from.folder, made_from.settings)
    return bench.folder / "runs" / fingerprint([settings, code, _data_name(bench, made_from)])


def _data_name(bench: Bench, made_from: Ingredients) -> str:
    """Names prepared data by what they are made from, and by what is known to have come out."""
    key = prepared_key(made_from)
    return fingerprint([key, bench.prepared.get(key)])


def clear_away(bench: Bench, used: Sequence[Ingredients]) -> None:
    """Keep what was `used` last."""
    for scratch in map(partial(_scratch_of, bench), used):
        if scratch.is_dir():
            os.utime(scratch)
    for kind, kept in KEPT.items():
        newest = sorted((bench.folder / kind).glob("*"), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in newest[max(kept, len(used)) :]:
            shutil.rmtree(old, ignore_errors=True)


# Data


def _ingest(bench: Bench, scratch: Path, made_from: Ingredients) -> None:
    """Prepare the data again, split as the workspace's ledger remembers."""
    if not comes_with_a_package(made_from.settings["data"]):
        _bring_data(bench, scratch, made_from.data)
    splits = private_folder(bench.workspace) / SPLITS
    if splits.is_dir():  # a copy: who was assigned stays, and what is tried here leaves no trace
        shutil.copytree(splits, private_folder(scratch) / SPLITS, dirs_exist_ok=True)
    write_whole(scratch / PARAMS, json.dumps(made_from.settings))
    with watched(private_folder(scratch) / PLACE, [INGEST]) as refresh:
        _run(bench, f"tasks.{INGEST}", scratch, made_from, refresh)


def _bring_data(bench: Bench, scratch: Path, data: Data) -> None:
    """Put this version of the data where the scratch workspace looks for it.

    Raises:
        DataError: it is neither in DVC's cache nor in the workspace, or its path leads out of it.
    """
    if ".." in Path(data.path).parts:  # our own runs name what lies elsewhere by its whole path
        raise DataError(f"{data.path!a} leads out of the workspace: it is no path that `recipe run` has written.")
    present, inside = bench.workspace / data.path, not Path(data.path).is_absolute()
    if inside and _checked_out(bench, scratch, data.path, data.md5 or ""):
        return
    if not present.exists() or (data.md5 and content_hash(present) != data.md5):
        raise _gone(data)
    if inside:
        _link(present, scratch / data.path)


def _gone(data: Data) -> DataError:
    what = f"Version {data.md5[:SHORT]} of {data.path}" if data.md5 else f"What {data.path} held"
    return DataError(
        f"{what} when a run was made from it is neither in the workspace nor in DVC's cache: bring it back, with "
        "`dvc pull` for instance, and track the data with `dvc add`, so that each version is kept."
    )


def _link(source: Path, target: Path) -> None:
    """`source`, a file or folder, at `target` too, without a copy where the disk can do that."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_file, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _link_file(str(source), str(target))


def _link_file(source: str, target: str) -> None:
    _remove(Path(target))
    try:
        os.link(Path(source).resolve(), target)
    except OSError:  # another disk, or one that knows no links
        shutil.copy2(source, target)


def _checked_out(bench: Bench, scratch: Path, path: str, md5: str) -> bool:
    """Whether DVC's cache holds what `md5` names; then it lies at `path` of the scratch workspace, whole."""
    beside, target = scratch / "checkout", scratch / path
    if not CONTENT.fullmatch(md5):  # DVC makes a path of it
        return False
    cache = _dvc(bench.workspace, "cache", "dir").stdout.strip()
    write_whole(scratch / ".dvc" / "config", DVC.format(cache=cache))
    shutil.rmtree(beside, ignore_errors=True)
    write_whole(beside / f"{target.name}.dvc", json.dumps({"outs": [{"md5": md5, "hash": "md5", "path": target.name}]}))
    answer = _dvc(beside, "checkout", "--quiet", f"{target.name}.dvc")
    if answer.returncode or not (beside / target.name).exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove(target)  # half of it, where a run was killed
    os.replace(beside / target.name, target)
    return True


def _dvc(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *words]
    return subprocess.run(command, cwd=folder, env=stage_environment(), capture_output=True, text=True, check=False)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _look_for_difference(scratch: Path, made_from: Ingredients, recorded: str) -> None:
    """Say so where prepared data did not come out as a past run had them: their splits need not be that run's.

    Raises:
        DataError: nothing is known of what that run had read, and this is something else.
    """
    if not recorded:
        return
    found = content_hash(scratch / PREPARED) if recorded.endswith(".dir") else data_version(scratch)
    if found == recorded:
        return
    if made_from.data.md5 is None and not comes_with_a_package(made_from.settings["data"]):
        shutil.rmtree(scratch / PREPARED)
        raise _gone(made_from.data)
    logger.warning(
        "The prepared data of a run are no longer in DVC's cache, and came out otherwise now: its splits, and with "
        "them its figure here, need not be what they were."
    )


# Runs


def _furnish(bench: Bench, scratch: Path, made_from: Ingredients) -> None:
    """Give a scratch workspace its settings, its prepared data, and the workspace's own finished trainings."""
    write_whole(scratch / PARAMS, json.dumps(made_from.settings))
    prepared, trainings = prepared_data(bench, made_from), private_folder(bench.workspace) / TRAININGS
    trainings.mkdir(exist_ok=True)
    for link, target in ((scratch / PREPARED, prepared / PREPARED), (private_folder(scratch) / TRAININGS, trainings)):
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target.resolve(), target_is_directory=True)


def _run(bench: Bench, module: str, scratch: Path, made_from: Ingredients, refresh: Callable[[], None]) -> None:
    """Run `module` of the code that is asked for, and the user's own code of that time with it."""
    code = made_from.folder
    search: list[Path] = []
    if code != bench.workspace:
        entries = [Path(entry).absolute() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        own = [entry for entry in entries if entry.is_relative_to(bench.workspace)]
        search = [code, *(code / entry.relative_to(bench.workspace) for entry in own)]
    run_apart(module, scratch, code=code, refresh=refresh, search=search, wait_seconds=ORPHAN_SECONDS)
