"""baseline/loss_at_init: a start that is wild on some seeds only is caught, and no healthy start is."""

from dataclasses import replace

import pytest
import torch

from recipe.models import Cnn, Linear, Mlp, ResNet
from recipe.practices.baseline.loss_at_init import Start, loss_at_init
from tests.faults.models import StartsWildly
from tests.practices.baseline.conftest import Make

LN_10 = 2.302585


@pytest.mark.fault("baseline/loss_at_init", "fail: weights that start too large, on all seeds or on some")
def test_a_start_that_is_wild_on_some_seeds_is_caught_though_its_interval_is_wide(on_digits: Make) -> None:
    finding = on_digits(StartsWildly).examine(loss_at_init)
    low, high = finding.interval
    assert low < finding.expected < high
    assert finding.verdict == "fail"


def test_each_seed_is_held_to_what_is_expected_and_not_their_mean_alone() -> None:
    wild = Start(torch.tensor([2.4, 2.5, 3.0, 40.0, 90.0]), even=LN_10, prior=LN_10, noisy=LN_10 + 0.5, floor=0.0)
    assert wild.deviation == 0
    assert wild.noise == pytest.approx((90 - LN_10) / 0.5)


def test_no_healthy_start_deviates_whatever_the_seeds(
    on_digits: Make, on_breast_cancer: Make, on_diabetes: Make
) -> None:
    healthy = [on_digits(model) for model in (Linear, Mlp, Cnn, ResNet)]
    healthy += [make(model) for make in (on_breast_cancer, on_diabetes) for model in (Linear, Mlp)]
    for experiment in healthy:
        finding = experiment.examine(loss_at_init)
        assert finding.verdict == "pass", finding.summary


def test_equal_targets_leave_no_first_loss_to_expect(on_diabetes: Make) -> None:
    experiment = on_diabetes(Mlp)
    equal = replace(experiment.train, targets=torch.zeros_like(experiment.train.targets))
    finding = experiment.variant("equal", train=equal).examine(loss_at_init)
    assert finding.verdict == "skip"
    assert "All targets are equal" in finding.summary
