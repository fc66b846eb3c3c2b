"""Every stage that trains, in this process, on a device that the command line names.

    python -m tests.on_a_device DEVICE [OVERRIDE ...]

prints what every practice found and what the exported model answers, as JSON. For an accelerator it is a process of its
own, because torch keeps one that it has come to know.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from recipe.dataset.stored import load_dataset
from recipe.evidence import Finding, judge, to_json
from recipe.inference.predict import load_folder
from recipe.pipeline.loading import load_experiment
from recipe.pipeline.stage import Stage
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.training.fit import MEMORY
from tests import fakegpu

STAGES = ("ingest", "baseline", "overfit", "regularize", "tune", "squeeze")
TINY = (
    *("budget=test", "budget.steps=20", "budget.most_steps=40", "fanout.backend=sequential"),
    *("stages.baseline.input_independent.steps=60", "stages.baseline.linear.steps=60"),
    *("stages.baseline.overfit_one_batch.steps=150", "stages.baseline.boosting.steps=60"),
    *("stages.overfit.adam.steps=20", "stages.overfit.constant_rate.steps=20"),
    "stages.overfit.low_training_loss.cap=2",
    *("stages.regularize.augment.strengths=[1.0]", "stages.tune.architecture.rates=[1.0]"),
    *("stages.tune.random_over_grid.side=2", "stages.tune.optimizer={adam: [0.001], sgd: [0.1]}"),
    *("stages.tune.schedule.peaks=[1.0]", "stages.regularize.more_data.rounds=100"),
)
ANSWERED = 20  # inputs


def run_recipe(workspace: Path, overrides: list[str]) -> dict[str, Any]:
    """What the practices of every stage found, the device of the nets, and the answers of the exported model."""
    compose_params(workspace, [*TINY, *overrides])
    found = [finding for name in STAGES for finding in _findings(workspace, name)]
    settings = load_settings(workspace)
    net = load_experiment(Stage("baseline", workspace, settings)).new_model()
    inputs = np.asarray(load_dataset(workspace, settings).inputs[:ANSWERED])
    answers = load_folder(workspace / "models" / "final").predict_prepared(inputs)
    return {
        "findings": {finding.practice: to_json(finding) for finding in found},
        "device": next(net.parameters()).device.type,
        "answers": answers.select_dtypes("number").to_numpy().tolist(),
    }


def _findings(workspace: Path, name: str) -> list[Finding]:
    settings = load_settings(workspace)
    MEMORY.clear()  # each stage has a process of its own where a person runs it
    stage = Stage(name, workspace, settings)
    importlib.import_module(f"tasks.{name}").work(stage)
    stage.write()
    return [judge(finding, settings.thresholds.of(name)) for finding in stage.findings]


if __name__ == "__main__":
    if sys.argv[1] == fakegpu.NAME:
        fakegpu.register()
    sys.stdout.write(json.dumps(run_recipe(Path.cwd(), sys.argv[2:])))
