"""Stage 6: squeeze out the rest, read the test set once, and export the model that is registered, and its student."""

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd

from recipe.error_budget.length import as_long_as_it_pays
from recipe.error_budget.nets import nets_due
from recipe.inference.final_model import export_final, export_student
from recipe.pipeline.loading import checked_experiment, tell_how_long, with_test
from recipe.pipeline.stage import Stage, main
from recipe.practices.squeeze.calibration import calibration
from recipe.practices.squeeze.distill import distill
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.error_budget import error_budget
from recipe.practices.squeeze.extended import extended
from recipe.practices.squeeze.final_test import final_test
from recipe.runtime.workspace import write_json
from recipe.training.distillation import student_due
from recipe.training.ensemble import train_members
from recipe.training.experiment import Experiment
from recipe.training.fit import asked_by, fit_together

# `extended` first: the long training runs beside the member that it is compared with.
PRACTICES = (extended, ensemble, distill, calibration, final_test, error_budget)


def work(stage: Stage) -> None:
    """Train the ensemble from what tune chose, test it once, and export it."""
    experiment = with_test(checked_experiment(stage, build_on="tune"), stage)
    if stage.only and extended.id not in stage.only:
        experiment = as_long_as_it_pays(experiment)
    onwards: dict[str, Callable[[Experiment], Experiment]] = {extended.id: partial(with_length, stage)}
    if not stage.only:
        onwards[ensemble.id] = with_the_rest_trained
    experiment = stage.run(PRACTICES, experiment, onwards)
    write_json(stage.workspace / "metrics" / "final.json", test_metrics(stage))
    if not stage.only:
        export_final(stage, experiment)
        export_student(stage, experiment)


def with_length(stage: Stage, experiment: Experiment) -> Experiment:
    """The same with the length of its members, and a run told anew how long it will take where that is another."""
    found = as_long_as_it_pays(experiment)
    if found.long_members:
        tell_how_long(stage, found)
    return found


def with_the_rest_trained(experiment: Experiment) -> Experiment:
    """The same, once all is trained that the practices after the ensemble ask for.

    The student is one training: what the error budget asks for is trained beside it, and no worker waits.
    """
    members = train_members(experiment)
    student = [student_due(experiment, members)] if len(members) > 1 else []
    nets = nets_due(experiment) if experiment.test else []
    fit_together([*asked_by(distill.id, student), *asked_by(error_budget.id, nets)])
    return experiment


def test_metrics(stage: Stage) -> Mapping[str, float]:
    """The metrics that runs are compared by, each with its interval; nothing where there is no test split."""
    test = next((finding for finding in stage.findings if finding.practice == final_test.id), None)
    if test is None or test.table is None:
        return {}
    table = pd.read_csv(stage.reports.parent / test.table)
    ours = table[table["predictor"] == table["predictor"].iloc[0]]
    return {
        f"{row['metric']}{end}": float(row[column])
        for _, row in ours.iterrows()
        for column, end in (("figure", ""), ("low", "_low"), ("high", "_high"))
    }


if __name__ == "__main__":
    main("squeeze", work)
