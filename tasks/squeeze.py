"""Stage 6: squeeze out the rest, read the test set once, and export the model that is registered."""

from recipe.inference.final_model import export_final
from recipe.pipeline.loading import load_experiment, with_test
from recipe.pipeline.stage import Stage, main
from recipe.practices.squeeze.calibration import calibration
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.final_test import final_test

PRACTICES = (ensemble, calibration, final_test)


def work(stage: Stage) -> None:
    """Train the ensemble from what tune chose, test it once, and export it."""
    experiment = load_experiment(stage, build_on="tune").checked()
    stage.run(PRACTICES, with_test(experiment, stage))
    if not stage.only:
        export_final(stage, experiment)


if __name__ == "__main__":
    main("squeeze", work)
