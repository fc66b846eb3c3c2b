"""Figures and their intervals, against what other libraries say."""

import subprocess
import sys

import pytest
import torch
from sklearn.metrics import r2_score
from torch.nn import functional

from recipe.statistics.clusters import mean_interval
from recipe.statistics.intervals import wilson
from recipe.training.evaluation import BOOTSTRAP_ROUNDS, bootstrap_r2, evaluate, r2
from recipe.training.experiment import Experiment
from recipe.training.objective import Objective


def test_wilsons_interval_agrees_with_scipy() -> None:
    from scipy.stats import binomtest

    for successes, count in ((0, 10), (490, 500), (500, 500), (7, 20)):
        expected = binomtest(successes, count).proportion_ci(method="wilson")
        assert wilson(successes, count) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_r2_agrees_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(50, 2, generator=generator)
    outputs = targets + 0.5 * torch.randn(50, 2, generator=generator)
    assert r2(outputs, targets) == pytest.approx(r2_score(targets.numpy(), outputs.numpy()), abs=1e-6)
    low, high = bootstrap_r2(outputs, targets)
    assert low < r2(outputs, targets) < high


def test_the_bootstrap_draws_what_it_would_draw_all_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(37, 1, generator=generator)
    outputs = targets + torch.randn(37, 1, generator=generator)
    draws = torch.randint(37, (BOOTSTRAP_ROUNDS, 37), generator=torch.Generator().manual_seed(0))
    values = torch.tensor([r2(outputs[draw], targets[draw]) for draw in draws])
    assert bootstrap_r2(outputs, targets) == tuple(values.quantile(torch.tensor([0.025, 0.975])).tolist())


def test_the_bootstrap_holds_one_round_at_a_time() -> None:
    """In a process of its own, whose peak is its own: forty rounds of so many places at once would be 160 MB."""
    script = (
        "import resource, torch; from recipe.training import evaluation; "
        "evaluation.BOOTSTRAP_ROUNDS = 40; targets = torch.randn(500_000, 1); "
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024; "
        "evaluation.r2(targets, targets); began = peak(); "
        "evaluation.bootstrap_r2(targets, targets); print(peak() - began)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 80


def test_evaluation_is_the_same_whatever_the_batch_size(digits_cnn: Experiment) -> None:
    model = digits_cnn.new_model(0)
    whole = evaluate(model, digits_cnn.objective, digits_cnn.validation)
    single = evaluate(model, digits_cnn.objective, digits_cnn.validation, batch_size=7)
    assert torch.allclose(whole.outputs, single.outputs, atol=1e-5)
    assert whole.metric == single.metric


def test_the_loss_of_one_example_is_that_of_a_batch_of_one() -> None:
    outputs, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    fast = Objective("classification", 3, functional.cross_entropy)
    own = Objective("classification", 3, lambda o, t: functional.cross_entropy(o, t))
    assert torch.allclose(fast.per_example(outputs, targets), own.per_example(outputs, targets))


def test_the_interval_of_a_mean_is_students() -> None:
    from scipy import stats

    values = torch.tensor([1.0, 2.0, 4.0, 3.0])
    expected = stats.t.interval(0.95, 3, loc=values.mean().item(), scale=stats.sem(values.numpy()))
    assert mean_interval(values) == pytest.approx(expected, rel=1e-6)
