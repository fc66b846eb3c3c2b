"""The error on the test set, split into what causes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recipe.error_budget.nets import Nets, each_alone, errors_of, outputs_on, pairs_across, pairs_within
from recipe.statistics.clusters import mean_interval, share_interval
from recipe.statistics.gains import gain
from recipe.statistics.intervals import Estimate, sum_of
from recipe.training.ensemble import average, stacked_outputs
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained

MOST_EXAMPLES = 5000  # of the training set that are asked what the nets miss of it: a tenth of a point, at 95 %
SUREST = (0.1, 0.2, 0.3, 0.5)  # of the training examples: where labels are looked at

NOISE, BIAS, ALIKE = "label noise", "missed in training", "missed by all alike"
EXAMPLES, SEEDS, SHIFT = "too few examples", "seeds", "test against validation"
HOW = {
    NOISE: "labels against what nets are surest of that have not seen them; where inputs leave classes open, that too",
    BIAS: "what the ensemble misses of the training examples themselves, beyond label noise",
    ALIKE: "what is left: unseen examples that nets of this kind miss, whatever their seed and their examples",
    EXAMPLES: "two nets of two halves of the data against two nets of one half",
    SEEDS: "what an ensemble of the chosen architecture has left of what its members lose to it",
    SHIFT: "the error on the test set less that on the validation split",
}


@dataclass(frozen=True)
class Part:
    """One cause, by how much of the error it makes; `how` says how that was had. What is not `told` has no value."""

    name: str
    error: Estimate
    how: str
    told: bool = True


@dataclass(frozen=True)
class Noise:
    """Labels that contradict what nets are surest of which have not seen them.

    `share` of all labels; `contradicted` are the places of the training examples whose label another answer beats, the
    surest first, and `answers` those answers; both (n,).
    """

    share: Estimate
    contradicted: Tensor
    answers: Tensor


def label_noise(exp: Experiment, nets: Nets) -> Noise | None:
    """The share of wrong labels, told by nets of one half of the training examples about the other half.

    Looked at are those that they are surest of, by how far the second class is behind the first, as far as no more
    labels contradict there than among the very surest; the others are taken to have as many wrong ones. A label that
    contradicts is wrong, or the nets are: so what they themselves leave to other classes is taken off, but for what
    they leave to all alike, which is what wrong labels teach. Not off the upper end: it may all be wrong labels. None
    of a regression, whose noise shows only where equal inputs have several targets, and where there are no halves.
    """
    if exp.task == "regression" or not nets.halves:
        return None
    targets = exp.train.targets.cpu()
    guess = torch.empty(len(targets), dtype=torch.long)
    ahead, doubt = torch.empty(len(targets)), torch.empty(len(targets), dtype=torch.double)
    for half in nets.halves:
        joint = average(outputs_on(half.experiment, half.nets, exp.train.at(half.unseen)), exp.task)
        ranked = joint.sort(dim=1, descending=True)
        guess[half.unseen] = ranked.indices[:, 0]
        ahead[half.unseen] = ranked.values[:, 0] - ranked.values[:, min(1, joint.shape[1] - 1)]
        doubt[half.unseen] = _doubt(ranked.values.double().exp())
    wrong, order = guess != targets, ahead.argsort(descending=True, stable=True)
    surest = _as_right_as_the_surest(wrong[order], order)
    groups = None if exp.train.groups is None else exp.train.groups[surest]
    low, high = share_interval(wrong[surest], groups)
    expected = doubt[surest].mean().item()
    share = Estimate(max(0.0, wrong[surest].double().mean().item() - expected), max(0.0, low - expected), high)
    contradicted = order[wrong[order]]
    return Noise(share, contradicted, guess[contradicted])


def _as_right_as_the_surest(wrong: Tensor, order: Tensor) -> Tensor:
    """The first examples of `order` (N,), the surest first: a tenth, and more as long as no more are `wrong` (N,)."""
    ends = [max(1, round(share * len(order))) for share in SUREST]
    kept = ends[0]
    for end in ends[1:]:
        so_far, more = wrong[:kept].double(), wrong[kept:end].double()
        rate = wrong[:end].double().mean().item()
        chance = math.sqrt(rate * (1 - rate) * (1 / len(so_far) + 1 / max(1, len(more))))
        if not len(more) or more.mean().item() > so_far.mean().item() + chance:
            break
        kept = end
    return order[:kept]


def _doubt(probabilities: Tensor) -> Tensor:
    """What a net leaves to single other classes, (N,), of its probabilities (N, k) from the highest on.

    That is all that it leaves, less what each class has that has the median of the others; of two classes, all of it.
    """
    others = probabilities[:, 1:]
    count = others.shape[1]
    return others.sum(1) - (count * others.median(1).values if count > 1 else 0.0)


def split_error(
    exp: Experiment, nets: Nets, noise: Noise | None, missed: Estimate, seen: Tensor, tested: Estimate
) -> list[Part]:
    """The error of the ensemble on the test set in parts that add up to it.

    What retraining does is seen on the validation split, so that nothing is learnt of the test set but its own error.

    Args:
        missed, tested: the ensemble's error on its training examples and on the test set.
        seen: what it is wrong by on each validation example, (N,).
    """
    wrong = noise.share if noise else Estimate.zero()
    bias = sum_of((1, missed), (-1, wrong)).at_least(0.0)
    seeds, data = by_seeds(exp, nets), by_data(exp, nets)
    groups = exp.validation.groups
    left = seen - seeds.mean(0) - (data.mean(0) if data is not None else 0.0)
    shift = sum_of((1, tested), (-1, share_of(exp, seen, groups)))
    return [
        Part(NOISE, wrong, HOW[NOISE], told=noise is not None),
        Part(BIAS, bias, HOW[BIAS]),
        Part(ALIKE, sum_of((1, mean_of(left, groups)), (-1, bias), (-1, wrong)), HOW[ALIKE]),
        Part(EXAMPLES, Estimate.zero() if data is None else gain(data, groups), HOW[EXAMPLES], data is not None),
        Part(SEEDS, gain(seeds, groups), HOW[SEEDS]),
        Part(SHIFT, shift, HOW[SHIFT]),
    ]


def by_seeds(exp: Experiment, nets: Nets) -> Tensor:
    """What chance in the weights' start and in the order of examples adds to the ensemble's error, (M, N) by member.

    An average of M members has a + b / M (Ueda and Nakano 1996), so what one loses to all is M - 1 times what all have
    left of it.
    """
    outputs, targets = stacked_outputs(nets.members), exp.validation.targets
    joint = errors_of(exp, outputs, targets)
    return (each_alone(exp, nets.members) - joint) * _left_over(exp, len(outputs))


def _left_over(exp: Experiment, count: int) -> float:
    """What the ensemble has left of the seeds' part, in what one of `count` nets loses to them all."""
    return count / (count - 1) / exp.budget.members


