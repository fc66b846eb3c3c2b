"""What training minimises, and what it should cost before anything is learned."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from recipe.errors import TargetError
from recipe.statistics.metrics import Metric, metrics_of
from recipe.training.device import on_any_device, part_on

Task = Literal["classification", "regression"]
Loss = Callable[[Tensor, Tensor], Tensor]
Units = Callable[[NDArray[np.float64]], NDArray[np.float64]]
PER_EXAMPLE, AT_INIT = "per_example", "at_init"  # what a loss may say itself


@dataclass(frozen=True)
class Objective:
    """A loss, called as `loss(outputs, targets)` and averaged over the batch.

    Outputs are (N, k); targets int64 (N,) for classes, float32 (N, k) for regression. Models are told apart by
    `metrics`, of which the first decides; empty: the usual one of the task. `own_units` turns quantities as they are
    learnt (N, k) into the label's own; None: they are. A loss that is an object may say
    two things itself: `per_example(outputs, targets)`, the loss of each example (N,), and `at_init(targets)`, what it
    should cost before anything is learned.
    """

    task: Task
    n_outputs: int
    loss: Loss
    name: str = "the default loss"
    metrics: tuple[Metric, ...] = ()
    own_units: Units | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", self.metrics or metrics_of(self.task, None))

    @property
    def metric(self) -> Metric:
        """The one that decides."""
        return self.metrics[0]

    def scores(self, outputs: Tensor, targets: Tensor, metric: Metric | None = None) -> Tensor:
        """What each example adds to `metric`, by default the one that decides: (N,), double, the greater the better."""
        metric = metric or self.metric
        both = [outputs.detach().double().numpy(), targets.numpy()]
        if self.task == "regression":
            both = [part.astype(np.float64).reshape(len(targets), -1) for part in both]
            if metric.in_own_units and self.own_units is not None:
                both = [self.own_units(part) for part in both]
        return torch.from_numpy(metric.scores(*both))

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.loss(outputs, targets)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each example, (N,): that of a batch of one."""
        if self.loss is functional.cross_entropy:
            return functional.cross_entropy(outputs, targets, reduction="none")
        if self.loss is functional.mse_loss:
            return functional.mse_loss(outputs, targets, reduction="none").mean(1)
        own = getattr(part_on(self.loss, outputs.device), PER_EXAMPLE, None)
        if own is not None:
            each: Tensor = own(outputs, targets)
            return each
        ones = zip(outputs.split(1), targets.split(1), strict=True)
        return torch.stack([self.loss(output, target) for output, target in ones])

    def prior_outputs(self, targets: Tensor) -> Tensor:
        """The outputs (k,) of the best constant guess: the log class frequencies, or the mean of the targets.

        A class without an example counts as half of one, so that its logarithm is finite.
        """
        if self.task == "regression":
            return targets.mean(0)
        counts = torch.bincount(targets, minlength=self.n_outputs).float().clamp_min(0.5)
        return (counts / counts.sum()).log()

    def even_loss(self, targets: Tensor) -> float:
        """What all-equal outputs cost on `targets`, in the loss's own units: ln k for cross-entropy over k classes.

        For regression the constant is the targets' mean, so that squared error costs their variance.
        """
        return self.loss(self._constant(targets), targets).item()

    def expected_at_init(self, targets: Tensor) -> float:
        """What the loss should be before anything is learned: as it says itself, or that of all-equal outputs."""
        own = getattr(part_on(self.loss, targets.device), AT_INIT, None)
        return float(own(targets)) if own is not None else self.even_loss(targets)

    def noise_loss(self, targets: Tensor) -> float:
        """What standard normal noise costs about the outputs of `even_loss`: the mean of a draw and its opposite."""
        constant = self._constant(targets)
        noise = torch.randn(constant.shape, generator=torch.Generator().manual_seed(0))
        both = [constant + noise, constant - noise]
        if takes_log_probabilities(self.loss, constant, targets):
            both = [outputs.log_softmax(1) for outputs in both]
        return sum(self.loss(outputs, targets).item() for outputs in both) / 2

    def _constant(self, targets: Tensor) -> Tensor:
        """All-equal outputs (N, k), log probabilities where the loss takes such, or the targets' mean for each."""
        constant = targets.mean(0) if self.task == "regression" else torch.zeros(self.n_outputs)
        outputs = constant.expand(len(targets), -1)
        if takes_log_probabilities(self.loss, outputs, targets):
            return outputs - math.log(self.n_outputs)
        return outputs

    def prior_loss(self, targets: Tensor) -> float:
        """What the best constant guess costs on `targets`."""
        return self.loss(self.prior_outputs(targets).expand(len(targets), -1), targets).item()


def takes_log_probabilities(loss: Loss, outputs: Tensor, targets: Tensor) -> bool:
    """Whether the loss reads off what it is given, as negative log-likelihood does: 1 more everywhere costs 1 less."""
    return targets.dim() == 1 and torch.allclose(loss(outputs + 1, targets), loss(outputs, targets) - 1, atol=1e-4)


def objective_of(task: Task, n_outputs: int, loss: Loss | None, name: str | None = None) -> Objective:
    """The objective with `loss`, whose tensors follow the batch; None: the default of the task."""
    if loss is None:
        return Objective(task, n_outputs, default_loss(task))
    return Objective(task, n_outputs, on_any_device(loss), name or str(getattr(loss, "__name__", type(loss).__name__)))


def default_loss(task: Task) -> Loss:
    """Cross-entropy for classes, mean squared error for regression."""
    return functional.cross_entropy if task == "classification" else functional.mse_loss


def check_loss(objective: Objective, outputs: Tensor, targets: Tensor) -> None:
    """Call the loss once on a real batch.

    Raises:
        TargetError: it raises, what it returns is not one number with a gradient, or what it says itself is no use.
    """
    name = objective.name
    try:
        value = objective(outputs, targets)
    except Exception as error:
        message = str(error).strip().split("\n", 1)[0]
        raise TargetError(
            f"loss: {name} raised {type(error).__name__} on outputs {tuple(outputs.shape)} and targets "
            f"{tuple(targets.shape)} {targets.dtype}: {message}. It is called as loss(outputs, targets)."
        ) from error
    if not isinstance(value, Tensor) or value.dim() != 0:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise TargetError(
            f"loss: {name} returned {shape} where one number is due: average over the batch (reduction='mean')."
        )
    if not value.requires_grad:
        raise TargetError(f"loss: {name} returned a number without a gradient: compute it from the outputs by torch.")
    _check_what_it_says(objective, outputs.detach(), targets)


def _check_what_it_says(objective: Objective, outputs: Tensor, targets: Tensor) -> None:
    for what, due, ask in (
        (f"{PER_EXAMPLE}(outputs, targets)", (len(targets),), lambda: objective.per_example(outputs, targets)),
        (f"{AT_INIT}(targets)", (), lambda: torch.tensor(objective.expected_at_init(targets))),
    ):
        if not hasattr(part_on(objective.loss, outputs.device), what.partition("(")[0]):
            continue
        try:
            said = ask()
            got = tuple(said.shape)
        except Exception as error:
            message = str(error).strip().split("\n", 1)[0]
            raise TargetError(f"loss: {objective.name}.{what} raised {type(error).__name__}: {message}.") from error
        if got != due:
            raise TargetError(f"loss: {objective.name}.{what} gives {got} where {due} is due.")
