"""How low a loss can go, whatever is added to it."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.diagnostics.bounds import floor_of, lower_bound, lowest_loss, lowest_with_equals
from recipe.training.objective import Objective, Task
from recipe.training.split import Split

CLASSES = torch.arange(10).repeat(5)
NUMBERS = torch.linspace(-2, 2, 50).unsqueeze(1)
SIGMA = 0.1


def likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    """Minus the log density of a normal distribution of fixed width."""
    return functional.gaussian_nll_loss(outputs, targets, torch.full_like(outputs, SIGMA**2), full=True)


def less_five(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, targets) - 5


def of_log_probabilities(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.nll_loss(outputs, targets) - 5


def smoothed(share: float) -> float:
    """What the best outputs cost under labels of which `share` is spread over all ten classes: their entropy."""
    right, wrong = 1 - share + share / 10, share / 10
    return -right * math.log(right) - 9 * wrong * math.log(wrong)


@pytest.mark.parametrize(
    ("task", "loss", "lowest"),
    [
        ("classification", functional.cross_entropy, 0.0),
        ("classification", less_five, -5.0),
        ("classification", of_log_probabilities, -5.0),
        ("classification", nn.CrossEntropyLoss(label_smoothing=0.2), smoothed(0.2)),
        ("classification", nn.MultiMarginLoss(), 0.0),
        ("regression", functional.mse_loss, 0.0),
        ("regression", nn.L1Loss(), 0.0),
        ("regression", likelihood, math.log(SIGMA * math.sqrt(2 * math.pi))),
    ],
)
def test_the_floor_of_a_loss_is_found_with_its_outputs_alone(task: Task, loss: nn.Module, lowest: float) -> None:
    targets = CLASSES if task == "classification" else NUMBERS
    assert floor_of(Objective(task, 10 if task == "classification" else 1, loss), targets) == pytest.approx(
        lowest, abs=1e-4
    )


@pytest.mark.parametrize(
    ("loss", "added"),
    [(functional.cross_entropy, 0.0), (less_five, -5.0), (nn.CrossEntropyLoss(label_smoothing=0.0), 0.0)],
)
def test_equal_inputs_with_two_labels_cost_the_toss_of_a_coin(loss: nn.Module, added: float) -> None:
    two_alike = Split(torch.tensor([[5.0], [5.0], [6.0], [7.0]]), torch.tensor([0, 1, 2, 3]))
    found, count = lowest_with_equals(two_alike, Objective("classification", 10, loss), added)
    assert count == 2
    assert found == pytest.approx(added + math.log(2) / 2, abs=2e-3)


@pytest.mark.parametrize(("loss", "least"), [(functional.mse_loss, 0.5), (nn.L1Loss(), 0.5)])
def test_equal_inputs_with_two_numbers_cost_how_far_these_lie_apart(loss: nn.Module, least: float) -> None:
    two_alike = Split(torch.tensor([[5.0], [5.0], [6.0], [6.0]]), torch.tensor([[0.0], [2.0], [7.0], [7.0]]))
    found, count = lowest_with_equals(two_alike, Objective("regression", 1, loss), 0.0)
    assert count == 2
    assert found == pytest.approx(least, abs=1e-3)


def test_equal_inputs_that_agree_cost_nothing() -> None:
    agreeing = Split(CLASSES[:, None].float(), CLASSES)
    assert lowest_with_equals(agreeing, Objective("classification", 10, functional.cross_entropy), 0.0) == (0.0, 0)


def test_a_loss_that_falls_without_end_has_no_floor() -> None:
    scores = Objective("classification", 10, lambda outputs, targets: -2 * outputs.gather(1, targets[:, None]).mean())
    product = Objective("regression", 1, lambda outputs, targets: -(outputs * targets).mean())
    assert lowest_loss(scores, CLASSES[:8]) == lower_bound(product, NUMBERS) == -math.inf
    assert math.isfinite(floor_of(scores, CLASSES)) and math.isfinite(floor_of(product, NUMBERS))
