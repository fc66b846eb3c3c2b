"""overfit/simple_architecture: the model beside the simplest that published work uses."""

from __future__ import annotations

import pandas as pd
from pydantic import Field

from recipe.evidence import Finding, at_least, practice
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, Comparison, compare, learning_curves, row
from recipe.training.components import Component
from recipe.training.experiment import ADAM, Experiment, Training

SMALL_CNN, MLP = "recipe.models.Cnn", "recipe.models.Mlp"  # LeCun et al. 1998; Gorishniy et al. 2021 for tables


class Settings(Strict):
    linear_lr: float = Field(gt=0)


class Limits(Strict):
    min_gain: float


@practice("overfit/simple_architecture")
def simple_architecture(exp: Experiment) -> Finding:
    """The model is no worse than the simplest architecture that published work uses for this kind of data.

    That is a small CNN for images and an MLP for a table, with a linear model beside them. Each is judged at the best
    epoch of the same budget, so that who memorises faster does not lose by it; the own model loses where the whole
    interval of its gain lies below zero. Source: the recipe, 3, "don't be a hero".
    """
    own = exp.training.having(keep_best=True)
    simplest = own.having(model=Component("model", SMALL_CNN if exp.gets_images else MLP))
    trainings = {"linear": _linear(exp, own)}
    if own.model.locate() is not simplest.model.locate():
        trainings["the simplest"] = simplest
    gains = {name: compare(exp, other, Change(f"over {name}", lambda _: own)) for name, other in trainings.items()}
    first = gains.get("the simplest", gains["linear"])
    rival = gains.get("the simplest")
    compared = " and ".join(_in_words(f"{name} ({trainings[name].model.name})", one) for name, one in gains.items())
    return Finding(
        summary=f"{own.model.name} reaches {exp.objective.metric.title} {first.metric:.4f} over "
        f"{exp.budget.seeds} seeds{'' if rival else ', and is the simplest for this kind of data'}; its validation "
        f"loss is {first.loss:.4g}, {compared}.",
        measured=first.gain.value,
        interval=(first.gain.low, first.gain.high),
        expected="no worse than the simplest",
        advice=f"Where your own model loses, start from {simplest.model.name} and come back to it when all around it "
        "is verified: one that loses to the simplest has a fault, or the wrong shape for these data.",
        requirements=(at_least(rival.gain.high, "min_gain", otherwise="warn"),) if rival else (),
        figures={"curves": learning_curves(exp, {own.model.name.rpartition(".")[2]: own, **trainings})},
        table=pd.DataFrame([row(one) for one in gains.values()]),
    )


def _linear(exp: Experiment, training: Training) -> Training:
    """A linear model at a rate of its own: one layer takes a higher one."""
    rate = exp.stages.overfit.simple_architecture.linear_lr
    return training.having(model=Component("model", "recipe.models.Linear"), optimizer=ADAM.having(lr=rate))


def _in_words(name: str, one: Comparison) -> str:
    gain = one.gain
    if gain.value >= 0:
        return f"{gain.value:.3g} [{gain.low:.3g}, {gain.high:.3g}] below {name}"
    return f"{-gain.value:.3g} [{-gain.high:.3g}, {-gain.low:.3g}] above {name}"
