"""What would lower the error, by how much, and what it costs: each step foretold from nets that are trained already."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from recipe.error_budget.nets import Nets, each_alone, pairs_within
from recipe.error_budget.parts import Noise, by_seeds
from recipe.statistics.clusters import by_cluster
from recipe.statistics.gains import LEVEL, Source, half_width
from recipe.statistics.intervals import Estimate
from recipe.training.ensemble import PAIR, stacked_outputs
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained
from recipe.training.flops import counted_flops

TWICE, LARGER, LONGER = "twice the data", "a larger model", "longer training"
MEMBER, TRIALS, RELABEL = "one more member", "twice the trials", "labels looked at"
HOW = {
    TWICE: "a power law through nets of half of the examples and of all",
    LARGER: "a wider net against one of the same seed and length",
    LONGER: "the first member, trained on, against itself",
    MEMBER: "an average of M nets has a + b / M, and b is what members lose to the ensemble",
    TRIALS: "how far the search's trials lie apart, beyond seeds, and the mean of the best of twice as many",
    RELABEL: "the label noise: mended in the test set as in training, it is no error any more",
}
LAW = 0.5  # of a foretold gain: how far it is off where it goes on past what was trained, as two points' law does; ours
FEWEST_TRIALS = 4  # fewer have no spread to speak of
GUESSED = 1.0  # of a gain from more trials: a search goes on where it has been led; ours


@dataclass(frozen=True)
class Step:
    """One thing to do: how much lower the error on the test set would be, and what that takes.

    `gain` has the 95 % interval of what a run that does it would show there. `trainings` is the cost in trainings of a
    member; `examples` how many a person has to bring or to look at. `setting` does it, where a setting can.
    """

    name: str
    gain: Estimate
    trainings: float
    examples: int
    setting: str
    how: str


@dataclass(frozen=True)
class _Chance:
    """What makes a difference between two errors uncertain beside the examples that it was seen on.

    `seeds` is the variance of one net's mean error from seed to seed, with its degrees of `freedom`; a run that does
    the step is judged on `tested` examples, by `members` nets. `shifted` is how many times as much is missed there as
    where it was seen, and so how many times as much its differences vary.
    """

    seeds: float
    freedom: int
    tested: int
    members: int
    shifted: float

    @property
    def of_new_members(self) -> float:
        """Times the seeds' variance that an ensemble differs by from another of as many members."""
        return 2 / self.members


def steps(exp: Experiment, nets: Nets, noise: Noise | None, seen: Tensor, tested: Tensor) -> list[Step]:
    """What there is to do, the most promising first: those whose gain is told from none, by what they gain.

    Args:
        seen, tested: what the ensemble is wrong by on each validation and on each test example, (N,).
    """
    chance = _chance(exp, nets, seen, tested)
    every = [
        _twice_the_data(exp, nets, noise, seen, chance),
        _larger_model(exp, nets, chance),
        _longer_training(exp, nets, chance),
        _one_more_member(exp, nets, chance),
        _twice_the_trials(exp, nets, chance),
        _labels_looked_at(exp, noise, len(tested)),
    ]
    return sorted(filter(None, every), key=lambda step: (step.gain.low <= 0, -step.gain.value))


def _twice_the_data(exp: Experiment, nets: Nets, noise: Noise | None, seen: Tensor, chance: _Chance) -> Step | None:
    """The error beyond label noise falls by the same share again as from half of the examples to all (a power law).

    Hestness et al. 2017. Two nets of a half against two of all: both have what seeds do.
    """
    if not nets.halves:
        return None
    targets = exp.validation.targets
    half = torch.cat([pairs_within(exp, stacked_outputs(one.nets), targets) for one in nets.halves]).mean(0)
    whole = pairs_within(exp, stacked_outputs(nets.usual), targets).mean(0)
    wrong = noise.share.value if noise else 0.0
    kept = min(1.0, _ratio(whole.mean().item(), half.mean().item(), wrong))
    gain = max(0.0, seen.mean().item() - wrong) * (1 - kept)
    influence = (1 - 2 * kept) * whole + kept**2 * half  # of the gain, of each example that it was seen on
    again = math.sqrt(kept) * (half - whole)  # of a fall that is smaller by so much
    seeds = ((1 - 2 * kept) ** 2 + kept**4) / PAIR + chance.of_new_members
    estimate = _foretold(exp, gain, influence, again, seeds, chance, more=LAW * gain)
    return Step(TWICE, estimate, 2.0 * exp.budget.members, len(exp.train), "", HOW[TWICE])


def _ratio(whole: float, half: float, noise: float) -> float:
    """The error of all examples over that of half of them, both without what label noise makes."""
    return max(0.0, whole - noise) / (half - noise) if half > noise else 1.0


def _larger_model(exp: Experiment, nets: Nets, chance: _Chance) -> Step | None:
    """A wider net against one of its seed and its length."""
    if nets.larger is None:
        return None
    usual = nets.usual[0]
    seeds, more = 2.0 + chance.of_new_members, LAW if exp.long_members else 0.0
    estimate = _of_another(exp, usual, nets.larger, seeds, chance, more)
    work = [counted_flops(exp, one.training) for one in (nets.larger, usual)]
    cost = exp.budget.members * (work[0] / work[1] if all(work) else 1.0)
    model = nets.larger.training.model  # tune may have chosen another than the settings name
    setting = f"model._target_={model.name} model.width={model.declared('width')}"
    return Step(LARGER, estimate, cost, 0, setting, HOW[LARGER])


