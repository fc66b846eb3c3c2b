"""Stage 4: give up some training loss for validation loss, one change at a time, then all that hold."""

from dataclasses import replace

from recipe.pipeline.loading import checked_experiment, in_folds, in_replicates
from recipe.pipeline.stage import Stage, main
from recipe.practices.regularize.activations import activations
from recipe.practices.regularize.augment import augment
from recipe.practices.regularize.batch_size import batch_size
from recipe.practices.regularize.combination import changes, chosen, combination
from recipe.practices.regularize.creative_augment import creative_augment
from recipe.practices.regularize.dropout import dropout
from recipe.practices.regularize.early_stopping import early_stopping, past_the_turn
from recipe.practices.regularize.first_layer import first_layer
from recipe.practices.regularize.input_size import input_size
from recipe.practices.regularize.larger_early_stopped import larger_early_stopped
from recipe.practices.regularize.more_data import more_data
from recipe.practices.regularize.pretrained import pretrained
from recipe.practices.regularize.smaller_model import smaller_model
from recipe.practices.regularize.weight_decay import weight_decay
from recipe.runtime.workspace import write_json
from recipe.training.cross_validation import in_part
from recipe.training.experiment import training_to_json

PRACTICES = (
    more_data,
    augment,
    creative_augment,
    pretrained,
    input_size,
    smaller_model,
    batch_size,
    dropout,
    weight_decay,
    early_stopping,
    larger_early_stopped,
    first_layer,
    activations,
    combination,
)


def work(stage: Stage) -> None:
    """Compare each change with the control that overfits, and write down what the next stage builds on."""
    experiment = in_replicates(in_folds(in_part(checked_experiment(stage, build_on="overfit"))))
    if (stage.workspace / "chosen" / "overfit.json").is_file():  # else a practice is tried alone, and briefly
        experiment = past_the_turn(experiment)
    if not stage.only:
        experiment = replace(experiment, tried=tuple(changes(experiment)))
    stage.run(PRACTICES, experiment)
    if not stage.only:
        write_json(stage.workspace / "chosen" / "regularize.json", training_to_json(chosen(experiment)))


if __name__ == "__main__":
    main("regularize", work)
