"""Stage 6: squeeze out the rest, read the test set once, and export the model that is registered, and its student."""

from collections.abc import Mapping

import pandas as pd

from recipe.error_budget.length import as_long_as_it_pays
from recipe.inference.final_model import export_final, export_student
from recipe.pipeline.loading import checked_experiment, with_test
from recipe.pipeline.stage import Stage, main
from recipe.practices.squeeze.calibration import calibration
from recipe.practices.squeeze.distill import distill
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.error_budget import error_budget
from recipe.practices.squeeze.extended import extended
from recipe.practices.squeeze.final_test import final_test
from recipe.runtime.workspace import write_json

# `extended` first: the long training runs beside the member that it is compared with.
PRACTICES = (extended, ensemble, distill, calibration, final_test, error_budget)


def work(stage: Stage) -> None:
    """Train the ensemble from what tune chose, test it once, and export it."""
    experiment = with_test(checked_experiment(stage, build_on="tune"), stage)
    if stage.only and extended.id not in stage.only:
        experiment = as_long_as_it_pays(experiment)
    experiment = stage.run(PRACTICES, experiment, onwards={extended.id: as_long_as_it_pays})
    write_json(stage.workspace / "metrics" / "final.json", test_metrics(stage))
    if not stage.only:
        export_final(stage, experiment)
        export_student(stage, experiment)


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
