"""tune/confirm: the best few again with new seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_least, practice, skip
from recipe.practices.tune.optimizer import held_optimizer
from recipe.practices.tune.schedule import leading_schedule
from recipe.settings.strict import Strict
from recipe.statistics.gains import Judged, gain, judge_gains
from recipe.statistics.intervals import Estimate
from recipe.training.comparison import bounds
from recipe.training.evaluation import share_of_loss
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import fit_all
from recipe.tuning.choice import where_not_chosen
from recipe.tuning.pilot import losses_of_the_search, search_from_pilot
from recipe.tuning.search import Trial, in_order, mean_loss, new_seeds, rungs
from recipe.tuning.space import Space, space_of

Changes = Mapping[str, Any]  # of a training


@dataclass(frozen=True)
class Candidate:
    """A trial of the search, or one with something `added`, and what it gives with new seeds.

    `losses` are those of the validation examples, (seeds, N).
    """

    trial: Trial
    added: tuple[str, ...]
    losses: Tensor
    metric: float

    @property
    def name(self) -> str:
        """The number of the trial, and what was added to it."""
        found = f"trial {self.trial.number}" if self.trial.number else "the start"
        return f"{found} with {' and '.join(self.added)}" if self.added else found

    @property
    def confirmed(self) -> float:
        """The mean validation loss over the new seeds; infinite where one diverged."""
        mean = self.losses.mean().item()
        return mean if math.isfinite(mean) else math.inf

    def seen_through(self, exp: Experiment) -> bool:
        """Whether it was trained from all seeds, and not ended after the first."""
        return len(self.losses) == exp.budget.seeds

    @property
    def seeds_spread(self) -> float:
        """The standard deviation of the mean loss from seed to seed; nan of one."""
        return self.losses.mean(1).std().item() if len(self.losses) > 1 else math.nan

    @property
    def examples_spread(self) -> float:
        """The standard deviation of the mean loss from one set of as many validation examples to another."""
        return self.losses.mean(0).std().item() / math.sqrt(self.losses.shape[1])

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the confirmed loss, over new seeds and new examples; nan of one seed."""
        mean = gain(self.losses)
        return mean.low, mean.high

    @property
    def shrinkage(self) -> float:
        """By what share of the loss found in the search the confirmed one is higher."""
        return share_of_loss(self.confirmed - self.trial.loss, self.trial.loss)


class Settings(Strict):
    candidates: int = Field(ge=1)


class Limits(Strict):
    min_lead: float


@practice("tune/confirm")
def confirm(exp: Experiment) -> Finding:
    """What the search found best is better than the start when both are trained again with new seeds.

    The best of many trials owes part of its lead to a lucky seed; a mean over seeds that the search has not seen has no
    such luck. Measured is the lead of the best of the search, never of the start over itself, so it can be negative:
    where the search found nothing better than the start, it is that of the best trial beside it. A trial whose first
    new seed gains nothing gets no others. What goes on has the lowest mean over the new seeds, the start among the
    candidates, with augmentation, with the optimizer that holds and with the schedule that leads. Of several the best
    is lucky again: so what it gains is measured where it was not chosen, on other seeds and on other examples (Varma
    and Simon 2006). The validation examples are those of the search, so some optimism stays: the test set ends it.
    Source: the recipe, 5; Smith and Winkler 2006, "the optimizer's curse".
    """
    space = space_of(exp)
    start, *others = _candidates(exp)
    if not others:
        nothing = "Nothing was searched" if not space.axes else "No other trial was trained to the end"
        return skip(f"{nothing}, no other optimizer holds and no schedule leads, so there is nothing to confirm.")
    judged = _judged(exp, start, [one.losses for one in others])
    choice = _best([start, *others])
    kept = where_not_chosen(torch.stack([one.losses for one in (start, *others) if one.seen_through(exp)]))
    honest = _judged(exp, start, [kept, *(one.losses for one in others)])[0]
    plain = [number for number, one in enumerate(others) if not one.added]
    lead = judged[plain[0]] if plain else honest
    return Finding(
        summary=f"{_in_words(exp, start, others[plain[0]], lead) if plain else _no_other()} "
        f"{_choice_in_words(choice, start, len(others), honest.gain)}{_spreads(exp, start)}",
        measured=lead.gain.value,
        interval=(lead.gain.low, lead.gain.high),
        expected="above 0, beyond chance",
        advice="What the search found is no better than the start, which goes on where nothing else is: give the "
        "search more trials and more seeds (budget=thorough), or other ranges under stages.tune.space.",
        requirements=(at_least(lead.gain.high, "min_lead", otherwise="warn"),),
        figures={"confirmed": _drawn([start, *others])},
        table=_table(space, start, others, judged, choice),
        answer=lead.answer,
    )


