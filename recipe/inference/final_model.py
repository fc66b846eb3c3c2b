"""The final model: the ensemble trained from what tune chose, exported, and its student; no test label is read.

    python -m recipe.inference.final_model --workspace FOLDER

makes the ensemble alone in a scratch workspace that tune has gone through; the stage squeeze makes both in its own.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from recipe.error_budget.length import as_long_as_it_pays
from recipe.inference.export import export_model
from recipe.pipeline.loading import load_experiment, raw_examples
from recipe.pipeline.stage import Stage
from recipe.runtime import progress
from recipe.runtime.stage_process import DONE, is_told, run_process
from recipe.runtime.workspace import private_folder
from recipe.settings import load_settings
from recipe.training.distillation import train_student
from recipe.training.ensemble import ensemble_temperature, train_members
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained


def export_final(stage: Stage, experiment: Experiment) -> None:
    """Train the members, where they are not yet, and export them with their preparation to models/final."""
    _export(stage, experiment, "final", train_members(experiment))


def export_student(stage: Stage, experiment: Experiment) -> None:
    """Train the student of the members, where it is not yet, and export it to models/student.

    Where there is one member, that is what is there: the one net that is as good as the ensemble.
    """
    _export(stage, experiment, "student", [train_student(experiment, train_members(experiment))])


def _export(stage: Stage, experiment: Experiment, name: str, nets: Sequence[Trained]) -> None:
    raw = raw_examples(stage)
    export_model(
        stage.workspace / "models" / name,
        [net.model(experiment).cpu() for net in nets],
        transform=raw.transform,
        preparation=raw.preparation,
        temperature=ensemble_temperature(experiment, nets),
        example=raw.inputs,
    )


def main() -> int:
    """Make the model of the workspace that the command line names; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m recipe.inference.final_model", description="The final model alone."
    )
    parser.add_argument("--workspace", type=Path, help="where params.yaml is and outputs go")

    def make(workspace: Path) -> int:
        stage = Stage("squeeze", workspace, load_settings(workspace))
        with progress.displayed(stage.name, private_folder(workspace) / progress.PLACE if is_told() else None):
            export_final(stage, as_long_as_it_pays(load_experiment(stage, build_on="tune").checked()))
        return DONE

    return run_process("The final model", make, parser.parse_args().workspace)


if __name__ == "__main__":
    sys.exit(main())
