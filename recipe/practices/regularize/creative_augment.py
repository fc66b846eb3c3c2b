"""regularize/creative_augment: examples that nobody could have met, mixed, erased, or before another ground."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from pydantic import Field

from recipe.creative_augmentation import share_before_a_plain_ground
from recipe.diagnostics.augmented import picture_of_augmented
from recipe.diagnostics.flips import takes_images
from recipe.diagnostics.probes import everything, some
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Share, Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training

LOOKED_AT = 256  # examples, for a plain ground and for codes
MODULE = "recipe.creative_augmentation"
PARTS = {"mix": f"{MODULE}.Mixing", "disturb": f"{MODULE}.ImageDisturbance"}  # by the role of a training


class Settings(Strict):
    shown: int = Field(ge=1)
    mixup: float = Field(ge=0)
    cutmix: float = Field(ge=0)
    erasing: float = Field(ge=0, le=1)
    randomisation: float = Field(ge=0, le=1)
    grounds: float = Field(ge=0, le=1)
    even: Share
    plain: Share


@practice("regularize/creative_augment")
def creative_augment(exp: Experiment) -> Finding:
    """Examples that nobody could have met, made of those at hand, lower the validation loss.

    Mixup (Zhang et al. 2018), cutmix (Yun et al. 2019), random erasing (Zhong et al. 2020), domain randomisation (Tobin
    et al. 2017), and what is shown before other grounds (Dwibedi et al. 2017). The training loss of mixed examples is
    that of mixed targets and cannot reach zero; validation is never mixed. Source: the recipe, 4, "creative
    augmentation".
    """
    changes = creative_augment_changes(exp)
    reasons = " ".join(f"No {idea.name}: {idea.obstacle}." for idea in _ideas(exp) if idea.obstacle)
    if not changes:
        return skip(reasons or "All of stages.regularize.creative_augment is 0: set one above it.")
    found = finding(
        exp,
        compare_all(exp, changes),
        advice="Where none holds, leave them out. More epochs may be due: such examples take longer to learn.",
        remark=f" {reasons}" if reasons else "",
    )
    trainings = {change.name: change.apply(exp.training) for change in changes}
    shown = exp.stages.regularize.creative_augment.shown
    figure = picture_of_augmented(exp, trainings, shown, "What creative augmentation does")
    return replace(found, figures={**found.figures, "examples": figure})


def creative_augment_changes(exp: Experiment) -> list[Change]:
    """Each way of it that is not 0 in the settings, that goes with the data, and that is not on already."""
    return [*mixture_changes(exp), *disturbance_changes(exp)]


def mixture_changes(exp: Experiment) -> list[Change]:
    """Those that mix examples with one another."""
    return _changes(exp, "mix")


def disturbance_changes(exp: Experiment) -> list[Change]:
    """Those that change each example alone."""
    return _changes(exp, "disturb")


def _changes(exp: Experiment, role: str) -> list[Change]:
    ideas = [idea for idea in _ideas(exp) if idea.role == role and not idea.obstacle]
    return [_change(idea) for idea in ideas if not _is_on(exp.training, idea)]


@dataclass(frozen=True)
class _Idea:
    """A setting of a part of the training, how much of it is tried, and what stands against it, if anything."""

    name: str
    role: str
    setting: str
    amount: float
    obstacle: str = ""


def _ideas(exp: Experiment) -> list[_Idea]:
    settings = exp.stages.regularize.creative_augment
    no_images = "" if takes_images(exp) else "the examples are no images"
    ideas = [
        _Idea("mixup", "mix", "mixup", settings.mixup, _codes(exp)),
        _Idea("cutmix", "mix", "cutmix", settings.cutmix, no_images),
        _Idea("random erasing", "disturb", "erasing", settings.erasing, no_images),
        _Idea("domain randomisation", "disturb", "randomisation", settings.randomisation, no_images),
        _Idea("other grounds", "disturb", "grounds", settings.grounds, no_images or _no_plain_ground(exp)),
    ]
    return [idea for idea in ideas if idea.amount]


def _codes(exp: Experiment) -> str:
    """Why the inputs cannot be mixed: a number between the numbers of two words is that of a third."""
    inputs, _ = everything(some(exp, exp.train, LOOKED_AT))
    whole = inputs.is_floating_point() and not bool((inputs == inputs.round()).all())
    return "" if whole or bool(((inputs == 0) | (inputs == 1)).all()) else "the inputs are whole numbers, as codes are"


def _no_plain_ground(exp: Experiment) -> str:
    settings, few = exp.stages.regularize.creative_augment, some(exp, exp.train, LOOKED_AT)
    images = few.untransformed(torch.arange(len(few), device=few.device))
    share = share_before_a_plain_ground(images, settings.even)
    return "" if share >= settings.plain else f"{share:.0%} of the images show something before a plain ground"


def _is_on(training: Training, idea: _Idea) -> bool:
    part: Component | None = getattr(training, idea.role)
    return part is not None and bool(part.settings.get(idea.setting))


def _change(idea: _Idea) -> Change:
    def apply(training: Training) -> Training:
        part = getattr(training, idea.role) or Component(idea.role, PARTS[idea.role])
        return training.having(**{idea.role: part.having(**{idea.setting: idea.amount})})

    return Change(idea.name, apply)
