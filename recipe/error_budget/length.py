"""How long members are trained: their usual length, or that of one left training where that surely pays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from recipe.statistics.clusters import mean_interval
from recipe.training.ensemble import PAIR, ensemble_trainings, extended_training
from recipe.training.evaluation import share_of_loss
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all


@dataclass(frozen=True)
class Outcome:
    """What going on bought: the two losses, the fall with its 95 % interval, and the metric before and after.

    `share` is the fall as a share of the usual loss, at the lower end of its interval.
    """

    usual_loss: float
    loss: float
    gain: float
    interval: tuple[float, float]
    usual_metric: float
    metric: float

    @property
    def share(self) -> float:
        return share_of_loss(self.interval[0], self.usual_loss)


def as_long_as_it_pays(exp: Experiment) -> Experiment:
    """The experiment whose members are trained as long as one that was left training, where that surely pays."""
    longer = extended_training(exp)
    if longer is None:
        return exp
    member, long = usual_and_left(exp, longer)
    return replace(exp, long_members=pays(exp, outcome_of(exp, member, long)))


def pays(exp: Experiment, outcome: Outcome) -> bool:
    """Whether going on surely gains more than is worth it; not where the training diverged."""
    return outcome.share > exp.stages.squeeze.extended.worthwhile


def usual_and_left(exp: Experiment, longer: Training) -> tuple[Trained, Trained]:
    """The first member at its usual length, and the same left training.

    The second member is trained beside them, so that no worker waits for the long one; the others have their length by
    what comes of it.
    """
    first, *second = ensemble_trainings(exp)[:PAIR]
    long, member, *_ = fit_all(exp, [longer, first, *second])
    return member, long


def outcome_of(exp: Experiment, member: Trained, long: Trained) -> Outcome:
    """What a member that was left training gains over itself at its usual length."""
    before, after = member.history.best_losses.double(), long.history.best_losses.double()
    gains, metric = before - after, exp.objective.metric
    return Outcome(
        before.mean().item(),
        after.mean().item(),
        gains.mean().item(),
        mean_interval(gains, exp.validation.groups),
        metric.of(member.history.best_scores.double().numpy()),
        metric.of(long.history.best_scores.double().numpy()),
    )
