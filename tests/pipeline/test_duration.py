"""What a run will take is foretold by timing a few steps, which leave no trace."""

from dataclasses import replace

import torch

from recipe.pipeline.duration import expected_seconds, seconds_by_stage, seconds_per_step
from recipe.training.components import Component
from recipe.training.experiment import Budget, Experiment
from recipe.training.fit import fit


def test_timing_a_step_changes_nothing_that_is_trained(digits_cnn: Experiment) -> None:
    before = fit(digits_cnn, digits_cnn.training).outputs
    assert 0 < seconds_per_step(digits_cnn) < 1
    assert torch.equal(fit(digits_cnn, digits_cnn.training).outputs, before)


def test_more_seeds_folds_and_fewer_workers_take_longer(digits_cnn: Experiment) -> None:
    def regularize(workers: int = 2, **budget: int) -> float:
        return seconds_by_stage(replace(digits_cnn, budget=Budget(**budget)), workers, step=0.002)["regularize"]

    assert regularize(seeds=20) > 2 * regularize(seeds=2)
    assert regularize(seeds=20, folds=5) > 2 * regularize(seeds=20)
    assert regularize(1, seeds=20) > 1.3 * regularize(2, seeds=20)


def test_a_step_that_raises_is_left_to_the_practices(digits_cnn: Experiment) -> None:
    closure = Component("optimizer", "torch.optim.LBFGS")  # wants one in each step
    assert expected_seconds(replace(digits_cnn, training=digits_cnn.training.having(optimizer=closure)), 2) == {}


def test_a_longer_extension_members_as_long_as_it_and_a_student_of_more_of_them_take_longer(
    digits_cnn: Experiment,
) -> None:
    def squeeze(factor: float = 4.0, members: int = 3, workers: int = 2, long: bool = False) -> float:
        extended = digits_cnn.stages.squeeze.extended.model_copy(update={"factor": factor})
        part = digits_cnn.stages.squeeze.model_copy(update={"extended": extended})
        stages = digits_cnn.stages.model_copy(update={"squeeze": part})
        asked = replace(digits_cnn, stages=stages, budget=Budget(members=members), long_members=long)
        return seconds_by_stage(asked, workers, step=0.02)["squeeze"]

    assert squeeze(long=True) > 1.3 * squeeze()
    assert squeeze(factor=8.0) > squeeze() > squeeze(factor=1.0)
    assert squeeze(members=3) > squeeze(members=1)
    assert squeeze(workers=1) > squeeze(workers=2) > squeeze(workers=16) > 0.9 * squeeze(workers=32)
