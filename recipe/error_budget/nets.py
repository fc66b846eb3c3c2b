"""The nets that an error budget is made from: the members, nets of each half of the data, larger ones, a longer one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import torch
from torch import Tensor

from recipe.training.cross_validation import parts_of
from recipe.training.ensemble import average, ensemble_trainings
from recipe.training.evaluation import evaluate
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all
from recipe.training.split import Split

PAIR = 2  # nets: what seeds do, and what other data do, is seen where two answer together


@dataclass(frozen=True)
class Half:
    """Nets that have seen one half of the training examples, and which `unseen` ones are the other half."""

    experiment: Experiment
    nets: tuple[Trained, ...]
    unseen: Tensor


@dataclass(frozen=True)
class Nets:
    """All that are asked: at least two members, and what is empty or None where it could not be made.

    Attributes:
        halves: two, of which no example is in both; copies and groups lie in one.
        larger: of `width`, the first members' seeds.
        longer: the first member, trained on past its length.
    """

    members: tuple[Trained, ...]
    halves: tuple[Half, ...]
    larger: tuple[Trained, ...]
    width: int | None
    longer: Trained | None


def train_nets(exp: Experiment, factor: float, longer: Training | None) -> Nets:
    """Train what an error budget of `exp` asks; what other practices have trained is not trained again.

    Args:
        factor: how many times as wide the larger nets are.
        longer: the first member's training, longer.
    """
    seeds = max(PAIR, exp.budget.members)
    first = ensemble_trainings(exp)[0]
    trainings = [first.having(seed=first.seed + number) for number in range(seeds)]
    width = wider(first, factor)
    larger = [one.having(model=one.model.having(width=width)) for one in trainings[:PAIR]] if width else []
    found = fit_all(exp, [*trainings, *larger, *([longer] if longer else [])])
    members, rest = found[:seeds], found[seeds:]
    return Nets(
        members=tuple(members),
        halves=tuple(_of_half(exp, number, unseen, trainings) for number, unseen in enumerate(parts_of(exp.train, 2))),
        larger=tuple(rest[: len(larger)]),
        width=width,
        longer=rest[-1] if longer else None,
    )


def wider(training: Training, factor: float) -> int | None:
    """`factor` times the width of its model; None where it declares none."""
    width = training.model.declared("width")
    return max(width + 1, round(width * factor)) if isinstance(width, int) else None


def _of_half(exp: Experiment, number: int, unseen: Tensor, trainings: Sequence[Training]) -> Half:
    """Seen more often, as in regularize/more_data: neither too few steps nor too many decide."""
    every = torch.arange(len(exp.train))
    seen = every[~torch.isin(every, unseen)]
    half = exp.variant(f"half {number + 1} of the training examples", train=exp.train.at(seen))
    runs = [one.having(epochs=math.ceil(one.epochs * math.sqrt(2))) for one in trainings[:PAIR]]
    return Half(half, tuple(fit_all(half, runs)), unseen)


def outputs_on(exp: Experiment, nets: Sequence[Trained], split: Split) -> Tensor:
    """What `nets` answer to `split`, (M, N, k)."""
    split = split.to(exp.device.torch)
    return torch.stack([evaluate(one.model(exp), exp.objective, split).outputs for one in nets])


def errors_of(exp: Experiment, outputs: Tensor, targets: Tensor, temperature: float = 1.0) -> Tensor:
    """How far members (M, N, k), averaged, are wrong about each example, (N,).

    Of classes 1 where it is missed and 0 elsewhere; of quantities, standardised as they are, the mean squared distance.
    """
    joint = average(outputs, exp.task, temperature)
    if exp.task == "classification":
        return (joint.argmax(1) != targets.cpu()).double()
    return (joint - targets.cpu()).double().square().mean(1)


def pairs_within(exp: Experiment, outputs: Tensor, targets: Tensor) -> Tensor:
    """The errors of each two of the nets (M, N, k), averaged; (pairs, N)."""
    chosen = combinations(range(len(outputs)), PAIR)
    return torch.stack([errors_of(exp, outputs[list(pair)], targets) for pair in chosen])


def pairs_across(exp: Experiment, one: Tensor, other: Tensor, targets: Tensor) -> Tensor:
    """The errors of each net of `one` averaged with each of `other`, both (M, N, k); (pairs, N)."""
    return torch.stack([errors_of(exp, torch.stack(pair), targets) for pair in product(one, other)])
