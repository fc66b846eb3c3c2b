"""Stage 2: the whole skeleton with dumb baselines, every step verified before anything is built on it."""

from recipe.annotation.annotated import Annotated, annotated
from recipe.pipeline.loading import checked_experiment
from recipe.pipeline.stage import Stage, main
from recipe.practices.baseline.boosting import boosting
from recipe.practices.baseline.dependencies import dependencies
from recipe.practices.baseline.fixed_seed import fixed_seed
from recipe.practices.baseline.gradients import gradients
from recipe.practices.baseline.human import human
from recipe.practices.baseline.init_bias import init_bias
from recipe.practices.baseline.input_independent import input_independent
from recipe.practices.baseline.just_before_net import just_before_net
from recipe.practices.baseline.linear import linear
from recipe.practices.baseline.loss_at_init import loss_at_init
from recipe.practices.baseline.overfit_one_batch import overfit_one_batch
from recipe.practices.baseline.predictions import predictions
from recipe.practices.baseline.simplify import simplify
from recipe.practices.baseline.special_case import special_case
from recipe.practices.baseline.whole_test_set import whole_test_set
from recipe.training.experiment import Experiment

PRACTICES = (
    fixed_seed,
    simplify,
    whole_test_set,
    just_before_net,
    loss_at_init,
    init_bias,
    human,
    input_independent,
    linear,
    boosting,
    overfit_one_batch,
    predictions,
    dependencies,
    special_case,
    gradients,
)


def work(stage: Stage) -> None:
    """Verify the skeleton."""

    def by_hand(experiment: Experiment) -> Annotated:
        return annotated(stage.workspace, stage.settings, stage.home)

    stage.run(PRACTICES, checked_experiment(stage), subjects={human.id: by_hand})


if __name__ == "__main__":
    main("baseline", work)
