"""What changes gain over a control: each trained from several seeds, all judged on the same examples.

A gain is uncertain in two ways: other seeds would have given other nets, and other examples another mean. Few seeds
tell little of the first, so what changes have in common is used: the spread over the seeds of one change is drawn
towards that of all (Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3:3). The uncertainties are
put together as half-widths, squared, each with Student's quantile of its own degrees of freedom (Howe 1974, Journal of
the American Statistical Association 69:789): where one of them rules it is exact, elsewhere a little too wide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipe.evidence import Answer
from recipe.statistics.clusters import by_cluster
from recipe.statistics.intervals import Estimate
from recipe.statistics.multiple_testing import holm

LEVEL = 0.05  # of a stage's changes naming any that gains nothing; and of an interval that misses
HALVINGS = 40  # of the logarithm of a p-value: known to ten digits
LEAST_P = 1e-12  # smaller p-values are this one
MOST_SEEDS = 100  # more are not asked of anybody
FLOOR = 1e-5  # of the median variance: two seeds that happen to agree are not without spread (limma, squeezeVar)


@dataclass(frozen=True)
class Judged:
    """A change's gain among all that were tried beside it.

    Attributes:
        answer: `holds` where it is above the least beyond chance, for all that were tried (Holm 1979); `refuted`
            where even the upper end of its interval is not worth having; else `open`: it could not be told.
        p_value: the chance of such a gain where there is none, before Holm's correction.
        least_seen: the smallest gain that would have held.
        seeds_needed: how many seeds would make this gain hold; None where it is none, or no number would.
    """

    gain: Estimate
    answer: Answer
    p_value: float
    least_seen: float
    seeds_needed: int | None


@dataclass(frozen=True)
class Source:
    """One source of uncertainty: the variance that it adds to a mean, and the degrees of freedom that tell it."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class _Seeds:
    """How many seeds of a run a change has, how many the control's share of its uncertainty, and how many are most."""

    own: int
    control: int
    most: int


def gain(differences: Tensor, groups: Tensor | None = None) -> Estimate:
    """The mean of paired `differences` (seeds, N) with its 95 % interval, over new seeds and new examples.

    Where `groups` (N,) name clusters, over new clusters. Two-way random effects (Searle, Casella and McCulloch 1992,
    4.3): the mean square of the seeds, and what that of the examples has beyond the rest.
    """
    differences = by_cluster(differences, groups).double()
    seeds, count = differences.shape
    mean = differences.mean().item()
    if not differences.isfinite().all() or min(seeds, count) < 2:
        return Estimate(mean, math.nan, math.nan)
    by_seed = differences.mean(1).var().item() / seeds
    by_example = max(0.0, differences.mean(0).var().item() - _rest(differences) / seeds) / count
    half = half_width([Source(by_seed, seeds - 1), Source(by_example, count - 1)], LEVEL / 2)
    return Estimate(mean, mean - half, mean + half)


def judge_gains(
    control: Tensor | Sequence[Tensor],
    changed: Sequence[Tensor],
    groups: Tensor | None = None,
    paired: Sequence[bool] | None = None,
    least: float = 0.0,
    worthwhile: float = 0.0,
) -> list[Judged]:
    """What each of several changes gains over the control, judged together; losses are (seeds, N).

    Each may have seeds of its own, and as many as it likes; one alone is taken to spread as the control does.

    Args:
        control: of all changes, or of each its own.
        groups: (N,), number the clusters that the examples come in.
        paired: which changes are the control's own trainings looked at otherwise, seed by seed.
        least: the gain that one must be above to hold.
        worthwhile: a gain that is surely smaller is refuted.
    """
    arms = [by_cluster(one, groups).double() for one in changed]
    each = [control] * len(arms) if isinstance(control, Tensor) else control
    controls = [by_cluster(one, groups).double() for one in each]
    again = list(paired or [False] * len(arms))
    parts = _parts(controls, arms, again)
    values = [(usual.mean() - arm.mean()).item() for usual, arm in zip(controls, arms, strict=True)]
    most = max((len(arm) for arm, of_control in zip(arms, again, strict=True) if not of_control), default=len(arms[0]))
    counts = [_Seeds(most if again[number] else len(arm), most, most) for number, arm in enumerate(arms)]
    return _judge_together(values, parts, counts, least, worthwhile)


