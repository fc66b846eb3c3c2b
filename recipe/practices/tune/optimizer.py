"""tune/optimizer: Adam, Adam with decoupled decay, and well-tuned SGD with momentum."""

from __future__ import annotations

import functools

from pydantic import Field

from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Positive, Strict
from recipe.training.comparison import (
    Change,
    Comparison,
    best_of,
    compare_all,
    finding,
)
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training
from recipe.tuning.favourite import around_favourite, keeps_its_place, rate_of
from recipe.tuning.search import best_at_the_rung, losses_at_the_rung

ADAM, ADAMW, SGD = "torch.optim.Adam", "torch.optim.AdamW", "torch.optim.SGD"
NAMES = {ADAM: "Adam", ADAMW: "AdamW", SGD: "SGD with momentum"}
NESTEROV = {"momentum": 0.9, "nesterov": True}  # Sutskever et al. 2013


class Settings(Strict):
    adam: tuple[Positive, ...] = Field(min_length=1)
    sgd: tuple[Positive, ...] = Field(min_length=1)
    foldings: float = Field(gt=0)
    go_on: int = Field(ge=1)
    replaced: tuple[str, ...]


class Limits(Strict):
    max_lead: float


@practice("tune/optimizer")
def optimizer(exp: Experiment) -> Finding:
    """Another optimizer, with a learning rate of its own, is better than the present one where the search has ended.

    Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019) and SGD with Nesterov's momentum, which may win where
    it is well tuned. The rate is a nuisance setting: for each the best of a few on a short training of one seed, after
    which the best other goes on; the present one's was searched. All else is as the search's favourite has it, with
    seeds that it has not seen. What holds is a candidate of tune/confirm where the present optimizer is the default.
    Source: the recipe, 3, "adam is safe"; Choi et al. 2019.
    """
    around = around_favourite(exp)
    if rate_of(around.training) is None:
        return skip(f"{around.training.optimizer.name} has no lr, so there is no rate to compare others at.")
    compared = _compared(around)
    best = best_of(compared)
    rate = best.training.optimizer.default_of("lr")
    return finding(
        around,
        compared,
        advice=f"Name the better one: optimizer._target_={best.training.optimizer.name} optimizer.lr={rate:g}",
        requirements=(keeps_its_place(best, _may_be_replaced(exp)),),
        remark=f" {_what_goes_on(exp, best)} The best others after a short training went on, around the search's "
        f"favourite: {', '.join(_in_short(one) for one in compared)}. Scientific: the optimizer; nuisance: its "
        "learning rate; fixed: all else.",
        control="the present one",
        expected="above 0 where another is better",
        more=lambda one: {"learning_rate": one.training.optimizer.default_of("lr")},
    )


def held_optimizer(exp: Experiment) -> Component | None:
    """The optimizer that holds against the present one, where that may be replaced; else None."""
    around = around_favourite(exp)
    if rate_of(around.training) is None or not _may_be_replaced(exp):
        return None
    best = best_of(_compared(around))
    return best.training.optimizer if best.answer == "holds" else None


def _compared(around: Experiment) -> list[Comparison]:
    options = _options(around)
    trainings = [[around.training.having(optimizer=one) for one in each] for each in options.values()]
    best = dict(zip(options, best_at_the_rung(around, trainings), strict=True))
    losses = dict(zip(options, losses_at_the_rung(around, list(best.values())), strict=True))
    few = sorted(options, key=losses.__getitem__)[: around.stages.tune.optimizer.go_on]
    changes = [Change(NAMES[name], functools.partial(_with, best[name].optimizer)) for name in few]
    return compare_all(around, changes)


def _with(optimizer: Component, training: Training) -> Training:
    return training.having(optimizer=optimizer)


def _may_be_replaced(exp: Experiment) -> bool:
    """Whether the present optimizer is the default: one that somebody has named is used as it is."""
    return exp.training.optimizer.name in exp.stages.tune.optimizer.replaced


def _options(around: Experiment) -> dict[str, list[Component]]:
    """By name, every other optimizer at each of its rates. Adam with decoupled decay is AdamW already."""
    present, settings = around.training.optimizer, around.stages.tune.optimizer
    same = {present.name, ADAMW if _decoupled(present) and present.default_of("weight_decay") else ""}
    fused = {"fused": present.settings["fused"]} if "fused" in present.settings else {}
    rates = sorted({*settings.adam, *([present.default_of("lr")] if present.name in (ADAM, ADAMW) else [])})
    decay = _decay_per_step(present)
    steps = around.steps_of(around.training)
    found = {
        ADAM: [Component("optimizer", ADAM, {"lr": rate, **fused}) for rate in rates],
        ADAMW: [
            Component("optimizer", ADAMW, {"lr": rate, "weight_decay": settings.foldings / (rate * steps), **fused})
            for rate in rates
        ],
        SGD: [
            Component("optimizer", SGD, {"lr": rate, **NESTEROV, "weight_decay": decay / rate, **fused})
            for rate in settings.sgd
        ],
    }
    return {name: options for name, options in found.items() if name not in same}


def _decoupled(optimizer: Component) -> bool:
    return optimizer.name == ADAMW or bool(optimizer.settings.get("decoupled_weight_decay"))


def _decay_per_step(optimizer: Component) -> float:
    """By what share a step shrinks a weight that nothing pulls at; SGD's own decay does the same at this product."""
    return float(optimizer.default_of("lr") * optimizer.default_of("weight_decay")) if _decoupled(optimizer) else 0.0


def _what_goes_on(exp: Experiment, best: Comparison) -> str:
    if best.answer == "holds" and _may_be_replaced(exp):
        return "It is one of the candidates that are confirmed."
    if best.answer == "holds":
        return f"{exp.training.optimizer.name} was named and goes on all the same."
    return f"{exp.training.optimizer.name} goes on."


def _in_short(one: Comparison) -> str:
    return f"{one.name} at {one.training.optimizer.default_of('lr'):.3g} ({one.answer})"
