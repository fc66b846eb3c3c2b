"""What stages leave behind to be published."""

import hashlib
import time
from pathlib import Path
from typing import Any

import pandas as pd

from recipe.evidence import Finding, to_json
from recipe.runtime.machine_record import MachineRecord, keep_record
from recipe.runtime.workspace import fingerprint, git_commit, write_json
from recipe.settings import load_settings
from recipe.settings.identity import identity


def write_manifest(workspace: Path, name: str) -> None:
    """The part of a manifest that is read when a model is registered."""
    contents = [hashlib.sha256(f"{name} {number}".encode()).hexdigest() for number in range(4)]
    manifest = pd.DataFrame({"content_id": contents, "split": ["train", "train", "validation", "test"]})
    manifest.to_parquet(workspace / "data" / "prepared" / "manifest.parquet", index=False)


def measure(
    workspace: Path,
    stage: str,
    *findings: Finding,
    trainings: list[dict[str, Any]] | None = None,
    **record: Any,
) -> None:
    """Leave the files that a stage writes; `record` is what the machine did, beside what it always tells."""
    reports = workspace / "reports" / stage
    write_json(reports / "measured.json", {"stage": stage, "findings": [to_json(finding) for finding in findings]})
    told = {
        "seconds": 2.5,
        "ended": time.time(),
        "settings": fingerprint(identity(load_settings(workspace))),
        "commit": git_commit(workspace),
        "gpus": ["NVIDIA H200"],
    }
    keep_record(workspace, reports / "measured.json", MachineRecord(**told | record))
    write_json(reports / "trainings.json", trainings or [])
    figures = {finding.practice.partition("/")[2]: finding.measured for finding in findings}
    write_json(workspace / "metrics" / f"{stage}.json", {name: value for name, value in figures.items() if value})


def training(seed: int, points: int = 3) -> dict[str, Any]:
    losses = [[step, 1 / (step + 1)] for step in range(points)]
    return {
        "name": f"augment seed={seed}",
        "key": f"key{seed}",
        "params": {"seed": seed, "lr": 0.001},
        "curves": {"train_loss": losses, "validation_loss": losses},
        "metrics": {"validation_loss": 0.25, "best_epoch": 3},
    }


def finding(practice: str, measured: float, *requirements: Any) -> Finding:
    return Finding(
        f"It measured {measured}.",
        measured,
        (measured - 0.01, measured + 0.01),
        practice=practice,
        requirements=tuple(requirements),
    )
