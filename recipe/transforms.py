"""What happens to a batch on its way into the net, in training and evaluation alike."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Standardize:
    """Subtract the training set's mean and divide by its standard deviation, per channel.

    Args:
        mean, std: of the training pixels in 0..1, one number a channel; offered by the experiment.
    """

    FLOOR = 1e-3  # a channel that hardly varies is not blown up: a quarter of one 8-bit step

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.std = torch.tensor(std).clamp_min(self.FLOOR).view(-1, 1, 1)

    def __call__(self, batch: Tensor) -> Tensor:
        """`batch` (N, C, H, W) in 0..1 -> (N, C, H, W) with mean 0 and standard deviation 1 over the training set."""
        return (batch - self.mean.to(batch.device)) / self.std.to(batch.device)
