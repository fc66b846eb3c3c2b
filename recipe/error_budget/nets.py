"""The nets that an error budget is made from: members, nets of either half of the data, a larger and a longer one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import torch
from torch import Tensor

from recipe.training.cross_validation import parts_of
from recipe.training.ensemble import PAIR, average, ensemble_trainings, extended_training, usual_trainings
from recipe.training.evaluation import evaluate
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, Wanted, fit_together
from recipe.training.split import Split


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
        members: of the chosen architecture, whether or not one of another has taken a place in the ensemble.
        usual: at a member's usual length, as the halves' and the larger one are: the members, or two, where members
            are left training.
        larger: wider, with the seed of the first of the usual ones.
        longer: the first member, trained on past its length.
        halves: two, of which no example is in both; copies and groups lie in one.
    """

    members: tuple[Trained, ...]
    usual: tuple[Trained, ...]
    larger: Trained | None
    longer: Trained | None
    halves: tuple[Half, ...] = ()


def train_nets(exp: Experiment) -> Nets:
    """Train what an error budget of `exp` asks; what other practices have trained is not trained again."""
    due = _due(exp)
    done = iter(fit_together(due.on(exp)))
    return Nets(
        larger=next(done) if due.larger else None,
        longer=next(done) if due.longer else None,
        members=tuple(next(done) for _ in due.members),
        usual=tuple(next(done) for _ in due.usual),
        halves=tuple(Half(half, tuple(next(done) for _ in due.of_a_half), unseen) for half, unseen in due.halves),
    )


def nets_due(exp: Experiment) -> list[Wanted]:
    """What `train_nets` trains."""
    return _due(exp).on(exp)


@dataclass(frozen=True)
class _Due:
    """The trainings of `Nets`, and of each half the experiment on it with which of all examples the other half are."""

    larger: Training | None
    longer: Training | None
    members: Sequence[Training]
    usual: Sequence[Training]
    halves: Sequence[tuple[Experiment, Tensor]]
    of_a_half: Sequence[Training]

    def on(self, exp: Experiment) -> list[Wanted]:
        """Each with what it is trained on, in the order of the fields."""
        whole = [(exp, run) for run in (self.larger, self.longer, *self.members, *self.usual) if run]
        return [*whole, *((half, run) for half, _ in self.halves for run in self.of_a_half)]


def _due(exp: Experiment) -> _Due:
    usual = usual_trainings(exp)[:PAIR] if exp.long_members else usual_trainings(exp)
    return _Due(
        larger_training(exp),
        extended_training(exp),
        ensemble_trainings(exp, PAIR),
        usual,
        [(_half(exp, number, unseen), unseen) for number, unseen in enumerate(parts_of(exp.train, 2))],
        # Seen more often, as in regularize/more_data: neither too few steps nor too many decide.
        [one.having(epochs=math.ceil(one.epochs * math.sqrt(2))) for one in usual[:PAIR]],
    )


def larger_training(exp: Experiment) -> Training | None:
    """The first training of the usual length, of a wider model; None where that declares no width."""
    first = usual_trainings(exp)[0]
    width = first.model.wider_width(exp.stages.squeeze.error_budget.width)
    return first.having(model=first.model.having(width=width)) if width else None


def _half(exp: Experiment, number: int, unseen: Tensor) -> Experiment:
    every = torch.arange(len(exp.train))
    return exp.variant(
        f"half {number + 1} of the training examples", train=exp.train.at(every[~torch.isin(every, unseen)])
    )


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


def each_alone(exp: Experiment, nets: Sequence[Trained]) -> Tensor:
    """The errors of each of `nets` alone on the validation split, (M, N)."""
    return torch.stack([errors_of(exp, one.outputs[None], exp.validation.targets) for one in nets])


def pairs_within(exp: Experiment, outputs: Tensor, targets: Tensor) -> Tensor:
    """The errors of each two of the nets (M, N, k), averaged; (pairs, N)."""
    chosen = combinations(range(len(outputs)), PAIR)
    return torch.stack([errors_of(exp, outputs[list(pair)], targets) for pair in chosen])


def pairs_across(exp: Experiment, one: Tensor, other: Tensor, targets: Tensor) -> Tensor:
    """The errors of each net of `one` averaged with each of `other`, both (M, N, k); (pairs, N)."""
    return torch.stack([errors_of(exp, torch.stack(pair), targets) for pair in product(one, other)])
