"""baseline/dependencies: no information crosses from one example to another."""

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from recipe import drawing
from recipe.diagnostics.causes import CROSSES, IGNORES, crosses
from recipe.diagnostics.probes import all_equal, everything, gradient_reach, replacement_reach, some, stirred_model
from recipe.evidence import Finding, at_least, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment

SEARCHED = 1024  # examples among which one is looked for that is not equal to the few


class Settings(Strict):
    examples: int = Field(ge=2)


class Limits(Strict):
    max_crossing: float = Field(ge=0)
    min_own: float = Field(ge=0, le=1)


@practice("baseline/dependencies")
def dependencies(exp: Experiment) -> Finding:
    """The output of an example depends on its own input, and on no other example's.

    Measured twice, in evaluation mode: by the gradient of output i with respect to input j, and by replacing input j
    by another that is not equal and watching output i, which also sees what has no gradient. Crossing is the largest
    effect on another example as a share of the largest on the own one. Source: the recipe, 2, "use backprop to chart
    dependencies".
    """
    inputs = _unequal_examples(exp)
    if all_equal(inputs):
        return skip(
            f"{len(inputs)} training examples are all equal as the net gets them: none can take another's place."
        )
    model = stirred_model(exp)
    reaches = {"replacement": replacement_reach(model, inputs)}
    gradient, refusal = _gradient_reach(model, inputs)
    if gradient is not None:
        reaches["gradient"] = gradient
    crossing = [_crossing(reach) for reach in reaches.values()]
    by = list(reaches)[int(np.argmax(crossing))]  # a NaN counts as the largest
    own = min(_own(reach) for reach in reaches.values())
    worst = _crossing(reaches[by])
    return Finding(
        summary=f"{_summary(reaches[by], by, own)}{refusal}.",
        measured=worst,
        expected=0.0,
        advice="Where examples reach each other, look for a view or reshape where a transpose or permute is meant, "
        "for a softmax, mean, sort or norm over dimension 0, and for normalisation that uses the batch's own "
        "statistics in evaluation.",
        requirements=(at_most(worst, "max_crossing"), at_least(own, "min_own")),
        figures={"reach": _map(reaches[by], by)},
    )


def _unequal_examples(exp: Experiment) -> Tensor:
    """A few training examples as the net receives them, not all equal where a larger sample holds two that differ."""
    count = exp.stages.baseline.dependencies.examples
    inputs, _ = everything(some(exp, exp.train, count))
    if not all_equal(inputs):
        return inputs
    more, _ = everything(some(exp, exp.train, SEARCHED))
    unlike = (more != inputs[0]).flatten(1).any(1)
    return torch.cat([inputs[:-1], more[unlike][:1]]) if bool(unlike.any()) else more


def _gradient_reach(model: nn.Module, inputs: Tensor) -> tuple[Tensor | None, str]:
    """The reach by gradient, if there is one, and the words that say why autograd refused to give it."""
    try:
        return gradient_reach(model, inputs), ""
    except RuntimeError as error:
        reason = str(error).strip().split("\n", 1)[0].rstrip(".")
        return None, f"; measured by replacement alone, since no gradient can be asked for ({reason})"


def _summary(reach: Tensor, by: str, own: float) -> str:
    if not reach.isfinite().all():
        return f"The effect of an input on an output is no finite number, by {by}"
    if not own:
        return f"No output depends on its own input: {IGNORES}"
    told = f"The effect of an example on another's output is {_crossing(reach):.2g} of that on its own, by {by}"
    if crosses(reach):
        i, j = _place(reach)
        told += f"; input {j} of the batch reaches output {i}: {CROSSES}"
    return told


def _crossing(reach: Tensor) -> float:
    """The largest effect on another example as a share of the largest of all; no effect at all is no crossing."""
    if not reach.isfinite().all():
        return float("nan")
    largest = reach.max()
    return (_others(reach).max() / largest).item() if largest > 0 else 0.0


def _others(reach: Tensor) -> Tensor:
    return reach - reach.diag().diag()


def _own(reach: Tensor) -> float:
    """The share of examples whose output depends on their own input."""
    return (reach.diag() > 0).double().mean().item()


def _place(reach: Tensor) -> tuple[int, int]:
    place = int(_others(reach).argmax())
    return place // len(reach), place % len(reach)


def _map(reach: Tensor, by: str) -> object:
    """Which input reaches which output, the strongest as 1."""
    names = [str(i) for i in range(len(reach))]
    shares = (reach / reach.max().clamp_min(torch.finfo(reach.dtype).tiny)).nan_to_num(0, 0, 0)
    return drawing.heatmap(shares.numpy(), names, names, "input", "output", f"What reaches what, by {by}", ".2g")
