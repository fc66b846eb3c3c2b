"""baseline/special_case: the vectorised code against its plain version for one example."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from recipe.diagnostics.batched_loss import WEIGHED, BatchedLoss, batched_loss
from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.causes import BROADCAST
from recipe.diagnostics.probes import everything, rows, some, stirred_model
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.evaluation import metric, metric_name
from recipe.training.experiment import Experiment


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
    return _finding(_compared(exp, together, alone, targets), targets)


@dataclass(frozen=True)
class Compared:
    """N examples together and one at a time: how far outputs, loss and metric differ, and how the loss is batched."""

    count: int
    outputs: float
    loss: float
    metric: float
    losses: BatchedLoss


def _compared(exp: Experiment, together: Tensor, alone: Tensor, targets: Tensor) -> Compared:
    losses, count = batched_loss(exp, together, targets), len(alone)
    loss = abs(losses.together.item() - losses.mean_alone)
    own, looped = metric(rows(together, count).cpu(), targets.cpu()), _looped_metric(together.cpu(), targets.cpu())
    return Compared(
        count,
        outputs=_difference(rows(together, count), alone),
        loss=loss / to_learn(losses.mean_alone, floor_of(exp.objective, targets)),
        metric=abs(own - looped) / max(abs(looped), 1.0),
        losses=losses,
    )


def _finding(compared: Compared, targets: Tensor) -> Finding:
    is_weighed = not compared.losses.broadcasts and not compared.losses.sums
    return Finding(
        summary=f"On {compared.count} examples, one at a time and together, outputs differ by {compared.outputs:.2g} "
        f"of their spread, the loss ({compared.losses.together.item():.4f}) by {compared.loss:.2g}, "
        f"{metric_name(targets)} by {compared.metric:.2g}{_cause(compared)}.",
        measured=float(np.max([compared.outputs, compared.loss, compared.metric])),
        expected=0.0,
        advice="Outputs that differ depend on the batch: look for a view or reshape that mixes dimension 0. A loss "
        "that differs is broadcast, or no mean over the batch: give outputs and targets one shape, reduction='mean'.",
        requirements=(
            at_most(compared.outputs, "max_output_difference"),
            at_most(compared.loss, "max_loss_difference", otherwise="warn" if is_weighed else "fail"),
            at_most(compared.metric, "max_metric_difference"),
        ),
    )


def _cause(compared: Compared) -> str:
    if compared.losses.broadcasts:
        return f": {BROADCAST}"
    if compared.losses.sums:
        return ": the loss is the sum over the batch where the mean is due"
    if compared.loss > WEIGHED:
        return ": the loss of a batch is not the mean of its examples' losses, as when classes are weighted"
    return ""


def _one_by_one(model: nn.Module, inputs: Tensor) -> Tensor:
    """The outputs (N, k), each from a batch of one."""
    return torch.cat([rows(model(inputs[i : i + 1]), 1) for i in range(len(inputs))])


def _difference(together: Tensor, alone: Tensor) -> float:
    if together.shape != alone.shape:
        return math.inf
    spread = alone.std().clamp_min(torch.finfo(torch.float32).tiny)
    return ((together - alone).abs().max() / spread).item()


def _looped_metric(outputs: Tensor, targets: Tensor) -> float:
    """Accuracy or R2 as one would write it on paper."""
    pairs = list(zip(rows(outputs, len(targets)).tolist(), targets.tolist(), strict=True))
    if targets.dim() == 1:
        return sum(row.index(max(row)) == target for row, target in pairs) / len(pairs)
    values = []
    for column in range(targets.shape[1]):
        mean = sum(target[column] for _, target in pairs) / len(pairs)
        total = sum((target[column] - mean) ** 2 for _, target in pairs)
        values.append(1 - sum((target[column] - row[column]) ** 2 for row, target in pairs) / max(total, 1e-12))
    return sum(values) / len(values)


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
