"""What early stopping leaves of each example, followed on the way: memory for two epochs, however many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FOLDS = 5  # parts of the validation split; the best epoch of each is chosen on the others (Hastie et al. 2009, 7.10)


@dataclass(frozen=True)
class Fold:
    """A part of the examples, and those that choose its epoch: all others. Both are indices."""

    members: Tensor
    others: Tensor


class BestEpochs:
    """The losses and scores of N examples at the last epoch, and at the epoch that is best for other examples, (N,).

    The best of many epochs looks better on the examples that chose it than it is.
    """

    def __init__(self, count: int, folds: int = FOLDS) -> None:
        self._folds = folds_of(count, folds)
        self._lowest = [math.inf] * len(self._folds)
        self.end_losses, self.end_scores = torch.empty(0), torch.empty(0)
        self.best_losses, self.best_scores = torch.empty(0), torch.empty(0)

    def after_epoch(self, losses: Tensor, scores: Tensor) -> None:
        """Take in what each example adds to the loss and to the metric, both (N,), after one more epoch."""
        first = not len(self.best_losses)
        self.end_losses, self.end_scores = losses, scores
        if first:
            self.best_losses, self.best_scores = losses.clone(), scores.clone()
        for number, fold in enumerate(self._folds):
            mean = losses[fold.others].double().mean().nan_to_num(math.inf).item()
            if first or mean < self._lowest[number]:
                self._lowest[number] = mean
                self.best_losses[fold.members] = losses[fold.members]
                self.best_scores[fold.members] = scores[fold.members]


def folds_of(count: int, folds: int = FOLDS) -> list[Fold]:
    """`count` examples in parts by chance, always the same; a single example chooses for itself."""
    part = torch.randperm(count, generator=torch.Generator().manual_seed(0)) % max(1, min(folds, count))
    everyone = torch.arange(count)
    return [Fold(everyone[part == one], everyone[(part != one) | (count == 1)]) for one in part.unique()]
