"""What the page tells of a run beside its findings: who read the test set, what is in quarantine, where to look on."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe.errors import redacted
from recipe.report.published import published_runs
from recipe.runtime import journal

LEDGER = ".recipe/test_ledger.jsonl"
QUARANTINE = "tables/data.quarantine.csv"
DATA_DOCS = "data/data_docs/index.html"


@dataclass(frozen=True)
class LedgerEntry:
    """One reading of the test labels: when, by whom, of which data, and the metric it gave."""

    when: str
    reader: str
    data: str
    figure: str


@dataclass(frozen=True)
class Facts:
    """`quarantined` counts what was left out, where a list of it was written; `mlflow` holds each stage's page."""

    ledger: tuple[LedgerEntry, ...] = ()
    quarantined: int | None = None
    data_docs: str | None = None
    mlflow: Mapping[str, str] = field(default_factory=dict)


def facts_of(workspace: Path) -> Facts:
    """The facts that the workspace's files tell, links relative to its reports folder."""
    reports = workspace / "reports"
    return Facts(
        ledger=read_ledger(workspace / LEDGER),
        quarantined=_count_rows(reports / QUARANTINE),
        data_docs=DATA_DOCS if (reports / DATA_DOCS).is_file() else None,
        mlflow=_mlflow_pages(workspace),
    )


def read_ledger(path: Path) -> tuple[LedgerEntry, ...]:
    """The test-set ledger, oldest first."""
    return tuple(
        LedgerEntry(*(_text(entry.get(key)) for key in ("when", "reader", "data", "figure")))
        for entry in journal.entries(path)
    )


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
