"""baseline/special_case: the vectorised code against its plain version for one example."""

import math

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.causes import BROADCAST, pairs_everything, single_losses
from recipe.diagnostics.probes import everything, rows, some, stirred_model
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.evaluation import metric, metric_name
from recipe.training.experiment import Experiment

WEIGHED = 1e-3  # of the loss: more is no rounding
ROUNDING = 1e-4  # of the loss: of a smaller difference, float32's seven digits leave too few to hold to WEIGHED


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
        output_difference = _difference(rows(together, len(inputs)), alone)
        batch, singles = exp.objective(together, targets).item(), single_losses(exp, together, targets).mean().item()
        broadcast = pairs_everything(exp, together, targets)
        sums = not broadcast and _sums(exp, together, targets)
    loss_difference = abs(batch - singles) / to_learn(singles, floor_of(exp.objective, targets))
    own, looped = (
        metric(rows(together, len(inputs)).cpu(), targets.cpu()),
        _looped_metric(together.cpu(), targets.cpu()),
    )
    metric_difference = abs(own - looped) / max(abs(looped), 1.0)
    summary = (
        f"On {len(inputs)} examples, one at a time and together, outputs differ by {output_difference:.2g} of their "
        f"spread, the loss ({batch:.4f}) by {loss_difference:.2g}, {metric_name(targets)} by {metric_difference:.2g}"
    )
    cause = BROADCAST if broadcast else _loss_cause(sums, loss_difference)
    weighs = not broadcast and not sums
    return Finding(
        summary=f"{summary}{': ' if cause else ''}{cause}.",
        measured=float(np.max([output_difference, loss_difference, metric_difference])),
        expected=0.0,
        advice="Outputs that differ depend on the batch: look for a view or reshape that mixes dimension 0. A loss "
        "that differs is broadcast, or no mean over the batch: give outputs and targets one shape, reduction='mean'.",
        requirements=(
            at_most(output_difference, "max_output_difference"),
            at_most(loss_difference, "max_loss_difference", otherwise="warn" if weighs else "fail"),
            at_most(metric_difference, "max_metric_difference"),
        ),
    )


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


def _loss_cause(sums: bool, difference: float) -> str:
    if sums:
        return "the loss is the sum over the batch where the mean is due"
    if difference > WEIGHED:
        return "the loss of a batch is not the mean of its examples' losses, as when classes are weighted"
    return ""


def _sums(exp: Experiment, outputs: Tensor, targets: Tensor) -> bool:
    """Whether the loss of N examples is N times their mean, or moves by N times as much when the targets do.

    The first tells nothing where a constant is added to the sum; the second nothing where all targets are equal.
    """
    moved = targets.roll(1, 0)
    batch, elsewhere = exp.objective(outputs, targets).item(), exp.objective(outputs, moved).item()
    singles = single_losses(exp, outputs, targets).mean().item()
    move = singles - single_losses(exp, outputs, moved).mean().item()
    if _is_times(batch, len(targets), singles):
        return True
    return abs(batch - elsewhere) > ROUNDING * abs(batch) and _is_times(batch - elsewhere, len(targets), move)


def _is_times(batch: float, count: int, singles: float) -> bool:
    return count > 1 and math.isclose(batch, singles * count, rel_tol=WEIGHED, abs_tol=1e-9) and batch != 0


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
