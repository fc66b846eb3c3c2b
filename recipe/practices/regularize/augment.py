"""regularize/augment: examples changed at random in ways that keep their labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from recipe.diagnostics.decoding import picture
from recipe.diagnostics.probes import everything, some
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.experiment import Experiment, Training, set_seed
from recipe.training.split import Split

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Settings(Strict):
    shown: int = Field(ge=1)


@practice("regularize/augment")
def augment(exp: Experiment) -> Finding:
    """Random changes that keep the label stand in for more data and lower the validation loss.

    Source: the recipe, 4, "data augment".
    """
    changes = augment_changes(exp)
    if not changes:
        return skip("No augmentation is at hand: name one with augment._target_.")
    found = finding(
        exp,
        compare_all(exp, changes),
        advice="Look at the picture: changes that a person would label otherwise are too strong, ones that hardly show "
        "too weak.",
    )
    return replace(found, figures={**found.figures, "examples": _picture(exp, changes[0])})


def augment_changes(exp: Experiment) -> list[Change]:
    """The augmentation at hand, where there is one that is not on already."""
    augmentation = exp.augment
    if augmentation is None or augmentation == exp.training.augment:
        return []

    def apply(training: Training) -> Training:
        return training.having(augment=augmentation)

    return [Change("augmentation", apply)]


def _picture(exp: Experiment, change: Change) -> Figure:
    """Some training examples, and below them what the augmentation makes of them."""
    few = some(exp, exp.train, exp.stages.regularize.augment.shown)
    inputs, targets = everything(few)
    set_seed(exp.training.seed)
    augmented, _ = few.batch(torch.arange(len(few), device=few.device), exp.new_augment(change.apply(exp.training)))
    both = Split(torch.cat([inputs, augmented]), torch.cat([targets, targets]))
    return picture(exp, both, ["as it is"] * len(few) + ["augmented"] * len(few), "What the augmentation does")
