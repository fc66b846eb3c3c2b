"""regularize/combination: the changes that hold, together."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pandas as pd

from recipe import drawing
from recipe.evidence import Finding, at_least, practice
from recipe.practices.regularize.augment import augment_changes
from recipe.practices.regularize.creative_augment import creative_augment_changes
from recipe.practices.regularize.dropout import dropout_changes
from recipe.practices.regularize.early_stopping import early_stopping_changes
from recipe.practices.regularize.more_data import more_data_trainings
from recipe.practices.regularize.smaller_model import smaller_model_changes
from recipe.practices.regularize.weight_decay import weight_decay_changes
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, Comparison, compare, in_words, row, with_seeds
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import fit_all


class Settings(Strict):
    min_gain: float


class Limits(Strict):
    min_gain: float


@practice("regularize/combination")
def combination(exp: Experiment) -> Finding:
    """The changes whose gains hold are better together than the best of them alone.

    Where they are not, the best one alone goes on; where none holds, the control does. Source: the recipe, 4, one
    change at a time.
    """
    choice = _choose(exp)
    together = choice.together
    names = ", ".join(one.name for one in choice.held) or "none"
    return Finding(
        summary=f"Gains that hold: {names}. "
        + (f"Against {choice.held[0].name} alone: {in_words(exp, together, _least(exp))} " if together else "")
        + f"What goes on is {choice.name}.",
        measured=together.gain.value if together else None,
        interval=(together.gain.low, together.gain.high) if together else None,
        expected=None if together else "two changes that hold",
        advice="Where the changes get in each other's way, the best goes on alone; the search may find a milder mix.",
        requirements=(at_least(together.gain.value, "min_gain", otherwise="warn"),) if together else (),
        figures={"gains": _figure(choice)} if choice.singles else {},
        table=pd.DataFrame([row(one, _least(exp)) for one in choice.everything]),
    )


def chosen(exp: Experiment) -> Training:
    """The training that the next stage builds on."""
    return _choose(exp).training


def trainings(exp: Experiment) -> list[Training]:
    """Every training of the stage that can be named before any is done, to be spread at once."""
    changed = [exp.training, *(change.apply(exp.training) for change in changes(exp))]
    seeded = [one for training in changed for one in with_seeds(exp, training)]
    return list({str(one.parameters()): one for one in [*more_data_trainings(exp), *seeded]}.values())


def changes(exp: Experiment) -> list[Change]:
    """What the stage tries, one at a time."""
    return [
        *augment_changes(exp),
        *creative_augment_changes(exp),
        *smaller_model_changes(exp),
        *dropout_changes(exp),
        *weight_decay_changes(exp),
        *early_stopping_changes(exp),
    ]


@dataclass(frozen=True)
class _Choice:
    """What was tried alone, what of it holds (best first), those together against the best, and what goes on."""

    singles: list[Comparison]
    held: list[Comparison]
    together: Comparison | None
    name: str
    training: Training

    @property
    def everything(self) -> list[Comparison]:
        return [*self.singles, *([self.together] if self.together else [])]


def _choose(exp: Experiment) -> _Choice:
    tried = changes(exp)
    fit_all(exp, [one for change in tried for one in with_seeds(exp, change.apply(exp.training))])
    singles = [compare(exp, exp.training, change) for change in tried]
    holding = [(one, change) for one, change in zip(singles, tried, strict=True) if one.gain.holds(_least(exp))]
    holding.sort(key=lambda pair: -pair[0].gain.value)
    held = [one for one, _ in holding]
    if not held:
        return _Choice(singles, held, None, *_stopped_early(exp, "the control", exp.training))
    best, together = held[0], None
    name, training = best.name, best.training
    if len(held) > 1:
        rest = [change for _, change in holding[1:]]
        both = Change("all that hold", lambda training: functools.reduce(lambda t, c: c.apply(t), rest, training))
        together = compare(exp, best.training, both)
        if together.gain.value > 0:
            name, training = both.name, together.training
    return _Choice(singles, held, together, *_stopped_early(exp, name, training))


def _stopped_early(exp: Experiment, name: str, training: Training) -> tuple[str, Training]:
    """With its best epoch kept where that is no worse: it costs nothing."""
    for change in early_stopping_changes(exp) if not training.keep_best else []:
        comparison = compare(exp, training, change)
        if comparison.gain.value >= 0:
            return f"{name} with {change.name}", comparison.training
    return name, training


def _least(exp: Experiment) -> float:
    return exp.stages.regularize.combination.min_gain


def _figure(choice: _Choice) -> object:
    values = {one.name: (one.gain.value, one.gain.low, one.gain.high) for one in choice.singles}
    if choice.together:
        one = choice.together
        values["all that hold, over the best"] = (one.gain.value, one.gain.low, one.gain.high)
    return drawing.intervals(values, "fall of the validation loss", "Gains, with 95 % intervals", {"no gain": 0.0})
