"""Evaluation over a whole split: loss, metric and their intervals."""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recipe.statistics.clusters import bootstrap_r2_of_clusters, share_interval
from recipe.training.objective import Objective
from recipe.training.split import Split

EVALUATION_BATCH = 512  # any size gives the same figures (baseline/whole_test_set); this one is fast on a CPU's cache
BOOTSTRAP_ROUNDS = 1000  # Efron and Tibshirani 1993, section 14: enough for percentile intervals


@dataclass(frozen=True)
class Evaluation:
    """A model's outputs (N, k) on a whole split, the loss of each example (N,), their mean, and the metric.

    The metric is accuracy for classes, R2 for regression. `groups` (N,) number the clusters that the examples come in;
    None where each is one of its own.
    """

    outputs: Tensor
    targets: Tensor
    losses: Tensor
    loss: float
    metric: float
    groups: Tensor | None = None

    @property
    def scores(self) -> Tensor:
        """What each example adds to the metric, (N,); the metric is their mean."""
        return scores(self.outputs, self.targets)

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the metric: Wilson's for accuracy, the bootstrap's for R2; both know clusters."""
        if self.targets.dim() == 1:
            return share_interval(self.outputs.argmax(1) == self.targets, self.groups)
        if self.groups is not None:
            return bootstrap_r2_of_clusters(self.outputs, self.targets, self.groups, BOOTSTRAP_ROUNDS)
        return bootstrap_r2(self.outputs, self.targets)


def evaluate(model: nn.Module, objective: Objective, split: Split, batch_size: int = EVALUATION_BATCH) -> Evaluation:
    """`model`, in evaluation mode, on every example of `split`, wherever either of them lives."""
    was_training = model.training
    model.eval()
    device = device_of(model, split.device)
    with torch.no_grad():
        index = torch.arange(len(split), device=split.device)
        parts = [model(split.batch(part)[0].to(device)) for part in index.split(batch_size)]
        outputs = torch.cat(parts).float().cpu()
        evaluation = evaluate_outputs(outputs, split.targets.cpu(), objective, split.groups)
    model.train(was_training)
    return evaluation


def device_of(model: nn.Module, otherwise: torch.device) -> torch.device:
    """The device of `model`'s parameters and buffers; `otherwise` where it has none."""
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return otherwise if held is None else held.device


def evaluate_outputs(
    outputs: Tensor, targets: Tensor, objective: Objective, groups: Tensor | None = None
) -> Evaluation:
    """The figures of `outputs` (N, k) against `targets`; `groups` (N,) are the clusters, where there are any."""
    losses = objective.per_example(outputs, targets)
    return Evaluation(outputs, targets, losses, losses.double().mean().item(), metric(outputs, targets), groups)


def metric(outputs: Tensor, targets: Tensor) -> float:
    """Accuracy of the largest output, or R2 averaged over the target columns."""
    if targets.dim() == 1:
        return (outputs.argmax(1) == targets).double().mean().item()
    return r2(outputs, targets)


def r2(outputs: Tensor, targets: Tensor) -> float:
    """1 - residual over total sum of squares, mean over columns; `outputs` and `targets` are (N, k)."""
    outputs, targets = outputs.double(), targets.double()
    total = (targets - targets.mean(0)).square().sum(0)
    return (1 - (targets - outputs).square().sum(0) / total.clamp_min(1e-12)).mean().item()


def scores(outputs: Tensor, targets: Tensor) -> Tensor:
    """What each example adds to the metric, (N,): 1 where right, else 0; 1 - squared residual over variance for R2."""
    if targets.dim() == 1:
        return (outputs.argmax(1) == targets).float()
    variance = targets.var(0, correction=0).clamp_min(1e-12)
    return 1 - ((targets - outputs).square() / variance).mean(1)


def metric_name(targets: Tensor) -> str:
    """What the metric of these targets is called."""
    return "accuracy" if targets.dim() == 1 else "R2"


def bootstrap_r2(outputs: Tensor, targets: Tensor, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of R2 over resampled examples."""
    generator = torch.Generator().manual_seed(seed)
    draws = (torch.randint(len(targets), (len(targets),), generator=generator) for _ in range(BOOTSTRAP_ROUNDS))
    values = torch.tensor([r2(outputs[draw], targets[draw]) for draw in draws])
    low, high = values.quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high
