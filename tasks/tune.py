"""Stage 5: search the hyperparameters, and confirm with new seeds what the search prefers."""

from dataclasses import replace
from functools import partial

from recipe.pipeline.loading import checked_experiment, in_folds, tell_how_long
from recipe.pipeline.stage import Stage, main
from recipe.practices.tune.architecture import architecture, from_the_better, runners_up
from recipe.practices.tune.bayesian import bayesian
from recipe.practices.tune.confirm import chosen, confirm
from recipe.practices.tune.importance import importance
from recipe.practices.tune.optimizer import optimizer
from recipe.practices.tune.random_over_grid import random_over_grid
from recipe.practices.tune.schedule import schedule
from recipe.runtime.workspace import SEARCH, write_json
from recipe.training.cross_validation import in_part
from recipe.training.experiment import Experiment, training_to_json
from recipe.tuning.pilot import losses_of_the_search

PRACTICES = (architecture, random_over_grid, bayesian, optimizer, schedule, importance, confirm)


def work(stage: Stage) -> None:
    """Search from what regularize chose, or from the architecture that leads, and write down what squeeze takes."""
    whole = checked_experiment(stage, build_on="regularize")
    experiment = in_folds(in_part(whole))
    experiment = replace(
        experiment, budget=replace(experiment.budget, controls=1)
    )  # few are compared with each control
    searched = stage.run(PRACTICES, experiment, onwards={architecture.id: partial(with_the_better, stage, whole)})
    if not stage.only:
        training = chosen(searched)
        others = [] if architecture.id in stage.raised else runners_up(experiment, training)
        left = {"losses": losses_of_the_search(searched), "others": [training_to_json(one) for one in others]}
        write_json(stage.workspace / "chosen" / SEARCH, left)  # first: who finds the other takes the stage for done
        write_json(stage.workspace / "chosen" / "tune.json", training_to_json(training))


def with_the_better(stage: Stage, whole: Experiment, experiment: Experiment) -> Experiment:
    """The experiment around the architecture that leads, and a run told anew how long it takes where that is another.

    Args:
        whole: the same before it was cut to what comparisons are made on.
    """
    found = from_the_better(experiment)
    if found.training != experiment.training:
        tell_how_long(stage, replace(whole, training=found.training))
    return found


if __name__ == "__main__":
    main("tune", work)
