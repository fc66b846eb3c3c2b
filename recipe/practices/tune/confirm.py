"""tune/confirm: the best few again with new seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_least, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.gains import Gain, gain
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import fit_all
from recipe.tuning.pilot import search_from_pilot
from recipe.tuning.search import Trial, at_best_epoch, in_order, new_seeds
from recipe.tuning.space import Space, space_of

ADDED = {"augment": "augmentation", "scheduler": "the schedule"}  # to a trial of the search
LEAST_LOSS = 1e-12  # what a share is taken of, where the search found a loss of zero


@dataclass(frozen=True)
class Candidate:
    """A trial of the search and what it gives with new seeds: the losses of the validation examples, (seeds, N)."""

    trial: Trial
    losses: Tensor
    metric: float

    @property
    def confirmed(self) -> float:
        """The mean validation loss over the new seeds; infinite where one diverged."""
        mean = self.losses.mean().item()
        return mean if math.isfinite(mean) else math.inf

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the confirmed loss, over new seeds and new examples."""
        mean = gain(self.losses)
        return mean.low, mean.high

    @property
    def shrinkage(self) -> float:
        """By what share of the loss found in the search the confirmed one is higher."""
        return (self.confirmed - self.trial.loss) / max(abs(self.trial.loss), LEAST_LOSS)


class Settings(Strict):
    candidates: int = Field(ge=1)


class Limits(Strict):
    min_lead: float


@practice("tune/confirm")
def confirm(exp: Experiment) -> Finding:
    """What the search found best is better than the start when both are trained again with new seeds.

    The best of many trials owes part of its lead to a lucky seed; a mean over seeds that the search has not seen has no
    such luck. Measured is the lead of the best of the search, never of the start over itself, so it can be negative;
    then the start goes on, for the lowest confirmed mean is chosen, the start among them. The validation examples are
    the same, so some optimism stays: the test set ends it. Source: the recipe, 5; Smith and Winkler 2006, "the
    optimizer's curse".
    """
    space = space_of(exp)
    if not space.axes:
        return skip("Nothing was searched, so there is nothing to confirm; what regularize chose goes on.")
    start, *found = _candidates(exp)
    if not found:
        return skip("No other trial was trained to the end: on the way nothing beats the start, which goes on.")
    best, lead = _best(found), gain(start.losses - _best(found).losses, exp.validation.groups)
    return Finding(
        summary=_in_words(exp, best, start, min(found, key=lambda one: one.trial.loss), lead),
        measured=lead.value,
        interval=(lead.low, lead.high),
        expected="above 0, beyond chance",
        advice="What the search prefers may be luck: give it more trials and more seeds (budget=thorough), or a larger "
        "validation split. Where the start is as good as it gets, leave the settings as they are.",
        requirements=(at_least(lead.low, "min_lead", otherwise="warn"),),
        figures={"confirmed": _drawn([start, *found])},
        table=_table(space, [start, *found], _best([start, *found])),
    )


def chosen(exp: Experiment) -> Training:
    """What squeeze builds on: the training with the lowest confirmed loss, with the start's seed and its best epoch."""
    space = space_of(exp)
    best = _best(_candidates(exp)).trial.training if space.axes else space.start
    return best.having(seed=space.start.seed, keep_best=True)


def _candidates(exp: Experiment) -> list[Candidate]:
    """The start, then the best of the other trials that were trained to the end.

    The first of them augmented too, and with the schedule at hand.
    """
    trials = search_from_pilot(exp)
    others = [trial for trial in in_order(trials) if trial.finished and trial.number and math.isfinite(trial.loss)]
    few = [trials[0], *others[: exp.stages.tune.confirm.candidates]]
    favourite = few[1:2]
    few += [_augmented(exp, trial) for trial in favourite if exp.augment and not trial.training.augment]
    few += [_scheduled(exp, trial) for trial in favourite if exp.scheduler]
    fit_all(exp, [one for trial in few for one in new_seeds(exp, trial.training)])
    return [_candidate(exp, trial) for trial in few]


def _augmented(exp: Experiment, trial: Trial) -> Trial:
    """The same with the augmentation at hand: at the rate that regularize had, it may not have paid yet."""
    training = trial.training.having(augment=exp.augment)
    return replace(trial, training=training, point={**trial.point, "augment": True})


def _scheduled(exp: Experiment, trial: Trial) -> Trial:
    """The same under the schedule at hand, which is off until here: now the rate that it starts from is tuned."""
    return replace(
        trial, training=trial.training.having(scheduler=exp.scheduler), point={**trial.point, "scheduler": True}
    )


def _candidate(exp: Experiment, trial: Trial) -> Candidate:
    losses, scores = zip(*(at_best_epoch(run) for run in fit_all(exp, new_seeds(exp, trial.training))), strict=True)
    return Candidate(trial, torch.stack(losses), exp.objective.metric.signed(torch.stack(scores).mean().item()))


def _best(candidates: list[Candidate]) -> Candidate:
    """The lowest confirmed loss; the start, which is the first, where another is only as good."""
    return min(candidates, key=lambda one: one.confirmed)


def _in_words(exp: Experiment, best: Candidate, start: Candidate, favourite: Candidate, lead: Gain) -> str:
    seeds = f"{exp.budget.seeds} new seeds"
    curse = (
        f"the search's favourite, {_name(favourite)}, went from {favourite.trial.loss:.4g} to {favourite.confirmed:.4g}"
    )
    if start.confirmed <= best.confirmed:
        return f"Over {seeds} nothing beats the start's validation loss of {start.confirmed:.4g}; {curse}."
    return (
        f"Over {seeds} {_name(best)} has a mean validation loss of {best.confirmed:.4g}, the start "
        f"{start.confirmed:.4g}, a gain of {lead.value:.3g} [{lead.low:.3g}, {lead.high:.3g}]"
        f"{'' if lead.holds() else ', which chance may explain'}; {curse}."
    )


def _name(candidate: Candidate) -> str:
    if not candidate.trial.number:
        return "the start"
    added = [words for name, words in ADDED.items() if candidate.trial.point.get(name)]
    return " with ".join([f"trial {candidate.trial.number}", *added])


def _drawn(candidates: list[Candidate]) -> object:
    """The confirmed mean with its interval, and beside it what the search had seen."""
    figure = drawing.intervals(
        {_name(one): (one.confirmed, *one.interval) for one in candidates if math.isfinite(one.confirmed)},
        "validation loss",
        "Confirmed with new seeds",
    )
    chart = figure.axes[0]
    shown = [one for one in candidates if math.isfinite(one.confirmed)]
    chart.plot(
        [one.trial.loss for one in shown],
        range(len(shown)),
        "D",
        color=drawing.PALETTE[1],
        markersize=5,
        linestyle="none",
        label="in the search",
    )
    chart.legend(frameon=False, fontsize=8)
    return figure


def _table(space: Space, candidates: list[Candidate], best: Candidate) -> pd.DataFrame:
    rows = []
    for one in sorted(candidates, key=lambda one: one.confirmed):
        low, high = one.interval
        rows.append(
            {
                "trial": one.trial.number,
                "chosen": one is best,
                "confirmed_loss": one.confirmed,
                "confirmed_low": low,
                "confirmed_high": high,
                "searched_loss": one.trial.loss,
                "shrinkage": one.shrinkage,
                "metric": one.metric,
                **space.settings(one.trial.training),
                **{name: True for name in ADDED if one.trial.point.get(name)},
            }
        )
    return pd.DataFrame(rows)
