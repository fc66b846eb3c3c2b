"""Broken losses."""

from torch import Tensor
from torch.nn import functional


def broadcast_mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of (N, 1) against (N,): every output is compared with every target."""
    return (outputs - targets.squeeze(-1)).square().mean()


def summed_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The sum over the batch where the mean is due."""
    return functional.cross_entropy(outputs, targets, reduction="sum")
