"""The simple predictors that a net has to beat."""

import math

from recipe.training.components import Component
from recipe.training.experiment import ADAM, Experiment, Training


def linear_training(experiment: Experiment) -> Training:
    """A linear model on the same inputs, by the same loop, with Adam at a rate of its own."""
    settings = experiment.stages.baseline.linear
    steps_per_epoch = math.ceil(len(experiment.train) / experiment.training.batch_size)
    return experiment.training.having(
        model=Component("model", "recipe.models.Linear"),
        optimizer=ADAM.having(lr=settings.lr),
        epochs=math.ceil(settings.steps / steps_per_epoch),
        augment=None,
        disturb=None,
        mix=None,
        scheduler=None,
        keep_best=False,
    )
