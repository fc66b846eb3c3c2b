"""A few steps of training, with each parameter's gradient at each of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.probes import some
from recipe.training.experiment import Experiment, Training
from recipe.training.loop import History, train
from recipe.training.split import Split


@dataclass(frozen=True)
class FirstSteps:
    """What a few steps of training did to a model.

    Attributes:
        model: as the last step left it.
        gradients: by parameter, the root mean square of its gradient at each step; empty where it never got one.
        moved: by parameter, the root mean square of how far it went from its start.
        rise: the mean loss of all steps but the first, in units of the untouched net's on the same examples, both from
            the lowest that there could be.
    """

    model: nn.Module
    history: History
    gradients: dict[str, list[float]]
    moved: dict[str, float]
    rise: float

    @property
    def of_weight_matrices(self) -> dict[str, list[float]]:
        """The gradients of the parameters with more than one dimension that got any, in the model's order."""
        matrices = [name for name, parameter in self.model.named_parameters() if parameter.dim() > 1]
        return {name: self.gradients[name] for name in matrices if self.gradients[name]}


def take_first_steps(exp: Experiment, training: Training, wanted: int) -> FirstSteps:
    """At least `wanted` steps of the real loop, looking between backward and the optimizer's step."""
    part = some(exp, exp.train, wanted * training.batch_size)
    model = exp.new_model(training=training)
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    gradients: dict[str, list[float]] = {name: [] for name in start}

    def backward(loss: Tensor) -> None:
        loss.backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                gradients[name].append(root_mean_square(parameter.grad))

    history = train(
        model,
        exp.objective,
        exp.new_optimizer(model, training),
        part,
        epochs=-(-wanted * training.batch_size // len(part)),
        batch_size=training.batch_size,
        seed=training.seed,
        backward=backward,
    )
    moved = {name: root_mean_square(parameter.detach() - start[name]) for name, parameter in model.named_parameters()}
    floor = floor_of(exp.objective, part.targets)
    rise = (history.train_loss[1:].mean().item() - floor) / to_learn(_untouched_loss(exp, training, part), floor)
    return FirstSteps(model, history, gradients, moved, rise)


@torch.no_grad()
def _untouched_loss(exp: Experiment, training: Training, part: Split) -> float:
    """The mean loss over the batches of `part` before any step, in training mode."""
    model = exp.new_model(training=training).train()
    index = torch.arange(len(part), device=part.device)
    batches = [part.batch(one) for one in index.split(training.batch_size)]
    return sum(exp.objective(model(inputs), targets).item() for inputs, targets in batches) / len(batches)


def root_mean_square(values: Tensor) -> float:
    """Of all numbers in `values`, as float32."""
    return values.float().square().mean().sqrt().item()
