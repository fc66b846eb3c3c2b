"""baseline/simplify: no augmentation, dropout, weight decay or schedule is on."""

from dataclasses import replace

import torch
from pydantic import Field
from torch import nn

from recipe.diagnostics.probes import everything, some
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment, set_seed

SCHEDULED = "initial_lr"  # what torch's schedulers write into an optimizer's groups


class Limits(Strict):
    max_regularizers: float = Field(ge=0)


@practice("baseline/simplify")
def simplify(exp: Experiment) -> Finding:
    """Augmentation, dropout, weight decay and schedules are all off at this stage.

    Source: the recipe, 2, "simplify": one more thing that may hide a bug, and one more to make mistakes in.
    """
    active, off = _active(exp), _turned_off(exp)
    summary = f"{'; '.join(active)}." if active else "Augmentation, dropout, weight decay and schedules are off."
    return Finding(
        summary=summary + (f" The model's own default of {', '.join(off)} is off too." if off else ""),
        measured=float(len(active)),
        advice="Where one is on, turn it off until the skeleton is verified and overfits (model.dropout=0, "
        "optimizer.weight_decay=0); the stage regularize brings each back where it shows a gain.",
        requirements=(at_most(len(active), "max_regularizers"),),
    )


def _active(exp: Experiment) -> list[str]:
    model = exp.new_model()
    groups = getattr(exp.new_optimizer(model), "param_groups", [])
    decay = max((float(group.get("weight_decay") or 0) for group in groups), default=0.0)
    dropout = {name: rate for name, module in model.named_modules() if (rate := _dropout(module))}
    active = []
    for what in ("augment", "disturb", "mix"):
        if (part := getattr(exp.training, what)) is not None:
            active.append(f"The augmentation {part.name} is on")
    if dropout:
        named = ", ".join(f"{name} at {rate:g}" for name, rate in dropout.items())
        active.append(f"Dropout is on in {named}")
    elif _is_random(exp, model):
        active.append("The model draws random numbers in training, so some noise or dropout is on")
    if decay:
        active.append(f"The optimizer decays weights by {decay:g}")
    if any(SCHEDULED in group for group in groups):
        active.append("The optimizer's learning rate follows a schedule")
    return active


def _turned_off(exp: Experiment) -> list[str]:
    """The rates of dropout that the model's signature has by default and this training has not."""
    model = exp.training.model
    defaults = replace(model, settings={}).defaults()
    unset = {name: defaults[name] for name, rate in model.settings.items() if rate == 0 and name in defaults}
    return [f"{name}={default:g}" for name, default in unset.items() if isinstance(default, float) and default > 0]


def _dropout(module: nn.Module) -> float:
    """The rate of a dropout layer, torch's own or one named so (DropPath, StochasticDepth); 0 for any other."""
    if not type(module).__name__.lower().startswith(("drop", "alphadrop", "featurealphadrop", "stochasticdepth")):
        return 0.0
    rate = getattr(module, "p", None) or getattr(module, "drop_prob", None) or 0.0
    return float(rate) if isinstance(rate, (int, float)) else 0.0


@torch.no_grad()
def _is_random(exp: Experiment, model: nn.Module) -> bool:
    """Whether two passes in training mode over the same examples differ."""
    inputs, _ = everything(some(exp, exp.train, exp.training.batch_size))
    model.train()
    outputs = []
    for seed in (1, 2):
        set_seed(seed)
        outputs.append(model(inputs))
    return not torch.equal(*outputs) and all(bool(one.isfinite().all()) for one in outputs)
