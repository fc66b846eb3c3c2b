"""tune/architecture: the few architectures that published work uses for this kind of data, at equal compute."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from recipe.errors import TargetError
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Positive, Strict
from recipe.training.comparison import (
    Change,
    Comparison,
    best_of,
    compare_all,
    finding,
    leads,
)
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training
from recipe.training.flops import counted_flops, flops_per_example
from recipe.tuning.favourite import at_rate, can_be_scheduled, keeps_its_place, rate_of
from recipe.tuning.search import best_at_the_rung

LINEAR, MLP = Component("model", "recipe.models.Linear"), Component("model", "recipe.models.Mlp")
# Simonyan and Zisserman 2015 with Ioffe and Szegedy 2015; He et al. 2015, the widths such that an epoch is affordable.
IMAGES = {
    "a CNN with batch norm": Component("model", "recipe.models.ConvNet", {"width": 8, "depth": 3, "convs": 2}),
    "a ResNet": Component("model", "recipe.models.ResNet", {"width": 8, "blocks": [1, 1, 1]}),
    "a small CNN": Component("model", "recipe.models.Cnn"),
    "an MLP": MLP,
}
# Gorishniy et al. 2021, section 3
TABLES = {"a linear model": LINEAR, "an MLP": MLP, "a residual MLP": Component("model", "recipe.models.ResMlp")}
DECAY = Component("scheduler", "torch.optim.lr_scheduler.CosineAnnealingLR")  # Loshchilov and Hutter 2017
TAKEN_OVER = ("dropout",)  # of the model's settings, which regularize may have found


class Settings(Strict):
    rates: tuple[Positive, ...] = Field(min_length=1)
    share: float = Field(gt=0, le=1)
    least_epochs: int = Field(ge=1)
    stretch: float = Field(ge=1)
    replaced: tuple[str, ...]


class Limits(Strict):
    max_lead: float


@dataclass(frozen=True)
class Architecture:
    """One that is compared, at the better of its rates; the first is the present one.

    `training` is the short one that is compared; at all of the present training's compute it has `epochs`.
    """

    name: str
    training: Training
    flops: float
    epochs: int

    @property
    def rate(self) -> float | None:
        """The learning rate, where the optimizer has one."""
        return rate_of(self.training)


@practice("tune/architecture")
def architecture(exp: Experiment) -> Finding:
    """Another architecture that published work uses for this kind of data is better than the present one.

    At equal compute, a share of what the present training takes: the epochs of each follow from the floating-point
    operations of its step, up to a few times the present ones. The learning rate is a nuisance setting: each other has
    its own, the best of a few on a short training of one seed. All else is fixed: all are under the same cosine decay,
    as they are published, for at a constant rate batch norm looks worse than it is. Each is judged at its best epoch.
    Where one leads by a standard error, tune goes on from it in place of the default model, as the one-standard-error
    rule has it (Breiman et al. 1984, section 3.4.3); a model that somebody has named keeps its place, and is told of
    what beats it beyond chance. Source: the recipe, 3, "don't be a hero"; Godbole et al. 2023, "choosing the model
    architecture" and "scientific, nuisance, and fixed hyperparameters".
    """
    if exp.training.weights is not None:
        return skip("The training starts from pretrained weights, which fit no other architecture.")
    present, *others = _at_their_rates(exp)
    if not others:
        return skip("None of the architectures for this kind of data is another than the present one.")
    around, compared = _around(exp, present), _compared(exp, present, others)
    best = _best(exp, compared)
    return finding(
        around,
        compared,
        advice=f"Name the better one, {_as_override(best.training.model)}, or give the own model what it lacks.",
        requirements=(keeps_its_place(best, _may_be_replaced(exp)),),
        remark=f" {_what_goes_on(exp, best)} Tried at equal compute, at most "
        f"{exp.stages.tune.architecture.stretch:g} times the {present.training.epochs} epochs of "
        f"{present.training.model.name}: {_in_short(others)}. Scientific: the architecture; nuisance: its learning "
        "rate; fixed: all else, under a cosine decay.",
        control=present.name,
        expected="above 0 where another is better",
        more=lambda one: _costs(exp, one, [present, *others]),
    )


def from_the_better(exp: Experiment) -> Experiment:
    """The experiment around the architecture that leads the present one, where that may be replaced."""
    if exp.training.weights is not None or not _may_be_replaced(exp):
        return exp
    first, *others = _at_their_rates(exp)
    if not others:
        return exp
    best = _best(exp, _compared(exp, first, others))
    if not leads(exp, best):
        return exp
    [found] = [one for one in others if one.name == best.name]
    own = exp.training
    better = found.training.having(seed=own.seed, keep_best=own.keep_best, scheduler=own.scheduler, epochs=found.epochs)
    return replace(exp, training=better)


def _compared(exp: Experiment, present: Architecture, others: Sequence[Architecture]) -> list[Comparison]:
    changes = [Change(one.name, functools.partial(_instead, one.training)) for one in others]
    return compare_all(_around(exp, present), changes)


def runners_up(exp: Experiment, chosen: Training) -> list[Training]:
    """Trainings of the architectures that were compared and not chosen, the best first; under a decay, as compared.

    At all of the present training's compute, with what `chosen` does to inputs. None where the model was named or
    starts from weights: then no other is wanted.
    """
    if exp.training.weights is not None or not _may_be_replaced(exp):
        return []
    present, *others = every = _at_their_rates(exp)
    if not others:
        return []
    found = _compared(exp, present, others)
    gains = {present.name: 0.0, **{one.name: one.gain.value for one in found}}
    taken = chosen.model.locate()
    left = [one for one in every if one.training.model.locate() is not taken and math.isfinite(gains[one.name])]
    as_chosen = {name: getattr(chosen, name) for name in ("augment", "disturb", "mix", "reduction")}
    return [
        one.training.having(epochs=one.epochs, seed=chosen.seed, keep_best=True, **as_chosen)
        for one in sorted(left, key=lambda one: gains[one.name], reverse=True)
    ]


def _best(exp: Experiment, compared: Sequence[Comparison]) -> Comparison:
    """The best of those that lead; where none does, of all."""
    return best_of([one for one in compared if leads(exp, one)] or compared)


def _around(exp: Experiment, present: Architecture) -> Experiment:
    return replace(exp, training=present.training)


def _instead(training: Training, control: Training) -> Training:
    return training.having(seed=control.seed)


def _may_be_replaced(exp: Experiment) -> bool:
    """Whether the present model is a default, which nobody has named: one that somebody has is used as it is."""
    return exp.training.model.name in exp.stages.tune.architecture.replaced


def _at_their_rates(exp: Experiment) -> list[Architecture]:
    """The present architecture, and the others, each at the rate with the lowest loss of a short training."""
    own = exp.training.having(keep_best=True, scheduler=DECAY if can_be_scheduled(exp) else None)
    spent = counted_flops(exp, own)
    found = [Architecture("the present one", _shorter(exp, own), spent, own.epochs)]
    for name, model in _others(exp).items():
        training = own.having(model=_like_the_present(own.model, model))
        try:
            flops = flops_per_example(exp, training)
        except (TargetError, RuntimeError):  # an input too small for so many poolings, or of another shape
            continue
        epochs = _epochs(exp, spent, flops)
        found.append(Architecture(name, _shorter(exp, training.having(epochs=epochs)), flops, epochs))
    return [found[0], *_with_rates(exp, found[1:])]  # the present rate was found by overfit/adam


def _others(exp: Experiment) -> dict[str, Component]:
    known = IMAGES if exp.gets_images else TABLES
    present = exp.training.model.locate()
    return {name: model for name, model in known.items() if model.locate() is not present}


def _like_the_present(present: Component, other: Component) -> Component:
    """`other` with what regularize has found for the present model and both declare."""
    both = [name for name in TAKEN_OVER if present.declares(name) and other.declares(name)]
    return other.having(**{name: present.default_of(name) for name in both})


def _epochs(exp: Experiment, spent: float, flops: float) -> int:
    """As many as the present training's operations pay for; where none can be counted, as many as it has."""
    epochs = exp.training.epochs
    if not spent or not flops:
        return epochs
    return max(1, min(math.floor(epochs * spent / flops), round(epochs * exp.stages.tune.architecture.stretch)))