def _longer_training(exp: Experiment, nets: Nets, chance: _Chance) -> Step | None:
    """The first member against itself, trained on."""
    if nets.longer is None:
        return None
    usual = nets.members[0]
    factor = nets.longer.training.epochs / usual.training.epochs
    setting = f"stages.squeeze.ensemble.epochs_factor={exp.stages.squeeze.ensemble.epochs_factor * factor:g}"
    estimate = _of_another(exp, usual, nets.longer, 1.0 + chance.of_new_members, chance)
    return Step(LONGER, estimate, exp.budget.members * factor, 0, setting, HOW[LONGER])


def _one_more_member(exp: Experiment, nets: Nets, chance: _Chance) -> Step:
    """An average of M members has a + b / M, so one more takes b / (M (M + 1)) off."""
    members = exp.budget.members
    gains = by_seeds(exp, nets).mean(0) / (members + 1)
    estimate = _foretold(exp, gains.mean().item(), gains, gains, 2.0 / (members + 1) ** 2, chance)
    return Step(MEMBER, estimate, 1.0, 0, f"budget.members={members + 1}", HOW[MEMBER])


def _labels_looked_at(exp: Experiment, noise: Noise | None, tested: int) -> Step | None:
    """A wrong label of the test set counts as an error of nets that are right: mended, it does no longer.

    Of the test set as many are taken to be looked at as of as many training examples.
    """
    if noise is None or not len(noise.contradicted):
        return None
    of_each = len(noise.contradicted) / len(exp.train)
    return Step(RELABEL, noise.share, 0.0, math.ceil(of_each * (len(exp.train) + tested)), "", HOW[RELABEL])


def _twice_the_trials(exp: Experiment, nets: Nets, chance: _Chance) -> Step | None:
    """The best of twice as many draws from a normal distribution, by what trials tell of themselves and not of a seed.

    Blom 1958, Statistical Estimates and Transformed Beta-Variables, for the mean of the best; the spread is that of the
    better half, since trials fail in more ways than they succeed.
    """
    losses = torch.tensor(exp.searched, dtype=torch.double)
    count = len(losses)
    if count < FEWEST_TRIALS:
        return None
    by_chance = torch.tensor([one.history.best_losses.mean() for one in nets.members], dtype=torch.double)
    middle = losses.median()
    if min(middle.item(), by_chance.mean().item()) <= 0:  # no share of such a loss
        return None
    better = losses[losses <= middle]
    spread = ((better - middle).square().mean().sqrt() / middle).item()
    real = max(0.0, spread**2 - (by_chance.std() / by_chance.mean()).item() ** 2)
    share = real / spread * (_best_of(2 * count) - _best_of(count)) if spread else 0.0
    one, other = each_alone(exp, nets.members[:PAIR])
    gain = one.mean().item() * min(1.0, share)
    apart = (one - other) / math.sqrt(exp.budget.members)
    estimate = _foretold(exp, gain, None, apart, chance.of_new_members, chance, more=GUESSED * gain)
    search = exp.stages.tune.bayesian
    each = (search.rung + 1 / search.reduction) * exp.training.epochs / nets.members[0].training.epochs
    trials = exp.budget.trials  # some of them may have diverged
    return Step(TRIALS, estimate, trials * each + exp.budget.members, 0, f"budget.trials={2 * trials}", HOW[TRIALS])


def _best_of(count: int) -> float:
    """The mean of the largest of so many standard normal draws, about."""
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25))


def _chance(exp: Experiment, nets: Nets, seen: Tensor, tested: Tensor) -> _Chance:
    """The seeds' variance from the members, and from the nets of each half, which have twice as much."""
    alike = [(nets.members, 1.0), *((half.nets, 0.5) for half in nets.halves)]
    freedom, squares = 0, 0.0
    for some, share in alike:
        means = each_alone(exp, some).mean(1)
        freedom += len(means) - 1
        squares += share * means.var().item() * (len(means) - 1)
    shifted = max(1.0, tested.mean().item() / max(seen.mean().item(), 1 / len(seen)))
    return _Chance(squares / freedom, freedom, len(tested), exp.budget.members, shifted)


def _of_another(
    exp: Experiment, usual: Trained, other: Trained, seeds: float, chance: _Chance, more: float = 0.0
) -> Estimate:
    """What one net gains over another, as it would as an ensemble.

    `seeds` as in `_foretold`, and `more` as a share of the gain.
    """
    before, after = each_alone(exp, (usual, other))
    gains = before - after
    gain = gains.mean().item()
    return _foretold(exp, gain, gains, gains, seeds, chance, more * abs(gain))


def _foretold(
    exp: Experiment,
    gain: float,
    influence: Tensor | None,
    realised: Tensor,
    seeds: float,
    chance: _Chance,
    more: float = 0.0,
) -> Estimate:
    """`gain` with the 95 % interval of what a run that does it will show on its test set.

    Args:
        influence: what each example (N,) that it was seen on adds to it; None where none does.
        realised: differences (N,) as a test set will have them, of which the mean is uncertain once more.
        seeds: how many times one net's variance from seed to seed is in what was seen and in what will be.
        more: a half-width for what no chance explains.
    """
    groups, count = exp.validation.groups, len(realised)
    sources = [
        *([_of_examples(influence, groups)] if influence is not None else []),
        Source(_of_examples(realised, groups).variance * chance.shifted * count / chance.tested, count - 1),
        Source(chance.seeds * chance.shifted * seeds, chance.freedom),
    ]
    half = math.hypot(half_width(sources, LEVEL / 2), more)
    return Estimate(gain, gain - half, gain + half)


def _of_examples(values: Tensor, groups: Tensor | None) -> Source:
    each = by_cluster(values, groups)
    return Source(each.var().item() / len(each), len(each) - 1)
