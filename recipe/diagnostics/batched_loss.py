"""The loss of a batch beside those of its examples alone: does it pair every output with every target, or sum up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recipe.training.experiment import Experiment

SAME, OTHER = 1e-5, 1e-3  # of the spread of the examples' losses: so close is the same loss, and so far another
FLOAT_ROUNDING = 8 * torch.finfo(torch.float32).eps  # of a loss that is summed up in another order
ROUNDING = 1e-4  # of the loss: of a smaller difference, float32's seven digits leave too few to hold to WEIGHED
WEIGHED = 1e-3  # of the loss: more is no rounding


@dataclass(frozen=True)
class BatchedLoss:
    """The loss of a batch `together`, of each example `alone` (N,), and both with the targets `moved` by one place."""

    together: Tensor
    alone: Tensor
    moved_together: Tensor
    moved_alone: Tensor

    @property
    def mean_alone(self) -> float:
        return self.alone.mean().item()

    @property
    def broadcasts(self) -> bool:
        """Whether the loss does not care which target belongs to which output, though the losses of one example do."""
        spread, rounding = self.alone.std(), FLOAT_ROUNDING * self.together.abs()
        same = (self.together - self.moved_together).abs() <= SAME * spread + rounding
        return bool(same) and bool((self.alone.mean() - self.moved_alone.mean()).abs() > OTHER * spread + rounding)

    @property
    def sums(self) -> bool:
        """Whether the loss of N examples is N times their mean, or moves by N times as much when the targets do.

        The first tells nothing where a constant is added to the sum; the second nothing where all targets are equal.
        """
        batch, moved = self.together.item(), self.moved_together.item()
        if self._is_times(batch, self.mean_alone):
            return True
        move = self.mean_alone - self.moved_alone.mean().item()
        return abs(batch - moved) > ROUNDING * abs(batch) and self._is_times(batch - moved, move)

    def _is_times(self, batch: float, single: float) -> bool:
        """Whether `batch` is so many times `single` as there are examples."""
        count = len(self.alone)
        return count > 1 and math.isclose(batch, single * count, rel_tol=WEIGHED, abs_tol=1e-9) and batch != 0


@torch.no_grad()
def batched_loss(experiment: Experiment, outputs: Tensor, targets: Tensor) -> BatchedLoss:
    """How the loss treats `outputs` (N, k) and `targets`, together and one at a time."""
    moved = targets.roll(1, 0)
    return BatchedLoss(
        experiment.objective(outputs, targets),
        _single_losses(experiment, outputs, targets),
        experiment.objective(outputs, moved),
        _single_losses(experiment, outputs, moved),
    )


def _single_losses(experiment: Experiment, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each example as a batch of one, (N,), by a plain loop."""
    return torch.stack([experiment.objective(outputs[i : i + 1], targets[i : i + 1]) for i in range(len(targets))])