def _shorter(exp: Experiment, training: Training) -> Training:
    """With the share of its epochs that is compared; all of them where that leaves the present one few."""
    settings = exp.stages.tune.architecture
    share = max(settings.share, min(1.0, settings.least_epochs / exp.training.epochs))
    return training.having(epochs=max(1, round(training.epochs * share)))


def _with_rates(exp: Experiment, found: Sequence[Architecture]) -> list[Architecture]:
    present = rate_of(exp.training)
    if present is None:
        return list(found)
    rates = [factor * present for factor in exp.stages.tune.architecture.rates]
    best = best_at_the_rung(exp, [[at_rate(one.training, rate) for rate in rates] for one in found])
    return [replace(one, training=training) for one, training in zip(found, best, strict=True)]


def _what_goes_on(exp: Experiment, best: Comparison) -> str:
    replaced = f"{best.training.model.name} goes on in place of the default {exp.training.model.name}"
    if _may_be_replaced(exp) and best.answer == "holds":
        return f"{replaced}."
    if _may_be_replaced(exp) and leads(exp, best):
        return f"{replaced}: it leads by more than a standard error, which is enough where nobody has named a model."
    if best.answer != "holds":
        return f"{exp.training.model.name} goes on."
    return (
        f"{exp.training.model.name} was named and goes on all the same; for the better one name "
        f"{_as_override(best.training.model)}."
    )


def _as_override(model: Component) -> str:
    return " ".join(
        [f"model._target_={model.name}", *(f"model.{name}={value}" for name, value in model.settings.items())]
    )


def _in_short(others: Sequence[Architecture]) -> str:
    return ", ".join(
        f"{one.name} ({one.training.epochs} epochs{f', rate {one.rate:.2g}' if one.rate else ''})" for one in others
    )


def _costs(exp: Experiment, one: Comparison, all_of_them: Sequence[Architecture]) -> dict[str, object]:
    [found] = [other for other in all_of_them if other.name == one.name]
    return {
        "model": found.training.model.name,
        "epochs": found.training.epochs,
        "present_epochs": all_of_them[0].training.epochs,
        "learning_rate": found.rate,
        "flops_per_example": found.flops,
        "present_flops": all_of_them[0].flops,
    }
