"""Independent members averaged: the trainings, their joint outputs, and how sure those should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from recipe.statistics.clusters import mean_interval
from recipe.statistics.intervals import Estimate
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all
from recipe.training.objective import Task

PAIR = 2  # nets: what seeds do, and what a longer training does, is seen where two answer together
COOLEST, HOTTEST = 0.05, 20.0  # temperatures beyond these mean that the outputs are no logits at all
ROUNDS = 60  # golden-section steps: each keeps 0.618 of the interval, so 60 leave 1e-12 of it
GOLDEN = (math.sqrt(5) - 1) / 2
BINS = 15  # of confidence (Guo et al. 2017, section 4)
FOLDS = 5  # of the validation split: each part is judged under the temperature fitted on the others
CHANCE_ROUNDS = 500  # of labels drawn from the probabilities: their 95 % point is known to one in fifty of it
CHANCE_LEVEL = 0.05  # share of calibrated nets whose error is taken for more than chance


def ensemble_trainings(experiment: Experiment, least: int = 1) -> list[Training]:
    """The members, `least` of them at least: the same training from other seeds, for longer, the best weights kept."""
    first = _as_long_as_members(experiment, experiment.training)
    return [first.having(seed=first.seed + member) for member in range(max(least, experiment.budget.members))]


def usual_trainings(experiment: Experiment) -> list[Training]:
    """The members at their usual length, also where they are left training; two at least."""
    return ensemble_trainings(replace(experiment, long_members=False), least=PAIR)


def extended_training(experiment: Experiment) -> Training | None:
    """The first member's training, far past its usual length; None where what is asked for is no longer."""
    longer = _left_training(experiment, experiment.training)
    return longer if longer.epochs > ensemble_trainings(experiment)[0].epochs else None


def other_training(experiment: Experiment) -> Training | None:
    """A net of the best other architecture, as long as members are; None where there is none, or one member alone."""
    wanted, members = experiment.stages.squeeze.ensemble.other_architecture, experiment.budget.members
    if not wanted or not experiment.others or members == 1:
        return None
    return _as_long_as_members(experiment, experiment.others[0].having(seed=experiment.training.seed + members))


def _as_long_as_members(experiment: Experiment, base: Training) -> Training:
    return _left_training(experiment, base) if experiment.long_members else _member(experiment, base)


def _member(experiment: Experiment, base: Training) -> Training:
    """`base` at a member's usual length."""
    epochs = math.ceil(base.epochs * experiment.stages.squeeze.ensemble.epochs_factor)
    return base.having(epochs=epochs, keep_best=True)


def _left_training(experiment: Experiment, base: Training) -> Training:
    """`base` far past a member's usual length, and ended where it has found nothing better for long."""
    usual, settings = _member(experiment, base), experiment.stages.squeeze.extended
    patience = max(1, math.ceil(settings.patience * usual.epochs))
    return usual.having(epochs=math.ceil(base.epochs * settings.factor), patience=patience)


def train_members(experiment: Experiment) -> list[Trained]:
    """The members: one of each seed, or with another architecture in the place of the last where that is better."""
    return train_candidates(experiment).members


@dataclass(frozen=True)
class Candidates:
    """Nets of each seed, and one of another architecture that may take the place of the last.

    `gain` is the fall of the validation loss with it, against as many nets without; None where there is no other, or
    one of them has diverged.
    """

    seeds: list[Trained]
    other: Trained | None = None
    gain: Estimate | None = None

    @property
    def takes_a_place(self) -> bool:
        """Whether the other gains beyond chance."""
        return self.gain is not None and self.gain.low > 0

    @property
    def members(self) -> list[Trained]:
        """Those that answer together."""
        return self.with_the_other if self.takes_a_place else self.seeds

    @property
    def with_the_other(self) -> list[Trained]:
        """As many, with the other in the place of the last seed."""
        return [*self.seeds[:-1], *([self.other] if self.other else self.seeds[-1:])]


def train_candidates(experiment: Experiment) -> Candidates:
    """Train all that may be members side by side, and compare as many with and without the other architecture.

    Where members are left training, it is tried at their usual length first, beside two that are trained already: where
    it gains nothing there it gets no longer.
    """
    alike, other = ensemble_trainings(experiment), other_training(experiment)
    if other is None:
        return Candidates(fit_all(experiment, alike))
    short = other_training(replace(experiment, long_members=False))
    if short is not None and short != other:
        pair = usual_trainings(experiment)[:PAIR]
        *seeds, one, two, tried = fit_all(experiment, [*alike, *pair, short])
        found = _compared(experiment, [one, two], tried)
        if found.gain is None or found.gain.value <= 0:
            return replace(found, seeds=seeds)
    *seeds, net = fit_all(experiment, [*alike, other])
    return _compared(experiment, seeds, net)


