"""Parts that break the contract, each in its own way."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class CannotBeBuilt(nn.Module):
    """Raises where it is built."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        raise RuntimeError("the weights file is gone\nand a second line")


class RaisesOnInputs(nn.Module):
    """Was made for inputs of another size."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(63, n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs.flatten(1))


class GivesAnotherShape(nn.Module):
    """Gives three outputs more than there are classes."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(n_outputs + 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs.flatten(1))


class IsNoModule:
    """Takes what a model takes and is none."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        self.n_outputs = n_outputs


class TakesNothing(nn.Module):
    """Has no constructor, so it takes no settings, and no weights to train."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)[:, :10]


def loss_of_each(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each example where their mean is due."""
    return functional.cross_entropy(outputs, targets, reduction="none")


def loss_without_gradient(outputs: Tensor, targets: Tensor) -> Tensor:
    """A number that says nothing to the weights."""
    return torch.tensor(float((outputs.argmax(1) != targets).sum()))


def raises(batch: Tensor) -> Tensor:
    """A transform or an augmentation that fails."""
    raise ValueError("cannot blur")


def drops_half(batch: Tensor) -> Tensor:
    """Gives fewer examples than it got."""
    return batch[: len(batch) // 2]


def as_numpy(batch: Tensor) -> object:
    """Gives an array where a tensor is due."""
    return batch.numpy()


class Detaches(nn.Module):
    """Cuts its outputs off from the weights that made them."""

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.head = nn.LazyLinear(n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs.flatten(1)).detach()


def no_optimizer(parameters: object, lr: float = 1.0) -> str:
    """A factory that forgot what it was to make."""
    return "optimizer"