def by_data(exp: Experiment, nets: Nets) -> Tensor | None:
    """What another training set of the same size would do to the error, by pair of nets (pairs, N); None: no halves.

    Two nets of two halves against two nets of one: both are two, and the first differ in their examples too. That is
    half of what a half's examples do, so all of what twice as many do, since variance goes with one over their number.
    """
    if not nets.halves:
        return None
    targets = exp.validation.targets
    one, other = (stacked_outputs(half.nets) for half in nets.halves)
    within = torch.cat([pairs_within(exp, outputs, targets) for outputs in (one, other)]).mean(0)
    return within - pairs_across(exp, one, other, targets)


def missed_in_training(exp: Experiment, members: Sequence[Trained], temperature: float) -> Estimate:
    """The ensemble's error on its own training examples, a part of them where they are many."""
    order = torch.randperm(len(exp.train), generator=torch.Generator().manual_seed(exp.training.seed))
    some = exp.train.at(order[:MOST_EXAMPLES])
    errors = errors_of(exp, outputs_on(exp, members, some), some.targets, temperature)
    return share_of(exp, errors, some.groups)


def validation_errors(exp: Experiment, members: Sequence[Trained], temperature: float) -> Tensor:
    """What the ensemble is wrong by on each validation example, (N,)."""
    return errors_of(exp, stacked_outputs(members), exp.validation.targets, temperature)


def shift_to_delivery(exp: Experiment, members: Sequence[Trained], seen: Tensor, temperature: float) -> Estimate | None:
    """How much more the ensemble misses of a delivery than of the validation split; None where none is looked at.

    Args:
        seen: what it is wrong by on each validation example, (N,).
    """
    if exp.delivery is None:
        return None
    errors = errors_of(exp, outputs_on(exp, members, exp.delivery), exp.delivery.targets, temperature)
    delivered, usual = share_of(exp, errors, exp.delivery.groups), share_of(exp, seen, exp.validation.groups)
    return sum_of((1, delivered), (-1, usual))


def share_of(exp: Experiment, errors: Tensor, groups: Tensor | None) -> Estimate:
    """The mean of `errors` (N,) with its interval: Wilson's of what is missed, which holds where nothing is."""
    if exp.task == "regression":
        return mean_of(errors, groups)
    return Estimate(errors.mean().item(), *share_interval(errors, groups))


def mean_of(errors: Tensor, groups: Tensor | None) -> Estimate:
    """The mean of `errors` (N,) with its interval, over clusters where `groups` (N,) number them."""
    return Estimate(errors.mean().item(), *mean_interval(errors, groups))
