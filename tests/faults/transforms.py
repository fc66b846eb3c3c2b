"""Broken transforms."""

import torch
from torch import Tensor


def unscaled(batch: Tensor) -> Tensor:
    """Pixels of 0..1 back in 0..255, and no standardisation."""
    return batch * 255


def clamped(batch: Tensor) -> Tensor:
    """What is standardised, or in 0..16, taken for pixels in 0..1."""
    return batch.clamp(0, 1)


def wrapped(batch: Tensor) -> Tensor:
    """Brightened pixels in 0..1 as bytes, in which 256 is 0 again."""
    return (batch * 300).to(torch.int32).remainder(256).float() / 255
