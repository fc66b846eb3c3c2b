"""What a run will take is foretold by timing a few steps, which leave no trace."""

from dataclasses import replace

import torch

from recipe.training.components import Component
from recipe.training.duration import expected_seconds, seconds_by_stage, seconds_per_step
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
