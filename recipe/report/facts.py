"""What the page tells of a run beside its findings: who read the test set, what is in quarantine, where to look on."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe.dataset.test_ledger import LEDGER, readings, times_read
from recipe.errors import redacted
from recipe.report.published import published_runs
from recipe.runtime import journal

QUARANTINE = "tables/data.quarantine.csv"
DATA_DOCS = "data/data_docs/index.html"
DATA_PAGE = "data.html"


@dataclass(frozen=True)
class LedgerEntry:
    """One reading of test labels: when, by whom, of which data set, of how many examples, and the metric it gave."""

    when: str
    reader: str
    data: str
    examples: str
    figure: str


@dataclass(frozen=True)
class Facts:
    """What a page tells beside the findings.

    `read` says in words how often the test labels of the run's data set were read, and `tested` counts their examples.
    `quarantined` counts what was left out, where a list of it was written; `mlflow` holds each stage's page.
    """

    ledger: tuple[LedgerEntry, ...] = ()
    read: str = ""
    tested: int | None = None
    quarantined: int | None = None
    data_docs: str | None = None
    data_page: str | None = None
    mlflow: Mapping[str, str] = field(default_factory=dict)


def facts_of(workspace: Path, data: str) -> Facts:
    """The facts that the workspace's files tell of a run on `data`, links relative to its reports folder."""
    reports = workspace / "reports"
    ledger, own = read_ledger(workspace / LEDGER), readings(workspace, data)
    return Facts(
        ledger=ledger,
        read=_times_in_words(data, times_read(own), len(own), len(ledger) - len(own)),
        tested=own[-1].examples if own else None,
        quarantined=_count_rows(reports / QUARANTINE),
        data_docs=DATA_DOCS if (reports / DATA_DOCS).is_file() else None,
        data_page=DATA_PAGE if (reports / DATA_PAGE).is_file() else None,
        mlflow=_mlflow_pages(workspace),
    )


def read_ledger(path: Path) -> tuple[LedgerEntry, ...]:
    """The test-set ledger, oldest first."""
    return tuple(
        LedgerEntry(
            when=_text(entry.get("when")),
            reader=_text(entry.get("reader")),
            data=_text(entry.get("name") or entry.get("data")),
            examples=_text(entry.get("examples")),
            figure=_text(entry.get("figure")),
        )
        for entry in journal.entries(path)
    )


def _times_in_words(data: str, times: int, own: int, others: int) -> str:
    """How often the labels of `data` told something new, in `own` readings, beside those of `others`."""
    counted = {0: "have not been read", 1: "have been read once"}.get(times, f"have been read {times} times")
    told = [f"The test labels of {data} {counted}."]
    if times > 1:
        told.append("Each reading after the first makes the figure a little less of a test.")
    if own > times:
        told.append("A reading again of the same model's answers tells nothing new, and is not counted.")
    if others:
        told.append(f"{others} {'reading is' if others == 1 else 'readings are'} of other data sets.")
    return " ".join(told)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _count_rows(path: Path) -> int | None:
    """Records of a CSV under its header; a cell may hold line breaks."""
    if not path.is_file():
        return None
    with open(path, encoding="utf-8", newline="") as handle:
        return max(0, sum(1 for _ in csv.reader(handle)) - 1)


def _mlflow_pages(workspace: Path) -> dict[str, str]:
    """The page of each stage's run on a tracking server; a database has none until `mlflow ui` serves it."""
    return {
        stage: f"{redacted(record['uri']).rstrip('/')}/#/experiments/{record['experiment_id']}/runs/{record['run_id']}"
        for stage, record in published_runs(workspace).items()
        if record["uri"].startswith(("http://", "https://"))
    }
