"""Broken models: each trains, and none learns what it should, or not for the reason it seems."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.models import Mlp


class EndsInSoftmax(Mlp):
    """Gives probabilities, on which cross-entropy applies another softmax."""

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.softmax(super().forward(inputs), 1)


class ViewsForTranspose(nn.Module):
    """Wants features first, (F, N), and takes `view` where `transpose` is meant: the examples are mixed."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(math.prod(input_shape), width), nn.ReLU())
        self.head = nn.Linear(width, n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.flatten(1)
        features_first = flat.contiguous().view(flat.shape[1], flat.shape[0])
        return self.head(self.body(features_first.transpose(0, 1)))


class SqueezesOutput(Mlp):
    """Gives (N,) for one target a row: against targets (N, 1) the squared error is broadcast to (N, N)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).squeeze(-1)


class IgnoresInput(nn.Module):
    """Learns the same outputs for every example, whatever the input."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int, width: int = 64) -> None:
        super().__init__()
        self.state = nn.Parameter(torch.zeros(width))
        self.head = nn.Linear(width, n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(torch.tanh(self.state)).expand(len(inputs), -1)


class UsesBatchStatistics(nn.Module):
    """Normalises by the batch's own mean and spread in evaluation too."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Linear(math.prod(input_shape), width)
        self.norm = nn.BatchNorm1d(width, track_running_stats=False)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.body(inputs.flatten(1)))))


class GivesNoNumbers(nn.Module):
    """Divides by zero somewhere, so that every output is NaN."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(math.prod(input_shape), n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs.flatten(1)) * float("nan")
