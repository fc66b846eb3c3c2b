"""What the search likes best, and experiments around it with seeds that the search has not seen."""

from __future__ import annotations

from dataclasses import replace

from torch.optim import Optimizer

from recipe.evidence import Requirement, at_most
from recipe.training.comparison import Comparison
from recipe.training.experiment import Experiment, Training
from recipe.tuning.pilot import search_from_pilot
from recipe.tuning.search import in_order, new_seeds
from recipe.tuning.space import space_of


def around_favourite(experiment: Experiment) -> Experiment:
    """The experiment around the search's best trial, the start among them, judged at its best epoch, with new seeds.

    They are those of tune/confirm, so that it need not train what was compared here.
    """
    space = space_of(experiment)
    best = in_order(search_from_pilot(experiment))[0].training if space.axes else space.start
    return replace(experiment, training=new_seeds(experiment, best)[0].having(keep_best=True))


def rate_of(training: Training) -> float | None:
    """The learning rate of `training`; None where its optimizer has none by that name."""
    optimizer = training.optimizer
    rate = optimizer.declared("lr")
    return float(rate) if isinstance(rate, int | float) else None


def at_rate(training: Training, rate: float) -> Training:
    """`training` with another learning rate."""
    return training.having(optimizer=training.optimizer.having(lr=rate))


def can_be_scheduled(experiment: Experiment) -> bool:
    """Whether the optimizer is one whose learning rate torch's schedules can move."""
    if rate_of(experiment.training) is None:
        return False
    return isinstance(experiment.new_optimizer(experiment.new_model()), Optimizer)


def keeps_its_place(best: Comparison, may_be_replaced: bool) -> Requirement:
    """A part that somebody has named and that is beaten is pointed out: nothing else would be done about it."""
    kept = best.answer == "holds" and not may_be_replaced
    return at_most(best.gain.low if kept else min(0.0, best.gain.low), "max_lead", otherwise="warn")
