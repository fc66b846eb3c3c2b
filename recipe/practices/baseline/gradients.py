"""baseline/gradients: every parameter gets a gradient, and moves."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from recipe import drawing
from recipe.diagnostics.causes import constant_in_words, not_held
from recipe.diagnostics.first_steps import FirstSteps, root_mean_square, take_first_steps
from recipe.diagnostics.probes import Constant, Units, constant_units, everything, some, stir, watch_units
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FROZEN, LEARNS, NOT_FINITE = "frozen", "learns", "not finite"
NO_GRAPH, NO_OPTIMIZER, STILL = "not in the graph", "not in the optimizer", "never moves"
IN_WORDS = {
    NO_OPTIMIZER: "the optimizer does not hold",
    NO_GRAPH: "the loss does not depend, through the graph, on",
    STILL: "a gradient of zero, or no step, keeps still",
    NOT_FINITE: "numbers that are not finite appear in",
    FROZEN: "frozen, as meant:",
}
SLOWER = (0.1, 0.01, 1e-3, 1e-4)  # times the learning rate, tried where the loss rises
RISEN = 1.5  # times the untouched net's loss: more than the noise of a few batches explains
NAMED = 6  # parameters that a sentence has room for


class Settings(Strict):
    steps: int = Field(ge=2)
    examples: int = Field(ge=2)
    saturated: float = Field(gt=0, lt=1)


class Limits(Strict):
    max_still: float = Field(ge=0)
    max_not_finite: float = Field(ge=0)
    max_loss_rise: float = Field(ge=1)
    max_dead_share: float = Field(ge=0, le=1)
    max_constant_share: float = Field(ge=0, le=1)
    max_saturated_share: float = Field(ge=0, le=1)
    max_gradient_ratio: float = Field(ge=1)


@practice("baseline/gradients")
def gradients(exp: Experiment) -> Finding:
    """Every trainable parameter gets a finite gradient and moves, the loss does not rise, and most units are alive.

    Alive: neither zero on every example, nor anything else that no example changes. Frozen parameters
    (`requires_grad=False`) are taken as meant, and named. Source: the recipe, 2; Glorot and Bengio
    2010 for activations and gradients through the layers.
    """
    settings: Settings = exp.stages.baseline.gradients
    steps = take_first_steps(exp, exp.training, settings.steps)
    parameters = _parameters(exp, steps)
    still = int(parameters["state"].isin([NO_GRAPH, NO_OPTIMIZER, STILL]).sum())
    broken = int((parameters["state"] == NOT_FINITE).sum())
    inputs, _ = everything(some(exp, exp.train, settings.examples))
    worst = _worst_layers(steps.model, inputs, settings.saturated)
    rises = steps.rise > RISEN and bool(steps.history.train_loss[0].isfinite())
    parts = [
        *_parameters_in_words(parameters, steps),
        *(_rate_in_words(exp, _falling_rate(exp)) if rises else ()),
        *_states_in_words(parameters),
        *_layers_in_words(worst),
    ]
    return Finding(
        summary=f"{'; '.join(parts)}.",
        measured=float(still + broken),
        expected=0.0,
        advice="Where a parameter does not learn, give the optimizer all of model.parameters(), use every layer in "
        "forward and detach nothing on the way to the loss; where the loss rises or units die, lower the learning "
        "rate, and start the weights at a scale that fits (He et al. 2015); where units never vary, normalise over "
        "the features and not over one number.",
        requirements=(
            at_most(still, "max_still"),
            at_most(broken, "max_not_finite"),
            at_most(steps.rise, "max_loss_rise"),
            at_most(worst.dead.dead, "max_dead_share"),
            at_most(worst.constant.share, "max_constant_share"),
            at_most(worst.saturated.saturated, "max_saturated_share", otherwise="warn"),
            at_most(_ratio(steps), "max_gradient_ratio", otherwise="warn"),
        ),
        figures={"gradients": _figure(steps)},
        table=parameters,
    )


def _parameters(exp: Experiment, steps: FirstSteps) -> pd.DataFrame:
    """Every parameter, those in trouble first: parameter, shape, state, gradient (median), moved, size."""
    outside = not_held(exp, exp.new_model())
    rows = [
        {
            "parameter": name,
            "shape": "x".join(map(str, parameter.shape)),
            "state": _state(parameter, steps.gradients[name], steps.moved[name], name in outside),
            "gradient": _median(steps.gradients[name]) if steps.gradients[name] else None,
            "moved": steps.moved[name],
            "size": root_mean_square(parameter.detach()),
        }
        for name, parameter in steps.model.named_parameters()
    ]
    return pd.DataFrame(rows).sort_values("state", key=lambda state: state.isin([LEARNS, FROZEN]), kind="stable")


def _state(parameter: nn.Parameter, gradients: list[float], moved: float, outside: bool) -> str:
    """What became of a parameter; `outside` says that the optimizer does not hold it."""
    if not parameter.requires_grad:
        return FROZEN
    if not gradients:
        return NO_GRAPH
    if not all(map(math.isfinite, [*gradients, moved])):
        return NOT_FINITE
    if moved == 0:
        return NO_OPTIMIZER if outside else STILL
    return LEARNS


@dataclass(frozen=True)
class _Worst:
    """The layers with the largest share of units that are dead, saturated, and constant."""

    dead: Units
    saturated: Units
    constant: Constant


def _worst_layers(model: nn.Module, inputs: Tensor, saturated: float) -> _Worst:
    units = watch_units(model.eval(), inputs, saturated) or [Units("no layer", 0.0, 0.0)]
    constant = constant_units(stir(copy.deepcopy(model)), inputs) or [Constant("no layer", 0.0)]
    return _Worst(
        dead=max(units, key=lambda one: one.dead),
        saturated=max(units, key=lambda one: one.saturated),
        constant=constant[0],
    )


def _falling_rate(exp: Experiment) -> float | None:
    """The first slower learning rate at which the loss falls; None where none does, or the optimizer has no rate."""
    optimizer, steps = exp.training.optimizer, exp.stages.baseline.gradients.steps
    rate = float(optimizer.default_of("lr") or 0) if optimizer.declares("lr") else 0.0
    for slower in [rate * factor for factor in SLOWER if rate]:
        if take_first_steps(exp, exp.training.having(optimizer=optimizer.having(lr=slower)), steps).rise < 1:
            return slower
    return None


def _ratio(steps: FirstSteps) -> float:
    """The largest to the smallest gradient among the weight matrices, each its median over the steps."""
    sizes = [_median(sizes) for sizes in steps.of_weight_matrices.values()] or [1.0]
    return float(np.max(sizes) / np.maximum(np.min(sizes), torch.finfo(torch.float32).tiny))


def _median(values: list[float]) -> float:
    return torch.tensor(values).median().item()


def _parameters_in_words(parameters: pd.DataFrame, steps: FirstSteps) -> Iterator[str]:
    learning, trainable = (parameters["state"] == LEARNS).sum(), (parameters["state"] != FROZEN).sum()
    yield (
        f"{learning} of {trainable} parameters learn in {len(steps.history.train_loss)} steps, and the mean loss is "
        f"{steps.rise:.3g} times the untouched net's"
    )


def _rate_in_words(exp: Experiment, falling: float | None) -> Iterator[str]:
    too_high = "the loss rises: the learning rate is likely too high"
    if falling is None:
        yield too_high
    else:
        yield f"{too_high}, {exp.training.optimizer.default_of('lr'):g}; at {falling:g} the loss falls"


def _states_in_words(parameters: pd.DataFrame) -> Iterator[str]:
    for state, words in IN_WORDS.items():
        names = parameters.loc[parameters["state"] == state, "parameter"].tolist()
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield f"{words} {', '.join(names[:NAMED])}{more}"


def _layers_in_words(worst: _Worst) -> Iterator[str]:
    if worst.dead.dead:
        yield f"{worst.dead.dead:.0%} of the units behind {worst.dead.layer} are dead, zero on every example"
    if worst.saturated.saturated:
        share, layer = worst.saturated.saturated, worst.saturated.layer
        yield f"{share:.0%} of the units behind {layer} are saturated on every example"
    if worst.constant.share:
        yield constant_in_words(worst.constant)


def _figure(steps: FirstSteps) -> Figure:
    """The gradients of the weight matrices, a row each from the first layer down to the last."""
    rows = {
        name.removesuffix(".weight"): (_median(sizes), min(sizes), max(sizes))
        for name, sizes in steps.of_weight_matrices.items()
    }
    title = "Gradients through the layers: median and range over the steps"
    return drawing.intervals(rows, "root mean square of a weight matrix's gradient", title, log_x=True)