def chosen(exp: Experiment) -> Training:
    """What squeeze builds on: the training with the lowest confirmed loss, with the start's seed and its best epoch."""
    return _best(_candidates(exp)).trial.training.having(seed=exp.training.seed, keep_best=True)


def _candidates(exp: Experiment) -> list[Candidate]:
    """The start, then the best of the other trials that were trained to the end, then the favourite with more.

    A trial that gains nothing over the start with its first new seed gets no more.
    """
    trials = search_from_pilot(exp) if space_of(exp).axes else [_only(exp)]
    best = [trial for trial in in_order(trials) if trial.finished and math.isfinite(trial.loss)]
    others = [trial for trial in best if trial.number][: exp.stages.tune.confirm.candidates]
    raced: list[tuple[Trial, tuple[str, ...]]] = [(trial, ()) for trial in others]
    raced += [(_with(trial, _augmented(exp)), ("augmentation",)) for trial in others[:1] if _augmented(exp)]
    whole = [(trials[0], ()), *((_with(in_order(trials)[0], changes), names) for names, changes in _held(exp))]
    of_whole = [one for trial, _ in whole for one in new_seeds(exp, trial.training)]
    fit_all(exp, [*of_whole, *(new_seeds(exp, trial.training)[0] for trial, _ in raced)])
    start, *held = [_candidate(exp, trial, names) for trial, names in whole]
    first = [_candidate(exp, trial, names, seeds=1) for trial, names in raced]
    return [start, *_seen_through_where_they_gain(exp, start, first), *held]


def _seen_through_where_they_gain(exp: Experiment, start: Candidate, first: Sequence[Candidate]) -> list[Candidate]:
    """Those of `first`, which have one seed each, with all of theirs where that one gains anything over the start."""
    going_on = {one.name for one in first if one.confirmed < start.confirmed}
    fit_all(exp, [run for one in first if one.name in going_on for run in new_seeds(exp, one.trial.training)])
    return [_candidate(exp, one.trial, one.added) if one.name in going_on else one for one in first]


def _only(exp: Experiment) -> Trial:
    """The start alone, as if it were a search of one trial."""
    start = space_of(exp).start
    [run] = fit_all(exp, [start])
    return Trial(0, {}, start, {start.epochs: mean_loss(run)})


def _augmented(exp: Experiment) -> Changes:
    """The augmentation at hand: at the rate that regularize had, it may not have paid yet."""
    return {"augment": exp.augment} if exp.augment and not exp.training.augment else {}


def _held(exp: Experiment) -> list[tuple[tuple[str, ...], Changes]]:
    """The optimizer that holds and the schedule that leads around the favourite, each alone and both together."""
    optimizer, schedule = held_optimizer(exp), leading_schedule(exp)
    held: list[tuple[tuple[str, ...], Changes]] = []
    if optimizer:
        held.append(((optimizer.name.rpartition(".")[2],), {"optimizer": optimizer}))
    if schedule:
        name = schedule.scheduler.name.rpartition(".")[2]
        held.append(((name,), {"optimizer": schedule.optimizer, "scheduler": schedule.scheduler}))
        if optimizer:
            peak = optimizer.having(lr=optimizer.default_of("lr") * schedule.peak)
            held.append(
                ((*held[0][0], name), {"optimizer": peak, "scheduler": schedule.scheduler}),
            )
    return held


def _with(trial: Trial, changes: Changes) -> Trial:
    return replace(trial, training=trial.training.having(**changes))


def _candidate(exp: Experiment, trial: Trial, added: tuple[str, ...], seeds: int | None = None) -> Candidate:
    """`trial` from its first so many new seeds, or from all."""
    runs = fit_all(exp, new_seeds(exp, trial.training)[:seeds])
    losses, scores = zip(*(run.history.at_best_epoch() for run in runs), strict=True)
    metric = exp.objective.metric.signed(torch.stack(scores).mean().item())
    return Candidate(trial, added, torch.stack(losses), metric)