@dataclass(frozen=True)
class PartsOfChange:
    """What a change costs in each part that was held out, (N_k,), in the order of the control's; maybe not in all.

    `looked_at` (C, N_k) instead where its trainings are the control's own, looked at otherwise.
    """

    losses: Sequence[Tensor]
    looked_at: bool = False


def gain_in_parts(differences: Sequence[Tensor], groups: Sequence[Tensor | None]) -> Estimate:
    """The mean of paired `differences`, (N_k,) in each part, with its 95 % interval: Student's t over the parts.

    Each part has its own seed and its own examples, so its mean is one draw of all that chance does. No narrower than
    the examples alone make it.
    """
    means = torch.stack([one.double().mean() for one in differences])
    value = torch.cat(list(differences)).double().mean().item()
    if len(means) < 2 or not bool(means.isfinite().all()):
        return Estimate(value, math.nan, math.nan)
    half = max(
        half_width([Source(means.var().item() / len(means), len(means) - 1)], LEVEL / 2),
        half_width([_of_examples(differences, groups)], LEVEL / 2),
    )
    return Estimate(value, value - half, value + half)


def judge_gains_in_parts(
    controls: Sequence[Sequence[Tensor]],
    changed: Sequence[PartsOfChange],
    groups: Sequence[Tensor | None],
    least: float = 0.0,
    worthwhile: float = 0.0,
) -> list[Judged]:
    """As `judge_gains`, where each seed holds out another part: `controls` has (C, N_k) of each part, for each change.

    A change's mean in a part is one draw of its seed, of the control's and of the examples; how far these lie apart is
    drawn towards what all changes have in common. The examples and the control's seeds tell themselves what they add,
    with degrees of freedom of their own, and what is left of it is the change's seed.
    """
    gains = [
        [
            usual.mean(0) - part.reshape(-1, part.shape[-1]).mean(0)
            for usual, part in zip(control, one.losses, strict=False)
        ]
        for control, one in zip(controls, changed, strict=True)
    ]
    spread = _spread_of_parts(gains, changed)
    parts = [
        _parts_of_one(control, one, gain_by_part, groups, spread.get(number) or _of_one_seed(control, spread))
        for number, (control, one, gain_by_part) in enumerate(zip(controls, changed, gains, strict=True))
    ]
    values = [torch.cat(one).double().mean().item() for one in gains]
    seeds = [len(one.losses) for one in changed]
    return _judge_together(values, parts, [_Seeds(own, own, max(seeds)) for own in seeds], least, worthwhile)


def _spread_of_parts(gains: Sequence[Sequence[Tensor]], changed: Sequence[PartsOfChange]) -> dict[int, Source]:
    """For each change that was trained in several parts the variance of its mean gain in one, moderated."""
    several = [number for number, one in enumerate(gains) if len(one) > 1 and not changed[number].looked_at]
    means = {number: torch.stack([part.double().mean() for part in gains[number]]) for number in several}
    own = [Source(means[number].var().item(), len(means[number]) - 1) for number in several]
    return dict(zip(several, _moderated(own), strict=True))


def _of_seeds_in_parts(control: Sequence[Tensor]) -> Source:
    """The variance of one seed's mean loss, from (C, N_k) of each part."""
    by_seed = [one.double().mean(1) for one in control]
    return Source(torch.stack([one.var() for one in by_seed]).mean().item(), sum(len(one) - 1 for one in by_seed))


