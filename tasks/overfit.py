"""Stage 3: a model large enough to memorise the training set, trained by the plainest means until it does."""

from recipe.pipeline.loading import checked_experiment
from recipe.pipeline.stage import Stage, main
from recipe.practices.overfit.adam import adam
from recipe.practices.overfit.constant_rate import constant_rate
from recipe.practices.overfit.low_training_loss import low_training_loss, memorised
from recipe.practices.overfit.simple_architecture import simple_architecture
from recipe.runtime.workspace import write_json
from recipe.training.cross_validation import in_part
from recipe.training.handover import memorised_to_json

PRACTICES = (simple_architecture, adam, constant_rate, low_training_loss)


def work(stage: Stage) -> None:
    """Get the training loss low, and write down what the next stage starts from."""
    experiment = in_part(checked_experiment(stage))
    stage.run(PRACTICES, experiment)
    if not stage.only:
        write_json(stage.workspace / "chosen" / "overfit.json", memorised_to_json(memorised(experiment)))


if __name__ == "__main__":
    main("overfit", work)
