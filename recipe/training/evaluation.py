"""Evaluation over a whole split: loss, metric and their intervals."""

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from recipe.statistics.clusters import (
    bootstrap_r2_of_clusters,
    mean_interval,
    share_interval,
    share_of_classes_interval,
)
from recipe.statistics.metrics import R2, Metric
from recipe.training.objective import Objective
from recipe.training.split import Split

LEAST_LOSS = 1e-12  # what a share is taken of, where a loss is zero
EVALUATION_BATCH = 512  # any size gives the same figures (baseline/whole_test_set); this one is fast on a CPU's cache
BOOTSTRAP_ROUNDS = 1000  # Efron and Tibshirani 1993, section 14: enough for percentile intervals


@dataclass(frozen=True)
class Evaluation:
    """A model's outputs (N, k) on a whole split, and what every example adds to the loss and the metric that decides.

    `losses` (N,) are the examples' own and `loss` their mean; `scores` (N,) what they add to the metric, the
    greater the better. `groups` (N,) number the clusters that the examples come in; None where each is one of its own.
    """

    outputs: Tensor
    targets: Tensor
    losses: Tensor
    loss: float
    scores: Tensor
    objective: Objective = field(repr=False)
    groups: Tensor | None = None

    @property
    def name(self) -> str:
        """What the metric that decides is called."""
        return self.objective.metric.title

    @property
    def metric(self) -> float:
        """The metric that decides."""
        return self.objective.metric.of(self.scores.numpy())

    @property
    def score(self) -> float:
        """The metric turned so that greater is better."""
        return self.objective.metric.signed(self.metric)

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the metric that decides."""
        return self.by(self.objective.metric)[1:]

    def by(self, metric: Metric) -> tuple[float, float, float]:
        """`metric` of these outputs, and the ends of its 95 % interval."""
        scores = self.scores_by(metric)
        return metric.of(scores.numpy()), *interval_of(metric, scores, self.outputs, self.targets, self.groups)

    def scores_by(self, metric: Metric) -> Tensor:
        """What each example adds to `metric`, (N,), the greater the better."""
        own = metric is self.objective.metric
        return self.scores if own else self.objective.scores(self.outputs, self.targets, metric)


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


def share_of_loss(value: float, loss: float) -> float:
    """`value` as a share of `loss`, which may be zero, or below it."""
    return value / max(abs(loss), LEAST_LOSS)


def evaluate_outputs(
    outputs: Tensor, targets: Tensor, objective: Objective, groups: Tensor | None = None
) -> Evaluation:
    """The figures of `outputs` (N, k) against `targets`; `groups` (N,) are the clusters, where there are any."""
    losses, scores = objective.per_example(outputs, targets), objective.scores(outputs, targets)
    return Evaluation(outputs, targets, losses, losses.double().mean().item(), scores, objective, groups)


def interval_of(
    metric: Metric, scores: Tensor, outputs: Tensor, targets: Tensor, groups: Tensor | None = None
) -> tuple[float, float]:
    """The 95 % interval of a metric whose `scores` (N,) these are; over clusters, where `groups` (N,) number them.

    Wilson's of what is counted and of shares, the bootstrap's of R2, else Student's.
    """
    if metric.kind == "counted":
        return share_interval(scores, groups)
    if metric.kind == "share":
        return share_of_classes_interval(scores, targets, groups)
    if metric.name != R2:
        low, high = mean_interval(scores, groups)
        return (max(0.0, -high), -low) if metric.is_error else (low, high)
    if groups is not None:
        return bootstrap_r2_of_clusters(outputs, targets, groups, BOOTSTRAP_ROUNDS)
    return bootstrap_r2(outputs, targets)


def r2(outputs: Tensor, targets: Tensor) -> float:
    """1 - residual over total sum of squares, mean over columns; `outputs` and `targets` are (N, k)."""
    outputs, targets = outputs.double(), targets.double()
    total = (targets - targets.mean(0)).square().sum(0)
    return (1 - (targets - outputs).square().sum(0) / total.clamp_min(1e-12)).mean().item()


def bootstrap_r2(outputs: Tensor, targets: Tensor, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of R2 over resampled examples."""
    generator = torch.Generator().manual_seed(seed)
    draws = (torch.randint(len(targets), (len(targets),), generator=generator) for _ in range(BOOTSTRAP_ROUNDS))
    values = torch.tensor([r2(outputs[draw], targets[draw]) for draw in draws])
    low, high = values.quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high
