"""Examples that come in groups or copies count as the few that they are, and where there are none nothing changes."""

import math

import pytest
import torch
from torch import Tensor

from recipe.statistics.clusters import (
    bootstrap_r2_of_clusters,
    by_cluster,
    effective_count,
    mean_interval,
    share_interval,
)
from recipe.statistics.intervals import wilson
from recipe.training.comparison import gain
from recipe.training.evaluation import bootstrap_r2, evaluate_outputs
from recipe.training.objective import Objective, default_loss
from recipe.training.split import Split

ROUNDS = 400
GROUPS = torch.arange(100).repeat_interleave(10)


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def grouped(generator: torch.Generator, sizes: Tensor, between: float) -> tuple[Tensor, Tensor]:
    """Values with a true mean of zero that share what their group has, and the group of each."""
    groups = torch.arange(len(sizes)).repeat_interleave(sizes)
    shared = between * torch.randn(len(sizes), generator=generator, dtype=torch.double)
    return shared[groups] + torch.randn(len(groups), generator=generator, dtype=torch.double), groups


def test_a_hundred_groups_of_ten_copies_are_as_sure_as_a_hundred_examples() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(100, generator=generator, dtype=torch.double)
    copied = values.repeat_interleave(10)
    assert mean_interval(copied, GROUPS) == pytest.approx(mean_interval(values))
    assert width(mean_interval(copied, GROUPS)) == pytest.approx(math.sqrt(10) * width(mean_interval(copied)), rel=0.02)
    right = (values > -1).repeat_interleave(10)
    assert effective_count(right, GROUPS) == pytest.approx(100, rel=0.05)
    assert width(share_interval(right, GROUPS)) == pytest.approx(math.sqrt(10) * width(share_interval(right)), rel=0.05)


def test_r2_of_copies_has_the_interval_of_what_was_copied() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(100, 2, generator=generator)
    outputs = targets + 0.5 * torch.randn(100, 2, generator=generator)
    both = outputs.repeat_interleave(10, 0), targets.repeat_interleave(10, 0)
    clustered = bootstrap_r2_of_clusters(*both, GROUPS, rounds=1000)
    assert clustered == pytest.approx(bootstrap_r2(outputs, targets), abs=0.02)
    assert width(clustered) > 2.5 * width(bootstrap_r2(*both))


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says_whatever_groups_share(between: float) -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, 20, (60,), generator=generator)
    intervals = [mean_interval(*grouped(generator, sizes, between)) for _ in range(ROUNDS)]
    assert 0.92 <= sum(low <= 0 <= high for low, high in intervals) / ROUNDS <= 0.98


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_the_interval_of_an_accuracy_holds_the_truth_as_often_as_it_says_whatever_groups_share(between: float) -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, 20, (60,), generator=generator)
    samples = [grouped(generator, sizes, between) for _ in range(ROUNDS)]
    intervals = [share_interval(values > -math.hypot(1, between), groups) for values, groups in samples]
    truth = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
    assert 0.92 <= sum(low <= truth <= high for low, high in intervals) / ROUNDS <= 0.99


def test_a_gain_over_copies_is_as_sure_as_over_what_was_copied() -> None:
    generator = torch.Generator().manual_seed(0)
    differences = torch.randn(3, 100, generator=generator, dtype=torch.double) + 0.1
    once, copied = gain(differences), gain(differences.repeat_interleave(10, 1), GROUPS)
    assert (copied.low, copied.value, copied.high) == pytest.approx((once.low, once.value, once.high))


def test_where_all_are_right_each_group_is_taken_to_be_of_one_piece() -> None:
    low, high = share_interval(torch.ones(1000, dtype=torch.bool), GROUPS)
    assert (low, high) == pytest.approx(wilson(100, 100))
    one = torch.zeros(50, dtype=torch.long)
    assert share_interval(torch.arange(50) < 25, one) == pytest.approx(wilson(0.5, 1))


def test_without_groups_every_figure_keeps_its_bits() -> None:
    values = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    assert by_cluster(values, None) is values
    assert share_interval(values[0] > 0) == wilson(int((values[0] > 0).sum()), 50)


@pytest.mark.parametrize("stored", [False, True])
def test_a_part_of_a_split_keeps_the_groups_of_its_examples(stored: bool) -> None:
    rows = torch.arange(6) if stored else None
    split = Split(torch.arange(6.0), torch.arange(6), rows=rows, groups=torch.tensor([0, 0, 1, 1, 2, 2]))
    part = split.at(torch.tensor([5, 0])).to(torch.device("cpu"))
    assert part.groups is not None and part.groups.tolist() == [2, 0]


def test_an_evaluation_of_groups_is_less_sure_than_one_of_examples() -> None:
    objective = Objective("classification", 2, default_loss("classification"))
    targets = torch.zeros(1000, dtype=torch.long)
    outputs = torch.tensor([[1.0, 0.0], [0.0, 1.0]])[(torch.arange(100) < 20).long()].repeat_interleave(10, 0)
    alone, together = (evaluate_outputs(outputs, targets, objective, groups) for groups in (None, GROUPS))
    assert alone.metric == together.metric
    assert width(together.interval()) > 3 * width(alone.interval())
