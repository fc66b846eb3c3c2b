"""regularize/combination: the changes that hold, together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_least, practice
from recipe.practices.regularize.augment import augment_changes
from recipe.practices.regularize.batch_size import batch_size_changes
from recipe.practices.regularize.creative_augment import disturbance_changes, mixture_changes
from recipe.practices.regularize.dropout import dropout_changes
from recipe.practices.regularize.early_stopping import early_stopping_changes
from recipe.practices.regularize.input_size import input_size_changes
from recipe.practices.regularize.larger_early_stopped import larger_early_stopped_changes
from recipe.practices.regularize.pretrained import pretrained_changes
from recipe.practices.regularize.smaller_model import smaller_model_changes
from recipe.practices.regularize.weight_decay import weight_decay_changes
from recipe.settings.strict import Strict
from recipe.statistics.intervals import Estimate
from recipe.training.best_epochs import folds_of
from recipe.training.comparison import (
    Change,
    Comparison,
    best_of,
    compare,
    compare_all,
    control_seeds,
    judged,
    leads,
    row,
    validation,
)
from recipe.training.experiment import Experiment, Training


def size_changes(exp: Experiment) -> list[Change]:
    """A smaller model, or a larger one stopped early: of the two at most one goes on."""
    return [*smaller_model_changes(exp), *larger_early_stopped_changes(exp)]


# What the stage tries, in the order in which what holds is put together: the input first, then the net, then the way.
TRIED: tuple[Callable[[Experiment], list[Change]], ...] = (
    augment_changes,
    disturbance_changes,
    mixture_changes,
    pretrained_changes,
    input_size_changes,
    size_changes,
    dropout_changes,
    weight_decay_changes,
    batch_size_changes,
    early_stopping_changes,
)


class Settings(Strict):
    min_gain: float
    worthwhile: float = Field(ge=0, lt=1)


class Limits(Strict):
    min_gain: float


@practice("regularize/combination")
def combination(exp: Experiment) -> Finding:
    """The changes whose gains hold are better together than the best of them alone.

    Of several ways to do one thing, such as strengths, the best one joins. Where none holds, those that lead the
    control by a standard error do: nothing is claimed of them, but they are likelier to be better than not. They go on
    together only where their paired interval against the best alone lies above zero; where none leads, the control
    does. The gain of what goes on is measured on examples that did not choose it. Source: the recipe, 4, one change at
    a time.
    """
    choice = _choose(exp)
    honest, together = _gain_where_it_was_not_chosen(exp, choice), choice.together
    return Finding(
        summary=_in_words(choice, honest),
        measured=honest.value if honest else None,
        interval=(honest.low, honest.high) if honest else None,
        expected="above 0" if honest else "a change that holds, or leads",
        advice="Where the changes get in each other's way, the best goes on alone; the search may find a milder mix.",
        requirements=(at_least(together.gain.high, "min_gain", otherwise="warn"),) if together else (),
        figures={"gains": _figure(choice)} if choice.singles else {},
        table=pd.DataFrame([row(one) for one in choice.everything]),
        answer=(together.answer if together else None),
    )


def chosen(exp: Experiment) -> Training:
    """The training that the next stage builds on."""
    return _choose(exp).training


def changes(exp: Experiment) -> list[Change]:
    """What the stage tries, one at a time."""
    return [change for way in _ways(exp) for change in way]


def _ways(exp: Experiment) -> list[list[Change]]:
    """The same, by the one thing that they do: of its ways at most one goes on."""
    return [[replace(change, way=kind.__name__) for change in kind(exp)] for kind in TRIED]


@dataclass(frozen=True)
class _Choice:
    """What was tried alone, what of it joins (best first), those together against the best, and what goes on.

    What joins holds, or, where nothing does, leads.
    """

    singles: list[Comparison]
    joining: list[Comparison]
    together: Comparison | None
    name: str
    training: Training

    @property
    def everything(self) -> list[Comparison]:
        return [*self.singles, *([self.together] if self.together else [])]


def _choose(exp: Experiment) -> _Choice:
    ways = _ways(exp)
    tried = [change for way in ways for change in way]
    singles = compare_all(exp, tried)
    by_name = {one.name: one for one in singles}
    groups = [[by_name[change.name] for change in way] for way in ways]
    joining = _best_of_each(groups, lambda one: one.answer == "holds") or _best_of_each(
        groups, functools.partial(leads, exp)
    )
    apply = {change.name: change for change in tried}
    order = [apply[one.name] for one in joining]
    joining.sort(key=lambda one: -one.gain.value)
    if not joining:
        return _Choice(singles, joining, None, *_stopped_early(exp, "the control", exp.training))
    best = joining[0]
    name, training, together = best.name, best.training, None
    rest = [change for change in order if change.name != best.name]
    if rest:
        both = Change(
            f"all that {_proven(joining)}", lambda training: functools.reduce(lambda t, c: c.apply(t), rest, training)
        )
        together = compare(exp, best.training, both)
        if together.gain.holds():
            name, training = both.name, together.training
    return _Choice(singles, joining, together, *_stopped_early(exp, name, training))


def _best_of_each(ways: Sequence[Sequence[Comparison]], joins: Callable[[Comparison], bool]) -> list[Comparison]:
    """Of each way the best that joins, where one does; from all seeds."""
    joining = ([one for one in way if joins(one)] for way in ways)
    return [best_of(some) for some in joining if some]


def _proven(joining: Sequence[Comparison]) -> str:
    """What those that join do: all of them hold, or they lead."""
    return "hold" if joining[0].answer == "holds" else "lead"


def _stopped_early(exp: Experiment, name: str, training: Training) -> tuple[str, Training]:
    """With its best epoch kept where that is no worse beyond chance: it costs nothing."""
    for change in early_stopping_changes(exp) if not training.keep_best else []:
        comparison = compare(exp, training, change)
        if comparison.gain.high >= 0:
            return f"{name} with {change.name}", comparison.training
    return name, training


def _gain_where_it_was_not_chosen(exp: Experiment, choice: _Choice) -> Estimate | None:
    """What the best of the changes that join gains on examples that did not choose it; None where none joins.

    The best of several looks better on those that chose it than it is: so for each part of the validation split it is
    the one that is best on the others (Varma and Simon 2006, BMC Bioinformatics 7:91).
    """
    if not choice.joining:
        return None
    seen_through = [one for one in choice.singles if one.seeds >= exp.budget.seeds]
    losses = {one.name: validation(exp, one.training).losses for one in seen_through}
    joining = [losses[one.name] for one in choice.joining]
    kept = _best_on_other_parts(joining) if exp.replicates else _best_on_other_examples(joining)
    control = validation(exp, exp.training, control_seeds(exp)).losses
    family = [kept, *losses.values()]
    return judged(exp, [control] * len(family), family, [False] * len(family))[0].gain


def _best_on_other_parts(joining: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """In each part that is held out by a seed, the losses of what is best in the others."""
    places = range(len(joining[0]))

    def elsewhere(losses: Sequence[Tensor], place: int) -> float:
        return torch.cat([losses[other] for other in places if other != place]).mean().item()

    return [min(joining, key=lambda losses: elsewhere(losses, place))[place] for place in places]


def _best_on_other_examples(joining: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Of every seed the losses of each example under what is best on others."""
    stacked = [torch.stack(list(one)) for one in joining]
    kept = torch.empty_like(stacked[0])
    for fold in folds_of(kept.shape[1]):
        best = min(stacked, key=lambda one: one[:, fold.others].mean().item())
        kept[:, fold.members] = best[:, fold.members]
    return list(kept)


