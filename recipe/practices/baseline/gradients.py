"""baseline/gradients: every parameter gets a gradient, and moves."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from recipe import drawing
from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.causes import constant_in_words, not_held
from recipe.diagnostics.probes import Constant, Units, constant_units, everything, some, stir, watch_units
from recipe.drawing import Curve
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment, Training
from recipe.training.loop import History, train
from recipe.training.split import Split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FROZEN, LEARNS, NOT_FINITE = "frozen", "learns", "not finite"
NO_GRAPH, NO_OPTIMIZER, STILL = "not in the graph", "not in the optimizer", "never moves"
SLOWER = (0.1, 0.01, 1e-3, 1e-4)  # times the learning rate, tried where the loss rises
RISEN = 1.5  # times the untouched net's loss: more than the noise of a few batches explains
TICKS = 15  # layers that an axis has room for
NAMED = 6  # parameters that a sentence has room for


@dataclass
class Watched:
    """A few steps of training: each parameter's gradient (root mean square) at each step, and how far it moved.

    `rise` is the mean loss of all steps but the first, in units of the untouched net's on the same examples, both from
    the lowest that there could be.
    """

    model: nn.Module
    history: History
    rise: float
    sizes: dict[str, list[float]]
    moved: dict[str, float]


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
    watched = _watch(exp, exp.training)
    states = _states(exp, watched)
    still = _named(states, NO_GRAPH, NO_OPTIMIZER, STILL)
    broken = _named(states, NOT_FINITE)
    inputs, _ = everything(some(exp, exp.train, settings.examples))
    units = watch_units(watched.model.eval(), inputs, settings.saturated)
    dead, saturated = (
        (max(units, key=lambda one: one.dead), max(units, key=lambda one: one.saturated)) if units else NONE
    )
    constant = next(iter(constant_units(stir(copy.deepcopy(watched.model)), inputs)), Constant("no layer", 0.0))
    return Finding(
        summary=_summary(exp, watched, states, dead, saturated, constant),
        measured=float(len(still) + len(broken)),
        expected=0.0,
        advice="Give the optimizer all of model.parameters(), use every layer in forward and detach nothing on the way "
        "to the loss; where the loss rises or units die, lower the learning rate, and start the weights at a scale "
        "that fits (He et al. 2015); where units never vary, normalise over the features and not over one number.",
        requirements=(
            at_most(len(still), "max_still"),
            at_most(len(broken), "max_not_finite"),
            at_most(watched.rise, "max_loss_rise"),
            at_most(dead.dead, "max_dead_share"),
            at_most(constant.share, "max_constant_share"),
            at_most(saturated.saturated, "max_saturated_share", otherwise="warn"),
            at_most(_ratio(watched), "max_gradient_ratio", otherwise="warn"),
        ),
        figures={"gradients": _figure(watched)},
        table=_table(watched, states),
    )


NONE = (Units("no layer", 0.0, 0.0), Units("no layer", 0.0, 0.0))


def _watch(exp: Experiment, training: Training) -> Watched:
    """A few steps of the real loop, looking at the gradients between backward and the optimizer's step."""
    wanted = exp.stages.baseline.gradients.steps
    part = some(exp, exp.train, wanted * training.batch_size)
    model = exp.new_model(training=training)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    sizes: dict[str, list[float]] = {name: [] for name in before}

    def backward(loss: Tensor) -> None:
        loss.backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                sizes[name].append(_rms(parameter.grad))

    history = train(
        model,
        exp.objective,
        exp.new_optimizer(model, training),
        part,
        epochs=-(-wanted * training.batch_size // len(part)),
        batch_size=training.batch_size,
        seed=training.seed,
        backward=backward,
    )
    moved = {name: _rms(parameter.detach() - before[name]) for name, parameter in model.named_parameters()}
    floor = floor_of(exp.objective, part.targets)
    rise = (history.train_loss[1:].mean().item() - floor) / to_learn(_untouched_loss(exp, training, part), floor)
    return Watched(model, history, rise, sizes, moved)


@torch.no_grad()
def _untouched_loss(exp: Experiment, training: Training, part: Split) -> float:
    """The mean loss over the batches of `part` before any step, in training mode."""
    model = exp.new_model(training=training).train()
    index = torch.arange(len(part), device=part.device)
    batches = [part.batch(one) for one in index.split(training.batch_size)]
    return sum(exp.objective(model(inputs), targets).item() for inputs, targets in batches) / len(batches)


def _rms(values: Tensor) -> float:
    return values.float().square().mean().sqrt().item()


def _states(exp: Experiment, watched: Watched) -> dict[str, str]:
    """What became of each parameter."""
    outside = not_held(exp, exp.new_model())
    trainable = {name for name, parameter in watched.model.named_parameters() if parameter.requires_grad}
    return {
        name: _state(sizes, watched.moved[name], name in outside) if name in trainable else FROZEN
        for name, sizes in watched.sizes.items()
    }


def _state(sizes: list[float], moved: float, outside: bool) -> str:
    if not sizes:
        return NO_GRAPH
    if not all(map(math.isfinite, [*sizes, moved])):
        return NOT_FINITE
    if moved == 0:
        return NO_OPTIMIZER if outside else STILL
    return LEARNS


def _named(states: dict[str, str], *wanted: str) -> list[str]:
    return [name for name, state in states.items() if state in wanted]


def _summary(
    exp: Experiment, watched: Watched, states: dict[str, str], dead: Units, saturated: Units, constant: Constant
) -> str:
    trainable = [state for state in states.values() if state != FROZEN]
    steps = len(watched.history.train_loss)
    parts = [
        f"{trainable.count(LEARNS)} of {len(trainable)} parameters learn in {steps} steps, and the mean loss is "
        f"{watched.rise:.3g} times the untouched net's"
    ]
    parts += _rate(exp, watched)
    told = {
        NO_OPTIMIZER: "the optimizer does not hold",
        NO_GRAPH: "the loss does not depend, through the graph, on",
        STILL: "a gradient of zero, or no step, keeps still",
        NOT_FINITE: "numbers that are not finite appear in",
        FROZEN: "frozen, as meant:",
    }
    parts += [f"{words} {_listed(names)}" for state, words in told.items() if (names := _named(states, state))]
    if dead.dead:
        parts.append(f"{dead.dead:.0%} of the units behind {dead.layer} are dead, zero on every example")
    if saturated.saturated:
        parts.append(f"{saturated.saturated:.0%} of the units behind {saturated.layer} are saturated on every example")
    if constant.share:
        parts.append(constant_in_words(constant))
    return f"{'; '.join(parts)}."


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def _rate(exp: Experiment, watched: Watched) -> list[str]:
    """That the learning rate is too high, where the loss rises from a start that was finite; and which one is not."""
    if watched.rise <= RISEN or not watched.history.train_loss[0].isfinite():
        return []
    told = "the loss rises: the learning rate is likely too high"
    optimizer = exp.training.optimizer
    if optimizer.declares("lr") and (rate := optimizer.default_of("lr")):
        for factor in SLOWER:
            if _watch(exp, exp.training.having(optimizer=optimizer.having(lr=rate * factor))).rise < 1:
                return [f"{told}, {rate:g}; at {rate * factor:g} the loss falls"]
    return [told]


def _ratio(watched: Watched) -> float:
    """The largest to the smallest gradient among the weight matrices, each its median over the steps."""
    typical = _typical(watched)
    if not typical:
        return 1.0
    sizes = np.array(list(typical.values()))
    return float(sizes.max() / np.maximum(sizes.min(), torch.finfo(torch.float32).tiny))


def _typical(watched: Watched) -> dict[str, float]:
    matrices = [name for name, parameter in watched.model.named_parameters() if parameter.dim() > 1]
    return {name: _median(watched.sizes[name]) for name in matrices if watched.sizes[name]}


def _median(values: list[float]) -> float:
    return torch.tensor(values).median().item()


def _figure(watched: Watched) -> Figure:
    """The gradients of the weight matrices from the first layer to the last."""
    typical = _typical(watched)
    places = range(1, len(typical) + 1)
    ends = [(min(watched.sizes[name]), max(watched.sizes[name])) for name in typical]
    line = Curve(places, list(typical.values()), [low for low, _ in ends], [high for _, high in ends])
    title = "Gradients through the layers: median and range over the steps"
    label = "weight matrix, in the model's order"
    figure = drawing.curves({"gradient": line}, label, "root mean square", title, log_y=True)
    figure.axes[0].set_xticks(places[:: 1 + len(places) // TICKS])
    return figure


def _table(watched: Watched, states: dict[str, str]) -> pd.DataFrame:
    """Every parameter: those in trouble first."""
    parameters = dict(watched.model.named_parameters())
    rows = [
        {
            "parameter": name,
            "shape": "x".join(map(str, parameters[name].shape)),
            "state": state,
            "gradient": _median(watched.sizes[name]) if watched.sizes[name] else None,
            "moved": watched.moved[name],
            "size": _rms(parameters[name].detach()),
        }
        for name, state in states.items()
    ]
    table = pd.DataFrame(rows)
    return table.sort_values("state", key=lambda state: state.isin([LEARNS, FROZEN]), kind="stable")
