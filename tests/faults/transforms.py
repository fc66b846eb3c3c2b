"""Broken transforms."""

import torch
from torch import Tensor


def with_squares(batch: Tensor) -> Tensor:
    """Twice as many columns: no fault, but other than a table's own."""
    return torch.cat([batch, batch.square()], 1)


def without_half(batch: Tensor) -> Tensor:
    """Half of the columns: no fault either."""
    return batch[:, : batch.shape[1] // 2]


def unscaled(batch: Tensor) -> Tensor:
    """Pixels of 0..1 back in 0..255, and no standardisation."""
    return batch * 255


def clamped(batch: Tensor) -> Tensor:
    """What is standardised, or in 0..16, taken for pixels in 0..1."""
    return batch.clamp(0, 1)


def wrapped(batch: Tensor) -> Tensor:
    """Brightened pixels in 0..1 as bytes, in which 256 is 0 again."""
    return (batch * 300).to(torch.int32).remainder(256).float() / 255
