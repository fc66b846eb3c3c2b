"""One batch from production: read, compared, judged, written down, and added to what is known of earlier ones."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from recipe.dataset.splits import VALIDATION
from recipe.dataset.stored import Dataset, load_dataset
from recipe.errors import DataError
from recipe.evidence import Finding, Practice, Verdict, judge, worst
from recipe.monitoring.batch import Batch, opened
from recipe.monitoring.champion import answers, estimate_of, find_champion
from recipe.monitoring.findings import Seen, batch_drift, confidence, metric_on_labels, unfamiliar_inputs, unreadable
from recipe.monitoring.history import Entry, batches, read_entries, record
from recipe.pipeline.stage import saved
from recipe.report.findings import FINDINGS, TABLES, RunResult, StageResult, to_json
from recipe.report.page import Opening, write_page
from recipe.runtime.journal import now
from recipe.runtime.workspace import make_output_folder, write_json
from recipe.settings import Settings, load_settings

STAGE = "monitor"
CHECKS = (unreadable, batch_drift, unfamiliar_inputs, confidence, metric_on_labels)
TABLE_NAMES: Mapping[str, str] = {"monitor/drift": "data.drift.csv"}  # the same table as data/drift writes
HEADLINES: Mapping[Verdict, str] = {
    "pass": "Production is as training was.",
    "skip": "Production is as training was.",
    "warn": "Production is much as training was; something asks for a look.",
    "fail": "Production is no longer as training was.",
}


def monitor(workspace: Path, path: Path, out: Path) -> RunResult:
    """Compare the batch at `path` with the workspace's prepared data and champion; write what was found to `out`.

    The call is added to `.recipe/monitor.jsonl`. Nothing of the pipeline changes, and no lock is held.

    Raises:
        DataError: there are no prepared data, or the batch cannot be read as they describe it.
        SettingsError, ModelError: params.yaml or the champion cannot be read.
        WorkspaceError: `out` cannot be written.
    """
    started = time.perf_counter()
    make_output_folder(out)
    settings = load_settings(workspace)
    dataset = _prepared(workspace, settings)
    with opened(path, dataset) as batch:
        seen = _look(workspace, dataset, batch)
        found = [_timed(check, seen) for check in CHECKS]
    _clear(out)
    findings = tuple(saved(one, out, table_name=TABLE_NAMES.get(one.practice, "")) for one in found)
    stage = StageResult(STAGE, findings, round(time.perf_counter() - started, 3))
    entry = _entry(workspace, seen, found)
    run = {
        "data": entry.data,
        "model": entry.champion or "no model",
        "batch": entry.batch,
        "content": entry.content,
        "inputs": entry.rows,
        "updated": now(),
    }
    result = RunResult(run, (stage,))
    write_json(out / FINDINGS, to_json(result))
    write_page(out, result, opening=Opening(HEADLINES[result.verdict]))
    record(workspace, entry)
    return result


def _prepared(workspace: Path, settings: Settings) -> Dataset:
    try:
        return load_dataset(workspace, settings)
    except DataError as error:
        raise DataError(
            f"There are no prepared data in {workspace} to compare with: make them with `recipe run --until ingest`."
        ) from error


def _look(workspace: Path, dataset: Dataset, batch: Batch) -> Seen:
    """The batch beside the champion and what that says of it."""
    champion = find_champion(workspace, dataset.settings)
    validation, said, misfit = None, None, ""
    if champion is not None:
        try:
            if len(held_out := dataset.where(VALIDATION)):
                validation = answers(champion, dataset, held_out)
            said = answers(champion, batch.dataset, np.arange(len(batch)))
        except ValueError as error:
            misfit = f"The model cannot be asked about these inputs: {error}"
    known = batches(read_entries(workspace), dataset.settings.data.name)
    when = next((one.when for one in known if one.content == batch.content), now())
    return Seen(dataset, batch, champion, misfit, validation, said, when, known)


def _timed(check: Practice, seen: Seen) -> Finding:
    began = time.perf_counter()
    finding = judge(check(seen), {})
    return replace(finding, seconds=round(time.perf_counter() - began, 3))


def _clear(out: Path) -> None:
    """Take away what an earlier call left in `out`."""
    for pattern in (f"figures/{STAGE}.*.png", f"{TABLES}/{STAGE}.*.csv"):
        for path in out.glob(pattern):
            with suppress(OSError):  # what cannot be written is told when it is
                path.unlink()


def _entry(workspace: Path, seen: Seen, found: Sequence[Finding]) -> Entry:
    """The call in numbers; a path inside the workspace is kept relative to it."""
    by_name = {finding.practice: finding for finding in found}
    drifted = by_name["monitor/drift"].table
    labels = seen.batch.labels
    path = seen.batch.path.resolve()
    inside = path.is_relative_to(workspace.resolve())
    return Entry(
        when=now(),
        data=seen.dataset.settings.data.name,
        batch=(path.relative_to(workspace.resolve()) if inside else path).as_posix(),
        content=seen.batch.content,
        rows=len(seen.batch),
        unreadable=len(seen.batch.dataset.quarantine),
        champion=seen.champion.name if seen.champion else None,
        unfamiliar=by_name["monitor/unfamiliar"].measured,
        drifted=tuple(drifted.loc[drifted["flagged"], "column"]),
        confidence=estimate_of(by_name["monitor/confidence"]) if seen.is_class else None,
        figure=estimate_of(by_name["monitor/figure"]),
        labelled=0 if labels is None else int(labels.notna().sum()),
        verdict=worst(list(found)),
        metric=seen.metric.name,
    )