def _in_words(choice: _Choice, honest: Estimate | None) -> str:
    if honest is None:
        undecided = [one.name for one in choice.singles if one.answer == "open"]
        could = f"; of {len(undecided)} it could not be told" if undecided else ""
        nothing = f"Of {len(choice.singles)} changes none holds, and none leads by a standard error"
        return f"{nothing}{could}. What goes on is {choice.name}."
    names = ", ".join(one.name for one in choice.joining)
    proven = _proven(choice.joining)
    found = f"these hold: {names}" if proven == "hold" else f"none holds; these lead by a standard error: {names}"
    against = ""
    if choice.together:
        one = choice.together.gain
        proof = {"holds": "better", "refuted": "worse", "open": "no better beyond chance"}[choice.together.answer]
        against = (
            f" Together they are {proof} than {choice.joining[0].name} alone: {one.value:.3g} [{one.low:.3g}, "
            f"{one.high:.3g}]."
        )
    return (
        f"Of {len(choice.singles)} changes {found}. The best gains {honest.value:.3g} [{honest.low:.3g}, "
        f"{honest.high:.3g}] on examples that did not choose it.{against} What goes on is {choice.name}."
    )


def _figure(choice: _Choice) -> object:
    values = {one.name: (one.gain.value, one.gain.low, one.gain.high) for one in _by_gain(choice.singles)}
    if choice.together:
        one = choice.together
        values[f"all that {_proven(choice.joining)}, over the best"] = (one.gain.value, one.gain.low, one.gain.high)
    return drawing.intervals(values, "fall of the validation loss", "Gains, with 95 % intervals", {"no gain": 0.0})


def _by_gain(comparisons: Sequence[Comparison]) -> list[Comparison]:
    return sorted(comparisons, key=lambda one: -one.gain.value)
