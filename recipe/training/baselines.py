"""The simple predictors that a net has to beat."""

import math

from torch import Tensor

from recipe.training.boosting import boosting_outputs, takes_rows
from recipe.training.components import Component
from recipe.training.evaluation import evaluate
from recipe.training.experiment import ADAM, Experiment, Training
from recipe.training.fit import fit_all
from recipe.training.split import Split

BOOSTING = "boosting"


def baseline_outputs(experiment: Experiment, split: Split) -> dict[str, Tensor]:
    """What each simple predictor says of `split`, (N, k), by its name; of rows of a table boosted trees too."""
    [plain] = fit_all(experiment, [linear_training(experiment)])
    constant = experiment.objective.prior_outputs(experiment.train.targets.cpu())
    return {
        "linear": evaluate(plain.model(experiment), experiment.objective, split).outputs,
        **({BOOSTING: boosting_outputs(experiment, split)} if takes_rows(experiment) else {}),
        "input-independent": constant.expand(len(split), -1),
    }


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
