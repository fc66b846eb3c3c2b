"""Every practice on an accelerator and in another precision, without either being at hand."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import fakegpu
from tests.deliveries.conftest import write_images
from tests.on_a_device import run_recipe
from tests.workspaces import ROOT, make_workspace, run

UNTRAINED = {"overfit/low_training_loss", "overfit/adam"}  # a few steps memorise nothing, and favour high rates

OWN_PARTS = '''
"""A loss, a transform and an augmentation that hold tensors."""
import torch
from torch import nn


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.linspace(0.95, 1.05, 10))

    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, self.weights / self.weights[targets].mean())


class Centred:
    def __init__(self, mean):
        self.mean = torch.tensor(mean)

    def __call__(self, batch):
        return (batch - self.mean) * 3


class Brighter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("most", torch.tensor([0.1]))

    def forward(self, batch):
        return batch + self.most * torch.rand_like(batch[:, :1, :1, :1])
'''


def on_an_accelerator(workspace: Path, *overrides: str) -> dict[str, Any]:
    """What tests/on_a_device.py prints of a run in `workspace`."""
    command = (sys.executable, "-m", "tests.on_a_device", fakegpu.NAME, *overrides)
    done = run(workspace, *command, PYTHONPATH=f"{ROOT}:{workspace}")
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def unmeasured(found: dict[str, Any]) -> list[str]:
    """The practices that raised, or that fail though nothing is wrong."""
    findings = found["findings"].values()
    return [
        f"{one['practice']}: {one['summary']}"
        for one in findings
        if "could not be measured" in one["summary"] or (one["verdict"] == "fail" and one["practice"] not in UNTRAINED)
    ]


def measured(found: dict[str, Any]) -> dict[str, float]:
    return {name: one["measured"] for name, one in found["findings"].items() if one["measured"] is not None}


@pytest.mark.slow
def test_every_practice_runs_on_an_accelerator_with_parts_that_hold_tensors_and_inputs_on_disk(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    (workspace / "own_parts.py").write_text(OWN_PARTS, encoding="utf-8")
    parts = [f"{role}._target_=own_parts.{name}" for role, name in (("loss", "Weighted"), ("augment", "Brighter"))]
    parts.append("data.transform._target_=own_parts.Centred")
    images = write_images(workspace / "images", range(1000))  # of (1, 20, 20) in float32: 1.5 MB
    data = ("data=image_folder", f"data.path={images}", "data.image.size=[20,20]", "data.memory_limit_mb=1")
    few = "budget.examples=350"  # of 700: comparisons are made on half of them
    found = on_an_accelerator(workspace, *data, few, "model=mlp", "precision=32-true", *parts)
    assert found["device"] == "fakegpu"
    assert unmeasured(found) == []
    assert found["findings"]["baseline/special_case"]["verdict"] != "fail"
    assert found["findings"]["squeeze/final_test"]["measured"] > 0.8
    assert all(abs(sum(row) - 1) < 1e-4 for row in found["answers"])


@pytest.mark.slow
def test_a_regression_on_an_accelerator_has_the_figures_of_the_cpu(tmp_path: Path) -> None:
    """The pretended device computes as the CPU does, so whatever differs was computed of something else.

    The transform gives the table other columns than its own, with which every practice has to live as well.
    """
    words = ["data=diabetes", "data.transform._target_=tests.faults.transforms.with_squares"]
    there = on_an_accelerator(make_workspace(tmp_path / "there"), *words)
    here = run_recipe(make_workspace(tmp_path / "here"), words)
    assert (there["device"], here["device"]) == ("fakegpu", "cpu")
    assert unmeasured(there) == unmeasured(here) == []
    assert measured(there) == pytest.approx(measured(here), rel=1e-3, abs=1e-5)
    assert np.allclose(there["answers"], here["answers"], rtol=1e-3)
    table = tmp_path / "here" / "reports" / here["findings"]["baseline/just_before_net"]["table"]
    assert pd.read_csv(table)["name"].tolist() == [f"input {i}" for i in range(20)]


@pytest.mark.slow
def test_every_practice_runs_in_mixed_precision(tmp_path: Path) -> None:
    found = run_recipe(make_workspace(tmp_path / "workspace"), ["data=breast_cancer", "precision=bf16-mixed"])
    assert unmeasured(found) == []
    assert found["findings"]["baseline/whole_test_set"]["verdict"] == "pass"
