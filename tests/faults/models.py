"""Broken models: each trains, and none learns what it should, or not for the reason it seems."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

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


class StartsWildly(Mlp):
    """Scales its last layer by a number that is right for most seeds and a hundred times too large for others."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        with torch.no_grad():
            self.head.weight *= torch.randn(()).mul(5).exp().reciprocal().clamp(1, 300)


class RootsWhatIsNegative(Mlp):
    """Takes a root and then chooses where it holds: the outputs are right, the gradient to the inputs is NaN."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(torch.where(inputs > 0, inputs.sqrt(), inputs))


class NeedsCompany(Mlp):
    """Adds nothing, times the spread of the batch: NaN for a batch of one, and right for any other."""

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = super().forward(inputs)
        return outputs + 0 * outputs.std(0)


class DividesByItsSpread(Mlp):
    """Standardises each example by itself, which is right but on inputs that do not vary."""

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.flatten(1)
        return super().forward((flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True))


class Checkpointed(Mlp):
    """Computes its middle again on the way back, in torch's reentrant form, which refuses `torch.autograd.grad`."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs, depth=3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.body[0](inputs.flatten(1))
        hidden = checkpoint(self.body[1], hidden, use_reentrant=True)
        return self.head(self.body[2](hidden))


class NormalisesOneNumber(Mlp):
    """Adds a branch whose layer norm is over one element: it gives its bias, whatever comes in."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        self.side = nn.Linear(64, 64)
        self.norm = nn.LayerNorm(1)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.body(inputs.flatten(1))
        return self.head(hidden + self.norm(self.side(hidden).unsqueeze(-1)).squeeze(-1))


class BatchNormed(nn.Module):
    """A sound net with batch norm, unless its `momentum` is not torch's."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int, momentum: float = 0.1, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(math.prod(input_shape), 64), nn.BatchNorm1d(64, momentum=momentum), nn.ReLU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(64, n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs.flatten(1)))