def _best(candidates: Sequence[Candidate]) -> Candidate:
    """The lowest confirmed loss; the start, which is the first, where another is only as good."""
    return min(candidates, key=lambda one: one.confirmed)


def _judged(exp: Experiment, start: Candidate, losses: Sequence[Tensor]) -> list[Judged]:
    """What each gains over the start, judged together, by the least that regularize holds a gain to."""
    least, worthwhile = bounds(exp, start.confirmed)
    return judge_gains(start.losses, losses, exp.validation.groups, least=least, worthwhile=worthwhile)


def _in_words(exp: Experiment, start: Candidate, favourite: Candidate, lead: Judged) -> str:
    proof = {"holds": "which holds", "refuted": "which does not hold", "open": "which chance may explain"}[lead.answer]
    which = "the search's best" if favourite.trial.loss < start.trial.loss else "the best trial beside the start"
    seeds = f"Over {len(favourite.losses)} new seeds"
    if not favourite.seen_through(exp):
        seeds = "With its first new seed, which gains nothing and so gets no others,"
    return (
        f"{seeds} {which}, {favourite.name}, has a mean validation loss of {favourite.confirmed:.4g}, where the search "
        f"had found {favourite.trial.loss:.4g}, and the start {start.confirmed:.4g}: a gain of {lead.gain.value:.3g} "
        f"[{lead.gain.low:.3g}, {lead.gain.high:.3g}], {proof}."
    )


def _no_other() -> str:
    return "Of the search no other trial than the start was trained to the end."


def _choice_in_words(choice: Candidate, start: Candidate, count: int, honest: Estimate) -> str:
    if choice is start:
        return f"Of {count + 1} candidates nothing beats the start, which goes on."
    return (
        f"Of {count + 1} candidates {choice.name} goes on, at {choice.confirmed:.4g}; where the best was not chosen it "
        f"gains {honest.value:.3g} [{honest.low:.3g}, {honest.high:.3g}] over the start."
    )


def _spreads(exp: Experiment, start: Candidate) -> str:
    """How far the loss moves with the settings, with the seed, and with the examples (Godbole et al. 2023)."""
    if not space_of(exp).axes:
        return ""
    first, early = rungs(exp)[0], losses_of_the_search(exp)
    trials = torch.tensor(early).std().item() if len(early) > 1 else math.nan
    return (
        f" Standard deviations of the loss: {trials:.2g} between the trials of the search after {first} epochs, "
        f"{start.seeds_spread:.2g} between seeds of the start, {start.examples_spread:.2g} from one validation split "
        "to another."
    )


def _drawn(candidates: list[Candidate]) -> object:
    """The confirmed mean with its interval, and beside it what the search had seen."""
    figure = drawing.intervals(
        {one.name: (one.confirmed, *one.interval) for one in candidates if math.isfinite(one.confirmed)},
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


def _table(
    space: Space, start: Candidate, others: Sequence[Candidate], judged: Sequence[Judged], choice: Candidate
) -> pd.DataFrame:
    """A row a candidate, the best first; gains are over the start."""
    rows = []
    found: list[tuple[Candidate, Judged | None]] = [(start, None), *zip(others, judged, strict=True)]
    for one, gained in sorted(found, key=lambda pair: pair[0].confirmed):
        low, high = one.interval
        rows.append(
            {
                "trial": one.trial.number,
                "added": " and ".join(one.added),
                "chosen": one is choice,
                "confirmed_loss": one.confirmed,
                "confirmed_low": low,
                "confirmed_high": high,
                "gain": gained.gain.value if gained else 0.0,
                "gain_low": gained.gain.low if gained else 0.0,
                "gain_high": gained.gain.high if gained else 0.0,
                "answer": gained.answer if gained else "",
                "searched_loss": one.trial.loss,
                "shrinkage": one.shrinkage,
                "seeds": len(one.losses),
                "seeds_spread": one.seeds_spread,
                "examples_spread": one.examples_spread,
                "metric": one.metric,
                "optimizer": one.trial.training.optimizer.name,
                "scheduler": one.trial.training.scheduler.name if one.trial.training.scheduler else "none",
                **space.settings(one.trial.training),
            }
        )
    return pd.DataFrame(rows)
