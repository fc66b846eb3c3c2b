"""Early stopping is judged on other examples than those that chose the epoch, in the memory of two epochs."""

import math

import pytest
import torch
from torch import Tensor

from recipe.training.best_epochs import BestEpochs, folds_of


def followed(losses: Tensor) -> BestEpochs:
    """What is left of `losses` (epochs, N); the score of an example is the number of its epoch, from 0."""
    best = BestEpochs(losses.shape[1])
    for epoch, of_examples in enumerate(losses):
        best.after_epoch(of_examples, torch.full_like(of_examples, epoch))
    return best


def with_all_epochs_at_hand(losses: Tensor) -> Tensor:
    """The epoch of each example, from all losses (epochs, N) at once."""
    epochs = torch.zeros(losses.shape[1], dtype=torch.long)
    for fold in folds_of(losses.shape[1]):
        epochs[fold.members] = losses.double()[:, fold.others].mean(1).nan_to_num(math.inf).argmin()
    return epochs


def test_the_best_epoch_of_an_example_is_not_chosen_by_itself() -> None:
    losses = torch.ones(3, 10)
    losses[1] = 0.9
    losses[2, 0] = -100  # one example alone makes the last epoch look best
    epochs = followed(losses).best_scores
    assert epochs[0] == 1
    assert (epochs[1:] == 2).sum() == 8  # all but those in its own fold, which do not see it


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("fault", [None, "diverges", "begins infinite"])
def test_what_is_followed_is_to_the_last_bit_what_all_epochs_together_say(count: int, fault: str | None) -> None:
    losses = torch.rand(20, count, generator=torch.Generator().manual_seed(count))
    if fault == "diverges":
        losses[5:] = math.nan
    elif fault == "begins infinite":
        losses[0, 0], losses[3] = math.inf, math.nan
    best, epochs = followed(losses), with_all_epochs_at_hand(losses)
    assert torch.equal(best.best_scores.long(), epochs)
    assert torch.equal(best.best_losses, losses.gather(0, epochs[None])[0])
    assert torch.equal(best.end_losses, losses[-1]) or fault == "diverges"


def test_stopping_early_in_pure_noise_gains_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    gained = []
    for _ in range(200):
        losses = torch.randn(20, 50, generator=generator)
        gained.append((losses[-1] - followed(losses).best_losses).double().mean().item())
    mean = torch.tensor(gained)
    assert mean.mean().abs() < 3 * mean.std() / math.sqrt(len(gained))


def test_what_is_kept_does_not_grow_with_the_epochs() -> None:
    best = BestEpochs(100)
    for _ in range(160):
        best.after_epoch(torch.rand(100), torch.rand(100))
    kept = (best.end_losses, best.end_scores, best.best_losses, best.best_scores)
    assert sum(tensor.untyped_storage().nbytes() for tensor in kept) == 4 * 100 * 4
