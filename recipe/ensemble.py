"""Independent members averaged: the trainings, their joint outputs, and how sure those should be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from recipe.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all
from recipe.training.objective import Task

COOLEST, HOTTEST = 0.05, 20.0  # temperatures beyond these mean that the outputs are no logits at all
ROUNDS = 60  # golden-section steps: each keeps 0.618 of the interval, so 60 leave 1e-12 of it
GOLDEN = (math.sqrt(5) - 1) / 2
BINS = 15  # of confidence (Guo et al. 2017, section 4)


def ensemble_trainings(experiment: Experiment) -> list[Training]:
    """The members: the same training from other seeds, for longer, each with its best weights kept."""
    base = experiment.training
    epochs = math.ceil(base.epochs * experiment.stages.squeeze.ensemble.epochs_factor)
    return [base.having(seed=base.seed + member, epochs=epochs, keep_best=True) for member in range(experiment.members)]


def train_members(experiment: Experiment) -> list[Trained]:
    """The members, trained side by side."""
    return fit_all(experiment, ensemble_trainings(experiment))


def ensemble_temperature(experiment: Experiment, members: Sequence[Trained]) -> float:
    """What divides the members' logits, fitted on the validation split; 1 for a regression, which has no logits."""
    if experiment.task == "regression":
        return 1.0
    return fit_temperature(stacked_outputs(members), experiment.validation.targets.cpu())


def average(outputs: Tensor, task: Task, temperature: float = 1.0) -> Tensor:
    """The joint outputs (N, k) of members (M, N, k): the log of their mean probabilities, or their mean.

    The log of probabilities are logits again, so loss and metric take them as any model's outputs.
    """
    if task == "regression":
        return outputs.mean(0)
    return functional.log_softmax(outputs / temperature, dim=-1).logsumexp(0) - math.log(len(outputs))


def fit_temperature(outputs: Tensor, targets: Tensor) -> float:
    """The temperature that makes the mean probabilities of members (M, N, k) cost least on `targets` (N,).

    One number, so it never changes which class is largest for a single member (Guo et al. 2017). Targets are smoothed
    by one part in N + 2 (Platt 1999, section 2.2): where every example happens to be right, certainty would cost
    nothing, and the temperature would fall until the probabilities are 0 and 1. Golden-section search finds the
    minimum.
    """
    missed = 1 / (len(targets) + 2)

    def cost(log_temperature: float) -> float:
        joint = average(outputs.double(), "classification", math.exp(log_temperature))
        others = (joint.sum(1) - joint.gather(1, targets[:, None])[:, 0]) / max(1, joint.shape[1] - 1)
        return ((1 - missed) * functional.nll_loss(joint, targets) - missed * others.mean()).item()

    low, high = math.log(COOLEST), math.log(HOTTEST)
    for _ in range(ROUNDS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if cost(left) < cost(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def calibration_error(log_probabilities: Tensor, targets: Tensor, bins: int = BINS) -> float:
    """The expected calibration error, 0 to 1: |accuracy - confidence| over equally filled bins of confidence.

    Equally filled bins do not leave most of them empty when a model is nearly always sure (Nguyen and O'Connor 2015).
    """
    confidence, predicted = log_probabilities.exp().max(1)
    correct = (predicted == targets).double()
    order = confidence.argsort()
    total = sum(abs((correct[part].mean() - confidence[part].mean()).item()) * len(part) for part in order.chunk(bins))
    return total / len(targets)


def stacked_outputs(members: Sequence[Trained]) -> Tensor:
    """The members' outputs on the validation split, (M, N, k)."""
    return torch.stack([member.outputs for member in members])