def _of_one_seed(control: Sequence[Tensor], spread: Mapping[int, Source]) -> Source:
    """What is taken for the spread of a change with one seed: the control's, or that of other changes where larger."""
    others = sorted(spread.values(), key=lambda one: one.variance)[len(spread) // 2 :][:1]
    return max([_of_seeds_in_parts(control), *others], key=lambda one: one.variance)


def _parts_of_one(
    control: Sequence[Tensor],
    change: PartsOfChange,
    gains: Sequence[Tensor],
    groups: Sequence[Tensor | None],
    spread: Source,
) -> list[Source]:
    """What makes the gain of one change uncertain; the last part is what more seeds would not help."""
    if not all(bool(one.isfinite().all()) for one in control):
        return []
    usual = _of_seeds_in_parts(control)
    examples = _of_examples(gains, groups)
    if change.looked_at:
        pairs = [(usual - part).double().mean(1) for usual, part in zip(control, change.losses, strict=True)]
        within = torch.stack([one.var() for one in pairs]).mean().item()
        return [Source(within / sum(map(len, pairs)), usual.freedom), examples]
    of_control = Source(usual.variance / sum(map(len, control[: len(gains)])), usual.freedom)
    if len(gains) < 2:
        return [of_control, spread, examples]
    beyond = max(0.0, spread.variance / len(gains) - examples.variance - of_control.variance)
    return [of_control, Source(beyond, spread.freedom), examples]


def _of_examples(differences: Sequence[Tensor], groups: Sequence[Tensor | None]) -> Source:
    """What the examples' own luck adds to the mean of `differences`, (N_k,) in each part."""
    clusters = [by_cluster(one.double(), group) for one, group in zip(differences, groups, strict=False)]
    count = sum(map(len, clusters))
    squares = sum(((one - one.mean()) ** 2).sum().item() for one in clusters)
    freedom = max(1, count - len(clusters))
    return Source(squares / freedom / count, freedom)


def _judge_together(
    values: Sequence[float], parts: Sequence[list[Source]], seeds: Sequence[_Seeds], least: float, worthwhile: float
) -> list[Judged]:
    """What each gain proves, given what makes it uncertain and from how many seeds it is."""
    p_values = np.array([_p_value(value - least, one) for value, one in zip(values, parts, strict=True)])
    rejected = holm(p_values, LEVEL)
    left = max(1, int((~rejected).sum()))
    return [
        _judged(value, float(p), bool(holds), one, count, left, max(least, worthwhile), least)
        for value, p, holds, one, count in zip(values, p_values, rejected, parts, seeds, strict=True)
    ]


def _judged(
    value: float,
    p: float,
    holds: bool,
    parts: list[Source],
    seeds: _Seeds,
    left: int,
    worthwhile: float,
    least: float,
) -> Judged:
    half = half_width(parts, LEVEL / 2)
    found = Estimate(value, value - half, value + half)
    if not math.isfinite(half) or not math.isfinite(value):
        return Judged(Estimate(value, math.nan, math.nan), "refuted" if parts else "open", 1.0, math.nan, None)
    answer: Answer = "holds" if holds else "refuted" if found.high <= worthwhile else "open"
    needed = None if holds else _seeds_needed(value - least, parts, seeds, LEVEL / left)
    return Judged(found, answer, p, least + half_width(parts, LEVEL / left), needed)


def _parts(controls: Sequence[Tensor], arms: Sequence[Tensor], paired: Sequence[bool]) -> list[list[Source]]:
    """For each change what makes its gain uncertain: the control's seeds, its own, and the examples."""
    several = [number for number, arm in enumerate(arms) if len(arm) > 1 and not paired[number]]
    spread = dict(zip(several, _moderated([_of_seeds(arms[number]) for number in several]), strict=True))
    parts: list[list[Source]] = []
    for number, (control, arm) in enumerate(zip(controls, arms, strict=True)):
        if not control.isfinite().all() or min(control.shape) < 2:
            parts.append([])
        elif paired[number]:
            parts.append(_of_pairs(control, arm))
        else:
            parts.append(_of_change(control, arm, _of_seeds(control), spread.get(number)))
    return parts


def _of_seeds(arm: Tensor) -> Source:
    """The variance of one seed's mean loss."""
    return Source(arm.mean(1).var().item(), len(arm) - 1)


def _of_change(control: Tensor, arm: Tensor, usual: Source, own: Source | None) -> list[Source]:
    own = own or usual  # of one seed alone
    by_example = (control.mean(0) - arm.mean(0)).var().item() - sum(_rest(one) / len(one) for one in (control, arm))
    return [
        replace(usual, variance=usual.variance / len(control)),
        replace(own, variance=own.variance / len(arm)),
        Source(max(0.0, by_example) / arm.shape[1], arm.shape[1] - 1),
    ]


def _of_pairs(control: Tensor, arm: Tensor) -> list[Source]:
    differences = control[: len(arm)] - arm
    seeds, count = differences.shape
    by_example = differences.mean(0).var().item() - _rest(differences) / seeds
    return [
        Source(differences.mean(1).var().item() / seeds, seeds - 1),
        Source(max(0.0, by_example) / count, count - 1),
    ]


def _rest(losses: Tensor) -> float:
    """The variance of `losses` (seeds, N) that neither the seed nor the example explains; 0 of one seed."""
    seeds, count = losses.shape
    if seeds < 2:
        return 0.0
    rest = losses - losses.mean(1, keepdim=True) - losses.mean(0, keepdim=True) + losses.mean()
    return rest.square().sum().item() / ((seeds - 1) * (count - 1))


def _moderated(parts: Sequence[Source]) -> list[Source]:
    """Each variance drawn towards what all have in common, with the degrees of freedom that it gains by that.

    By how much is estimated from how far the variances lie apart beyond chance (Smyth 2004, section 6.2).
    """
    from scipy.special import digamma, polygamma

    known = [one for one in parts if math.isfinite(one.variance)]
    middle = float(np.median([one.variance for one in known])) if known else 0.0
    if len(known) < 3 or middle <= 0:
        return list(parts)
    variance = np.maximum([one.variance for one in known], FLOOR * middle)
    freedom = np.array([one.freedom for one in known])
    logs = np.log(variance) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond = logs.var(ddof=1) - polygamma(1, freedom / 2).mean()
    if beyond > 0:
        prior = 2 * _trigamma_inverse(float(beyond))
        common = math.exp(logs.mean() + digamma(prior / 2) - math.log(prior / 2))
    else:
        prior, common = math.inf, float(freedom @ variance / freedom.sum())
    return [one if not math.isfinite(one.variance) else _drawn(one, common, prior, freedom) for one in parts]


def _drawn(one: Source, common: float, prior: float, freedom: NDArray[np.float64]) -> Source:
    total = float(freedom.sum())
    if math.isinf(prior):
        return Source(common, total)
    variance = (prior * common + one.freedom * one.variance) / (prior + one.freedom)
    return Source(variance, min(prior + one.freedom, total))


def _trigamma_inverse(value: float) -> float:
    """Where the trigamma function is `value`, by Newton's method on its inverse (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(HALVINGS):
        at = float(polygamma(1, x))
        step = at * (1 - at / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x


def half_width(parts: Sequence[Source], level: float) -> float:
    """What the mean is off by at most, but for a chance of `level` on either side; infinite where it is not known."""
    from scipy.special import stdtrit

    if not parts or not all(math.isfinite(one.variance) for one in parts):
        return math.inf
    return math.sqrt(sum(float(stdtrit(one.freedom, 1 - level)) ** 2 * one.variance for one in parts))


def _p_value(value: float, parts: Sequence[Source]) -> float:
    """The level at which the interval's lower end reaches zero; 1 where the gain is none."""
    if not value > 0 or not parts or not all(math.isfinite(one.variance) for one in parts):
        return 1.0
    low, high = math.log(LEAST_P), math.log(0.5)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if half_width(parts, math.exp(middle)) <= value else (middle, high)
    return math.exp(high)


def _seeds_needed(value: float, parts: Sequence[Source], seeds: _Seeds, level: float) -> int | None:
    """The number of seeds that would make `value` hold, were all spread as they are: more than a run has.

    The change's own source of uncertainty stands last of those that more seeds would help.
    """
    *of_control, own, of_examples = parts
    for more in range(seeds.most + 1, MOST_SEEDS + 1):
        times = more / seeds.most
        scaled = [Source(one.variance * seeds.control / more, one.freedom * times) for one in of_control]
        scaled.append(Source(own.variance * seeds.own / more, own.freedom * times))
        if half_width([*scaled, of_examples], level) <= value:
            return more
    return None
