"""A search over the settings of a training, the same whatever the number of workers and wherever it was interrupted.

Trials are asked for and told in batches of a fixed size, and each batch goes through its rungs together. What is asked
next is a function of what was told before, and a finished training is never carried out again: so a search that was
killed repeats its questions, reads the answers, and goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all
from recipe.tuning.space import Point, Space, space_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler

NEW_SEEDS = 1000  # from here on come the seeds that no trial of a search has had


@dataclass(frozen=True)
class Trial:
    """One trial: where it lies, what it trains in full, and the validation loss after each rung that it reached.

    A loss is not finite where the training diverged; `losses` goes by epochs.
    """

    number: int
    point: Point
    training: Training
    losses: Mapping[int, float]

    @property
    def finished(self) -> bool:
        """Whether it went through every rung, up to all epochs."""
        return self.training.epochs in self.losses

    @property
    def loss(self) -> float:
        """After its last rung."""
        return self.losses[max(self.losses)]


def search(experiment: Experiment, warm: Sequence[Point] = ()) -> list[Trial]:
    """`budget.trials` trials by Optuna's tree-structured Parzen estimator, in order; trial 0 is the start itself.

    Each batch trains to the first rung, and its best `1 / reduction` to the end (synchronous successive halving,
    Jamieson and Talwalkar 2016); the start goes to the end always.

    Args:
        warm: points to try right after the start, such as the best of an earlier, cheaper search.
    """
    space = space_of(experiment)
    settings = experiment.stages.tune.bayesian
    given = [space.point(space.start), *warm][: experiment.budget.trials]
    trials: list[Trial] = []
    while len(trials) < experiment.budget.trials:
        numbers = range(len(trials), min(len(trials) + settings.batch, experiment.budget.trials))
        points = given[numbers.start : numbers.stop]
        points += _ask(space, trials, range(numbers.start + len(points), numbers.stop), startup=settings.batch)
        batch = [_trial(space, number, point, {}) for number, point in zip(numbers, points, strict=True)]
        trials += _through_rungs(experiment, batch)
    return trials


def rungs(experiment: Experiment) -> tuple[int, ...]:
    """The epochs after which a batch is thinned out, and at the end all epochs."""
    full = experiment.training.epochs
    return tuple(sorted({_first_rung(experiment, full), full}))


def best_at_the_rung(experiment: Experiment, options: Sequence[Sequence[Training]]) -> list[Training]:
    """The best of each of several lists of trainings, by the loss of one seed after the share of epochs of a rung.

    Cheap enough for what every choice needs of its own, such as a learning rate: its nuisance settings.
    """
    losses = iter(losses_at_the_rung(experiment, [training for some in options for training in some]))
    return [min(some, key=lambda _: next(losses)) for some in options]


def losses_at_the_rung(experiment: Experiment, trainings: Sequence[Training]) -> list[float]:
    """The validation loss of each of `trainings`, one seed, after the share of its epochs that a rung has."""
    return [mean_loss(run) for run in fit_all(experiment, [_at_the_rung(experiment, one) for one in trainings])]


def _at_the_rung(experiment: Experiment, training: Training) -> Training:
    return training.having(epochs=_first_rung(experiment, training.epochs), keep_best=False)


def _first_rung(experiment: Experiment, epochs: int) -> int:
    """After how many of so many `epochs` the first thinning out is."""
    return max(1, math.ceil(epochs * experiment.stages.tune.bayesian.rung))


def new_seeds(experiment: Experiment, training: Training) -> list[Training]:
    """`training` with as many seeds as a comparison has, none of which a search has seen."""
    first = experiment.training.seed + NEW_SEEDS
    return [training.having(seed=first + number) for number in range(experiment.budget.seeds)]


def validation_losses(run: Trained) -> Tensor:
    """The loss of each validation example (N,) at the best epoch, which is chosen on other examples than itself."""
    return run.history.at_best_epoch()[0]


def mean_loss(run: Trained) -> float:
    """The validation loss of `run` at its best epoch; infinite where it diverged, before that or after."""
    loss = validation_losses(run).mean().item()
    return loss if math.isfinite(loss) else math.inf


def in_order(trials: Sequence[Trial]) -> list[Trial]:
    """The best first: those that were trained further before those that were not, then by loss."""
    return sorted(trials, key=lambda trial: (-max(trial.losses), trial.loss, trial.number))


def _through_rungs(experiment: Experiment, batch: Sequence[Trial]) -> list[Trial]:
    """`batch` with the losses of the rungs that each trial reached."""
    reached = {trial.number: trial for trial in batch}
    going_on = list(batch)
    for epochs in rungs(experiment):
        runs = fit_all(experiment, [trial.training.having(epochs=epochs) for trial in going_on])
        for trial, run in zip(going_on, runs, strict=True):
            losses = {**reached[trial.number].losses, epochs: mean_loss(run)}
            reached[trial.number] = replace(trial, losses=losses)
        count = math.ceil(len(batch) / experiment.stages.tune.bayesian.reduction)
        best = in_order([reached[trial.number] for trial in going_on])[:count]
        going_on = [trial for trial in reached.values() if trial in best or trial.number == 0]
    return list(reached.values())


def _ask(space: Space, told: Sequence[Trial], numbers: range, startup: int) -> list[Point]:
    """Where the trials `numbers` lie: a function of the trials told so far, and of nothing else."""
    if not numbers:
        return []
    if len(told) < startup:
        return _spread_evenly(space, numbers)
    from optuna.samplers import TPESampler

    # The seed follows from the batch, so that no generator's state has to outlive an interruption.
    seed = space.start.seed + numbers.start
    study = _study(space, told, TPESampler(seed=seed, multivariate=True, n_startup_trials=startup))
    distributions = {axis.name: axis.distribution() for axis in space.axes}
    return [study.ask(distributions).params for _ in numbers]


def _spread_evenly(space: Space, numbers: range) -> list[Point]:
    """Quasi-random places, which leave smaller gaps than chance does (Sobol 1967; Bousquet et al. 2017)."""
    from scipy.stats.qmc import Sobol

    if not space.axes:
        return [{} for _ in numbers]
    power = math.ceil(math.log2(numbers.stop + 1))  # Sobol's sequence is even in powers of two
    shares = Sobol(len(space.axes), rng=space.start.seed).random_base2(power)
    return [
        {axis.name: axis.of_share(float(share)) for axis, share in zip(space.axes, shares[number], strict=True)}
        for number in numbers
    ]


def _study(space: Space, told: Sequence[Trial], sampler: BaseSampler) -> Study:
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler)
    distributions = {axis.name: axis.distribution() for axis in space.axes}
    for trial in told:
        study.add_trial(
            create_trial(
                params=dict(trial.point),
                distributions=distributions,
                value=trial.loss if trial.finished else None,
                intermediate_values=dict(trial.losses),
                state=TrialState.COMPLETE if trial.finished else TrialState.PRUNED,
            )
        )
    return study


def _trial(space: Space, number: int, point: Point, losses: Mapping[int, float]) -> Trial:
    training = space.start if number == 0 else space.training(point, number)
    return Trial(number, point, training, losses)