def _compared(experiment: Experiment, seeds: list[Trained], other: Trained) -> Candidates:
    """What `other` gains in the place of the last of `seeds`."""
    found = Candidates(seeds, other)
    if any(net.history.diverged or not bool(net.outputs.isfinite().all()) for net in (*seeds, other)):
        return found
    gains = _together(experiment, found.seeds) - _together(experiment, found.with_the_other)
    low, high = mean_interval(gains, experiment.validation.groups)
    return replace(found, gain=Estimate(gains.mean().item(), low, high))


def _together(experiment: Experiment, nets: Sequence[Trained]) -> Tensor:
    """The loss of each validation example under `nets` together, (N,), without the luck of their epochs.

    Each net keeps the epoch that is best on these very examples, and one with more epochs has more to choose from: so
    what each loses at the epoch that is best for other examples, and not at its own, is put on top.
    """
    objective, targets = experiment.objective, experiment.validation.targets.cpu()
    joint = objective.per_example(average(stacked_outputs(nets), experiment.task), targets)
    lucky = [net.history.best_losses.double() - objective.per_example(net.outputs, targets).double() for net in nets]
    return joint.double() + torch.stack(lucky).mean(0)


def ensemble_temperature(experiment: Experiment, members: Sequence[Trained]) -> float:
    """What divides the members' logits, fitted on the validation split; 1 for a regression, which has no logits."""
    if experiment.task == "regression":
        return 1.0
    validation = experiment.validation
    return choose_temperature(stacked_outputs(members), validation.targets.cpu(), validation.groups).value


@dataclass(frozen=True)
class Temperature:
    """The temperature that is used, the one that was fitted, and what the fitted one gains where it was not fitted.

    `joint` (N, k) are the log-probabilities under the one that is used, of examples that it was not fitted on. `gain`
    is the fall of the negative log-likelihood against a temperature of 1, `interval` its 95 % interval.
    """

    value: float
    fitted: float
    joint: Tensor
    gain: float
    interval: tuple[float, float]

    @property
    def kept(self) -> bool:
        """Whether 1 is kept, since the fitted temperature is not better beyond chance."""
        return self.value == 1.0


def choose_temperature(outputs: Tensor, targets: Tensor, groups: Tensor | None = None) -> Temperature:
    """The fitted temperature where it lowers the loss of examples that it was not fitted on, beyond chance; else 1.

    A temperature is one more thing to estimate: of a net that is calibrated already it makes a worse one. `outputs` are
    the members' (M, N, k); `groups` (N,) number the clusters of the examples.
    """
    plain, cooled = average(outputs, "classification"), _cross_fitted(outputs, targets)
    gains = functional.nll_loss(plain.double(), targets, reduction="none")
    gains -= functional.nll_loss(cooled.double(), targets, reduction="none")
    interval = mean_interval(gains, groups)
    fitted = fit_temperature(outputs, targets)
    better = interval[0] > 0
    return Temperature(fitted if better else 1.0, fitted, cooled if better else plain, gains.mean().item(), interval)


def _cross_fitted(outputs: Tensor, targets: Tensor) -> Tensor:
    """The joint log-probabilities (N, k), each part's under the temperature of the others."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    joint = torch.empty_like(outputs[0])
    for part in order.chunk(FOLDS):
        others = torch.ones(len(targets), dtype=torch.bool)
        others[part] = False
        temperature = fit_temperature(outputs[:, others], targets[others])
        joint[part] = average(outputs[:, part], "classification", temperature)
    return joint


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
    return _error(confidence.double(), (predicted == targets).double(), bins)


def error_by_chance(log_probabilities: Tensor, groups: Tensor | None = None, bins: int = BINS) -> float:
    """The calibration error that a net with these probabilities, all of them true, exceeds once in twenty times.

    The error of few examples is above 0 by chance alone. Whether each is right is drawn again from its confidence
    (consistency resampling: Broecker and Smith 2007, Weather and Forecasting 22:651; Vaicenavicius et al. 2019); the
    examples of a cluster, which `groups` (N,) number, are right or wrong together.
    """
    confidence = log_probabilities.exp().max(1).values.double()
    cluster = torch.arange(len(confidence)) if groups is None else groups.unique(return_inverse=True)[1]
    generator = torch.Generator().manual_seed(0)
    errors = torch.empty(CHANCE_ROUNDS, dtype=torch.double)
    for number in range(CHANCE_ROUNDS):
        luck = torch.rand(len(confidence), generator=generator, dtype=torch.double)[cluster]
        errors[number] = _error(confidence, (luck < confidence).double(), bins)
    return errors.quantile(1 - CHANCE_LEVEL).item()


def _error(confidence: Tensor, correct: Tensor, bins: int) -> float:
    order = confidence.argsort()
    total = sum(abs((correct[part].mean() - confidence[part].mean()).item()) * len(part) for part in order.chunk(bins))
    return total / len(confidence)


def stacked_outputs(members: Sequence[Trained]) -> Tensor:
    """The members' outputs on the validation split, (M, N, k)."""
    return torch.stack([member.outputs for member in members])
