"""Stage 5: search the hyperparameters, and confirm with new seeds what the search prefers."""

from dataclasses import replace

from recipe.pipeline.loading import checked_experiment, in_folds
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
from recipe.training.experiment import training_to_json
from recipe.tuning.pilot import losses_of_the_search

PRACTICES = (architecture, random_over_grid, bayesian, optimizer, schedule, importance, confirm)


def work(stage: Stage) -> None:
    """Search from what regularize chose, or from the architecture that leads, and write down what squeeze takes."""
    experiment = in_folds(in_part(checked_experiment(stage, build_on="regularize")))
    experiment = replace(
        experiment, budget=replace(experiment.budget, controls=1)
    )  # few are compared with each control
    searched = stage.run(PRACTICES, experiment, onwards={architecture.id: from_the_better})
    if not stage.only:
        training = chosen(searched)
        others = [] if architecture.id in stage.raised else runners_up(experiment, training)
        left = {"losses": losses_of_the_search(searched), "others": [training_to_json(one) for one in others]}
        write_json(stage.workspace / "chosen" / SEARCH, left)  # first: who finds the other takes the stage for done
        write_json(stage.workspace / "chosen" / "tune.json", training_to_json(training))


if __name__ == "__main__":
    main("tune", work)
