"""baseline/special_case: the vectorised code against its plain version for one example."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from recipe.diagnostics.batched_loss import WEIGHED, batched_loss
from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.causes import BROADCAST
from recipe.diagnostics.plain_metrics import plain_metric
from recipe.diagnostics.probes import everything, rows, some, stirred_model
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment

Batching = Literal["mean", "weighted mean", "sum", "broadcast"]

IN_WORDS: dict[Batching, str] = {
    "mean": "",
    "weighted mean": ": the loss of a batch is not the mean of its examples' losses, as when classes are weighted",
    "sum": ": the loss is the sum over the batch where the mean is due",
    "broadcast": f": {BROADCAST}",
}


class Settings(Strict):
    examples: int = Field(ge=2)


class Limits(Strict):
    max_output_difference: float = Field(ge=0)
    max_loss_difference: float = Field(ge=0)
    max_metric_difference: float = Field(ge=0)


@practice("baseline/special_case")
def special_case(exp: Experiment) -> Finding:
    """The vectorised code agrees with its plain version: model, loss and metric on one example at a time.

    The outputs' difference is in units of their spread, the loss's and the metric's as a share of their size, which
    the loss has from the lowest there could be. Source: the recipe, 2, "generalize a special case".
    """
    inputs, targets = everything(some(exp, exp.train, exp.stages.baseline.special_case.examples))
    model = stirred_model(exp)
    with torch.no_grad():
        together = model(inputs)
        try:
            alone = _one_by_one(model, inputs)
        except Exception as error:
            return _refused(error)
    outputs = _output_difference(rows(together, len(alone)), alone)
    loss = _compare_loss(exp, together, targets)
    of_metric = _metric_difference(exp, rows(together, len(alone)).cpu(), targets.cpu())
    is_mean = loss.batching in ("mean", "weighted mean")
    return Finding(
        summary=f"On {len(alone)} examples, one at a time and together, outputs differ by {outputs:.2g} of their "
        f"spread, the loss ({loss.together:.4f}) by {loss.difference:.2g}, {exp.objective.metric.title} by "
        f"{of_metric:.2g}{IN_WORDS[loss.batching]}.",
        measured=float(np.max([outputs, loss.difference, of_metric])),
        expected=0.0,
        advice="Outputs that differ depend on the batch: look for a view or reshape that mixes dimension 0. A loss "
        "that differs is broadcast, or no mean over the batch: give outputs and targets one shape, reduction='mean'.",
        requirements=(
            at_most(outputs, "max_output_difference"),
            at_most(loss.difference, "max_loss_difference", otherwise="warn" if is_mean else "fail"),
            at_most(of_metric, "max_metric_difference"),
        ),
    )


def _one_by_one(model: nn.Module, inputs: Tensor) -> Tensor:
    """The outputs (N, k), each from a batch of one."""
    return torch.cat([rows(model(inputs[i : i + 1]), 1) for i in range(len(inputs))])


def _output_difference(together: Tensor, alone: Tensor) -> float:
    """The largest difference of two outputs (N, k), in standard deviations of all of them."""
    if together.shape != alone.shape:
        return math.inf
    spread = alone.std().clamp_min(torch.finfo(torch.float32).tiny)
    return ((together - alone).abs().max() / spread).item()


@dataclass(frozen=True)
class _Loss:
    """The loss of a batch, how far it is from its examples' own as a share of what there is to learn, and its kind."""

    together: float
    difference: float
    batching: Batching


def _compare_loss(exp: Experiment, outputs: Tensor, targets: Tensor) -> _Loss:
    losses = batched_loss(exp, outputs, targets)
    difference = abs(losses.together.item() - losses.mean_alone)
    difference /= to_learn(losses.mean_alone, floor_of(exp.objective, targets))
    batching: Batching = "weighted mean" if difference > WEIGHED else "mean"
    if losses.broadcasts:
        batching = "broadcast"
    elif losses.sums:
        batching = "sum"
    return _Loss(losses.together.item(), difference, batching)


def _metric_difference(exp: Experiment, outputs: Tensor, targets: Tensor) -> float:
    """Between the metric on outputs (N, k) and that from its plain version, as a share of it."""
    objective = exp.objective
    plain = plain_metric(objective, outputs, targets)
    return abs(objective.metric.of(objective.scores(outputs, targets).numpy()) - plain) / max(abs(plain), 1.0)


def _refused(error: Exception) -> Finding:
    reason = (str(error).strip().split("\n", 1)[0] or "no message").rstrip(".")
    return Finding(
        summary=f"The model takes no batch of one in evaluation mode: {type(error).__name__}, {reason}.",
        measured=math.nan,
        expected=0.0,
        advice="A single example must go through the model: squeeze none but the last dimension, and use stored "
        "statistics in normalisation layers.",
        requirements=(at_most(math.nan, "max_output_difference"),),
    )
