"""A table with dates, from the command line: what is offered, and what comes of it when it is typed."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.data import breast_cancer
from tests.workspaces import make_workspace, recipe

pytestmark = pytest.mark.slow


def test_a_split_by_time_is_offered_and_typed(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    rows = breast_cancer().filter(regex="^(mean|diagnosis)").sample(frac=1, random_state=0)
    rows = rows.assign(seen=pd.date_range("2021-03-01", periods=len(rows), freq="8h").strftime("%Y-%m-%d %H:%M"))
    rows.to_csv(workspace / "patients.csv", index=False)
    words = ("check", "ingest", "data", "data=table", "data.path=patients.csv", "data.label=diagnosis")

    by_chance = recipe(workspace, *words)
    assert "data.split.by=time trains on the earliest" in " ".join(by_chance.stdout.split())

    by_time = recipe(workspace, *words, "data.split.by=time")
    assert by_time.returncode == 0, by_time.stdout + by_time.stderr
    told = " ".join(by_time.stdout.split())
    assert "by seen, which is no input" in told and "data.split.by=time trains" not in told
    found = json.loads((workspace / "reports" / "check" / "findings.json").read_text())["findings"]
    verdicts = {finding["practice"]: finding["verdict"] for finding in found}
    assert verdicts["data/drift"] == verdicts["data/leakage"] == "pass"
