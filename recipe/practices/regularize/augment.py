"""regularize/augment: examples changed at random in ways that keep their labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from pydantic import Field

from recipe.diagnostics.augmented import picture_of_augmented
from recipe.diagnostics.decoding import label_of
from recipe.diagnostics.flips import Mirrored, mirrored
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Positive, Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training

STRENGTH = "strength"  # what multiplies the amounts of an augmentation, where it declares it
FLIPS = {
    "flip": ("left to right", 3),
    "flip_vertical": ("top to bottom", 2),
}  # settings, and dimensions of (N, C, H, W)
NAMED = 3  # classes in a sentence
NAMES = {0.5: "half strength", 2.0: "double strength"}


class Settings(Strict):
    shown: int = Field(ge=1)
    strengths: tuple[Positive, ...] = Field(min_length=1)
    flip_examples: int = Field(ge=100)
    flip_steps: int = Field(ge=1)
    max_flip_cost: float = Field(ge=0, lt=1)


class Limits(Strict):
    max_flip_cost: float = Field(ge=0)


@practice("regularize/augment")
def augment(exp: Experiment) -> Finding:
    """Random changes that keep the label stand in for more data and lower the validation loss.

    The augmentation at hand at several strengths, and with flips where a small net that has seen no mirrored image
    knows them as well as others. A flip that is on, and that costs such a net what it knows, makes another example of
    it: that warns. Source: the recipe, 4, "data augment".
    """
    changes = augment_changes(exp)
    if not changes:
        return skip("No augmentation is at hand: name one with augment._target_.")
    flips, allowed = _flips(exp), exp.stages.regularize.augment.max_flip_cost
    wrong = [flip.setting for flip in flips if flip.is_on and flip.effect.low > allowed]
    found = finding(
        exp,
        compare_all(exp, changes),
        advice=f"Set {' and '.join(f'augment.{setting}=false' for setting in wrong)}: a mirrored image is another here."
        if wrong
        else "Look at the picture: changes that a person would label otherwise are too strong, ones that hardly show "
        "too weak.",
        requirements=tuple(at_most(flip.effect.low, "max_flip_cost", "warn") for flip in flips if flip.can_be_judged),
        remark="".join(f" {flip.in_words(exp)}" for flip in flips),
    )
    trainings = {_caption(change): change.apply(exp.training) for change in changes}
    shown = exp.stages.regularize.augment.shown
    figure = picture_of_augmented(exp, trainings, shown, "What the augmentation does")
    return replace(found, figures={**found.figures, "examples": figure})


def augment_changes(exp: Experiment) -> list[Change]:
    """The augmentation at hand, where there is one that is not on already: at each strength, and with flips."""
    augmentation = exp.augment
    if augmentation is None or augmentation == exp.training.augment:
        return []
    return [*_strengths(exp, augmentation), *(flip.change for flip in _flips(exp) if flip.is_worth_a_try(exp))]


def _strengths(exp: Experiment, augmentation: Component) -> Iterator[Change]:
    """Of one that declares no `strength`, its own alone."""
    usual = augmentation.default_of(STRENGTH) if augmentation.declares(STRENGTH) else None
    if isinstance(usual, bool) or not isinstance(usual, int | float):
        yield Change("augmentation", _adding(augmentation))
        return
    for strength in exp.stages.regularize.augment.strengths:
        own = strength == 1
        name = "augmentation" if own else f"augmentation at {NAMES.get(strength, f'{strength:g} times its strength')}"
        yield Change(name, _adding(augmentation if own else augmentation.having(**{STRENGTH: usual * strength})))


def _adding(augmentation: Component, **settings: bool) -> Callable[[Training], Training]:
    """What gives a training this augmentation; one that has it at any strength keeps that, and gets the `settings`."""

    def apply(training: Training) -> Training:
        present = training.augment
        base = present if present is not None and present.call == augmentation.call else augmentation
        return training.having(augment=base.having(**settings) if settings else base)

    return apply


@dataclass(frozen=True)
class _Flip:
    """One way of mirroring that the augmentation at hand declares, whether it is on, and what it costs a small net."""

    setting: str
    name: str
    is_on: bool
    effect: Mirrored
    change: Change

    def is_worth_a_try(self, exp: Experiment) -> bool:
        return not self.is_on and self.effect.keeps_labels(exp.stages.regularize.augment.max_flip_cost)

    @property
    def can_be_judged(self) -> bool:
        return self.is_on and not math.isnan(self.effect.low)

    def in_words(self, exp: Experiment) -> str:
        """What mirroring costs, and what follows, as a sentence."""
        effect = self.effect
        if math.isnan(effect.cost):
            return (
                f"Flips {self.name} were not tried: a small net is no better than a guess, which tells nothing of them."
            )
        follows = "so they are on" if self.is_on else "so they were tried"
        if not effect.keeps_labels(exp.stages.regularize.augment.max_flip_cost):
            follows = "and they are on" if self.is_on else "so they were not tried"
        classes = [label_of(exp, torch.tensor(one)) for one in effect.changed[:NAMED]]
        most = f", most of all in {', '.join(classes)}" if classes else ""
        return (
            f"Flips {self.name} cost a small net that has seen none {effect.cost:.0%} [{effect.low:.0%}, "
            f"{effect.high:.0%}] of what it knows{most}, {follows}."
        )


def _flips(exp: Experiment) -> list[_Flip]:
    """The ways of mirroring that the augmentation at hand declares, where there are images."""
    augmentation, settings, found = exp.augment, exp.stages.regularize.augment, []
    assert augmentation is not None, "asked of an experiment that has one"
    for setting, (name, dimension) in FLIPS.items():
        if not augmentation.declares(setting) or not isinstance(augmentation.default_of(setting), bool):
            continue
        effect = mirrored(exp, dimension, settings.flip_examples, settings.flip_steps, settings.max_flip_cost)
        if effect is not None:
            change = Change(f"augmentation with flips {name}", _adding(augmentation, **{setting: True}))
            found.append(_Flip(setting, name, augmentation.default_of(setting), effect, change))
    return found


def _caption(change: Change) -> str:
    if change.name == "augmentation":
        return "as it is set"
    return change.name.removeprefix("augmentation at ").removeprefix("augmentation with ")
