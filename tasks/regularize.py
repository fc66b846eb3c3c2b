"""Stage 4: give up some training loss for validation loss, one change at a time, then all that hold."""

from recipe.pipeline.loading import checked_experiment, in_folds
from recipe.pipeline.stage import Stage, main
from recipe.practices.regularize.augment import augment
from recipe.practices.regularize.combination import chosen, combination, trainings
from recipe.practices.regularize.creative_augment import creative_augment
from recipe.practices.regularize.dropout import dropout
from recipe.practices.regularize.early_stopping import early_stopping
from recipe.practices.regularize.first_layer import first_layer
from recipe.practices.regularize.more_data import more_data
from recipe.practices.regularize.smaller_model import smaller_model
from recipe.practices.regularize.weight_decay import weight_decay
from recipe.runtime.workspace import write_json
from recipe.training.experiment import training_to_json
from recipe.training.fit import fit_all

PRACTICES = (
    more_data,
    augment,
    creative_augment,
    smaller_model,
    dropout,
    weight_decay,
    early_stopping,
    first_layer,
    combination,
)


def work(stage: Stage) -> None:
    """Compare each change with the control, and write down what the next stage builds on."""
    experiment = in_folds(checked_experiment(stage))
    if not stage.only:
        fit_all(experiment, trainings(experiment))  # all at once, so that no core waits for another practice
    stage.run(PRACTICES, experiment)
    if not stage.only:
        write_json(stage.workspace / "chosen" / "regularize.json", training_to_json(chosen(experiment)))


if __name__ == "__main__":
    main("regularize", work)
