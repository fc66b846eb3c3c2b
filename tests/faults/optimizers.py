"""Broken optimizers."""

from collections.abc import Iterable

import torch
from torch import nn


def without_first_layer(params: Iterable[nn.Parameter], lr: float = 3e-4) -> torch.optim.Optimizer:
    """Adam that was not told of the first layer's weight and bias."""
    return torch.optim.Adam(list(params)[2:], lr=lr)
