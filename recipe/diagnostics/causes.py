"""Why a net does not learn what it could learn by heart: the likely causes, each found by looking for its own trace."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from recipe.diagnostics.batched_loss import batched_loss
from recipe.diagnostics.probes import (
    Constant,
    applies_softmax,
    constant_units,
    everything,
    ignores_input,
    is_distribution,
    replacement_reach,
    rows,
    stir,
    stirred_model,
    watch_units,
)
from recipe.training.experiment import Experiment
from recipe.training.split import Split

SATURATED = 0.99  # of the way to the bound: the slope there is below 1/25 of the steepest
MANY = 0.5  # of a layer's units
ROUNDING = 1e-4  # of the largest effect of an input: less is the rounding of float32

BROADCAST = (
    "the loss stays the same when the targets change places: outputs and targets are broadcast, (N, 1) against (N,), "
    "so every output is compared with every target"
)
IGNORES = "the model ignores its input: the outputs stay the same when the examples change places"
NOT_FINITE = "the outputs are no longer finite numbers"
CROSSES = "information crosses examples, as when a view or reshape stands where a transpose is meant"


def likely_causes(experiment: Experiment, model: nn.Module, few: Split) -> list[str]:
    """In plain words, the surest first; empty where nothing shows.

    Args:
        model: as the failed training left it.
        few: the examples that it failed on.
    """
    return [*built_in_causes(experiment, few), *_causes_after_training(model.eval(), few)]


@torch.no_grad()
def built_in_causes(experiment: Experiment, few: Split) -> list[str]:
    """The causes that no other learning rate and no more capacity would mend: they show before the first step."""
    inputs, targets = everything(few)
    model = stirred_model(experiment)
    outputs = model(inputs)
    found = [
        _softmax_twice(experiment, outputs, targets),
        BROADCAST if batched_loss(experiment, outputs, targets).broadcasts else "",
        IGNORES if ignores_input(model, inputs) else "",
        CROSSES if crosses(replacement_reach(model, inputs)) else "",
        _contradiction(inputs, targets),
        _not_held(experiment),
    ]
    return [cause for cause in found if cause]


@torch.no_grad()
def _causes_after_training(model: nn.Module, few: Split) -> list[str]:
    inputs, _ = everything(few)
    found = [_not_finite(model(inputs)), _dead(model, inputs), _constant(model, inputs)]
    return [cause for cause in found if cause]


def _softmax_twice(experiment: Experiment, outputs: Tensor, targets: Tensor) -> str:
    if is_distribution(outputs) and applies_softmax(experiment.objective.loss, outputs, targets):
        return (
            "every output row is non-negative and sums to one: the model ends in a softmax and the loss applies another"
        )
    return ""


def crosses(reach: Tensor) -> bool:
    """Whether an example reaches another's output, in a `reach` (N, N) of input j to output i."""
    others = reach - reach.diag().diag()
    return bool(others.max() > ROUNDING * reach.max())


def _not_finite(outputs: Tensor) -> str:
    return "" if outputs.isfinite().all() else NOT_FINITE


def _contradiction(inputs: Tensor, targets: Tensor) -> str:
    """Equal inputs with different targets among the few."""
    flat, goals = inputs.flatten(1), rows(targets, len(targets))
    equal = (flat.unsqueeze(0) == flat.unsqueeze(1)).all(-1)
    other = (goals.unsqueeze(0) != goals.unsqueeze(1)).any(-1)
    return "equal inputs have different labels" if bool((equal & other).any()) else ""


def _not_held(experiment: Experiment) -> str:
    names = not_held(experiment, experiment.new_model())
    return f"the optimizer does not hold {', '.join(names)}" if names else ""


def not_held(experiment: Experiment, model: nn.Module) -> list[str]:
    """Parameters that want a gradient and are in none of the optimizer's groups; none where it shows no groups."""
    groups = getattr(experiment.new_optimizer(model), "param_groups", None)
    if groups is None:
        return []
    held = {id(parameter) for group in groups for parameter in group["params"]}
    return [name for name, one in model.named_parameters() if one.requires_grad and id(one) not in held]


def _dead(model: nn.Module, inputs: Tensor) -> str:
    for units in watch_units(model, inputs, SATURATED):
        if units.dead > MANY:
            return f"{units.dead:.0%} of the units behind {units.layer} are dead, zero for every example"
        if units.saturated > MANY:
            return f"{units.saturated:.0%} of the units behind {units.layer} are saturated on every example"
    return ""


def _constant(model: nn.Module, inputs: Tensor) -> str:
    worst = next(iter(constant_units(stir(copy.deepcopy(model)), inputs)), None)
    return constant_in_words(worst) if worst is not None and worst.share > MANY else ""


def constant_in_words(constant: Constant) -> str:
    """That units of a layer never vary, and what makes them so most often."""
    return (
        f"{constant.share:.0%} of the units behind {constant.layer} never vary, the same on every example, as behind a "
        "normalisation over one number"
    )
