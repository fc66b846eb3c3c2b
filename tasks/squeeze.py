"""Stage 6: squeeze out the rest, read the test set once, and export the model that is registered."""

from recipe.ensemble import ensemble_temperature, train_members
from recipe.experiment import Experiment
from recipe.export import export_model
from recipe.loading import load_experiment, raw_examples, with_test
from recipe.practices.squeeze.calibration import calibration
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.final_test import final_test
from recipe.stage import Stage, main

PRACTICES = (ensemble, calibration, final_test)


def work(stage: Stage) -> None:
    """Train the ensemble from what tune chose, test it once, and export it."""
    experiment = load_experiment(stage, build_on="tune").checked()
    stage.run(PRACTICES, with_test(experiment, stage))
    if not stage.only:
        _export(stage, experiment)


def _export(stage: Stage, experiment: Experiment) -> None:
    members = train_members(experiment)
    raw = raw_examples(stage)
    export_model(
        stage.workspace / "models" / "final",
        [member.model(experiment).cpu() for member in members],
        transform=raw.transform,
        preparation=raw.preparation,
        temperature=ensemble_temperature(experiment, members),
        example=raw.inputs,
    )


if __name__ == "__main__":
    main("squeeze", work)
