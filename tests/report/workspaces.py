"""Workspaces as stages leave them: params.yaml, measured.json, real pictures and tables, and DVC's record of it all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sklearn.datasets import load_digits

from recipe import drawing
from recipe.evidence import Finding, to_json
from recipe.runtime.machine_record import MachineRecord, keep_record
from recipe.settings.composition import compose

REPOSITORY = Path(__file__).parents[2]


@cache
def default_params() -> str:
    """The default settings on digits, as `recipe run` writes them."""
    return yaml.safe_dump(compose(REPOSITORY, ["data=digits"]), sort_keys=False)


def new_workspace(folder: Path) -> Path:
    """An empty workspace with the default settings."""
    (folder / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    (folder / "params.yaml").write_text(default_params(), encoding="utf-8")
    return folder


def change(workspace: Path, key: str, value: Any) -> None:
    """Set one setting of params.yaml, named with dots."""
    path = workspace / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    *parents, last = key.split(".")
    part = params
    for name in parents:
        part = part[name]
    part[last] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def found(practice: str, summary: str = "Seen as it should be.", **values: Any) -> Finding:
    """What a practice measured, not yet judged."""
    return replace(Finding(summary=summary, **values), practice=practice, hypothesis=f"{practice} holds.")


def measure(workspace: Path, stage: str, *findings: Finding, seconds: float = 1.0) -> None:
    """Write what `stage` measured."""
    path = workspace / "reports" / stage / "measured.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"stage": stage, "findings": [to_json(finding) for finding in findings]}
    path.write_text(json.dumps(content), encoding="utf-8")
    keep_record(workspace, path, MachineRecord(seconds=seconds))


def with_gallery(workspace: Path, finding: Finding) -> Finding:
    """`finding` with a picture of real digits, saved where its stage saves it."""
    relative = f"{finding.practice.partition('/')[0]}/figures/{finding.practice.replace('/', '.')}.worst_mistakes.png"
    path = workspace / "reports" / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    images = load_digits().images[:8, None] / 16
    path.write_bytes(drawing.to_png(drawing.gallery(images, [f"digit {number}" for number in range(8)])))
    return replace(finding, figures={"worst_mistakes": relative})


def with_table(workspace: Path, finding: Finding, rows: Sequence[str]) -> Finding:
    """`finding` with a table of `rows`, the header first, saved where its stage saves it."""
    relative = f"{finding.practice.partition('/')[0]}/tables/{finding.practice.replace('/', '.')}.csv"
    path = workspace / "reports" / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return replace(finding, table=relative)


def record(workspace: Path, stages: Mapping[str, Mapping[str, Any]]) -> None:
    """Write dvc.lock as DVC does after running `stages`, each given by its `deps`, `params` and `outs`.

    `deps` and `outs` map paths to a hash; None stands for the hash of the file as it is.
    """
    lock = {
        name: {
            "cmd": f"python -m tasks.{name}",
            "deps": _recorded(workspace, stage.get("deps", {})),
            "params": {"params.yaml": dict(stage.get("params", {}))},
            "outs": _recorded(workspace, {f"reports/{name}": f"{name}.dir", **stage.get("outs", {})}),
        }
        for name, stage in stages.items()
    }
    (workspace / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}), encoding="utf-8")


def _recorded(workspace: Path, paths: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [
        {"path": path, "hash": "md5", "md5": md5 or hashlib.md5((workspace / path).read_bytes()).hexdigest()}
        for path, md5 in paths.items()
    ]
