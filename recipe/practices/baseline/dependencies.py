"""baseline/dependencies: no information crosses from one example to another."""

import torch
from torch import Tensor

from recipe import drawing
from recipe.causes import CROSSES, IGNORES, crosses
from recipe.evidence import Finding, at_least, at_most, practice
from recipe.experiment import Experiment
from recipe.probes import everything, gradient_reach, replacement_reach, some, stirred_model


@practice("baseline/dependencies")
def dependencies(exp: Experiment) -> Finding:
    """The output of an example depends on its own input, and on no other example's.

    Measured twice, in evaluation mode: by the gradient of output i with respect to input j, and by replacing input j
    and watching output i, which also sees what has no gradient. Crossing is the largest effect on another example as a
    share of the largest on the own one. Source: the recipe, 2, "use backprop to chart dependencies".
    """
    inputs, _ = everything(some(exp, exp.train, exp.stages.baseline.dependencies.examples))
    model = stirred_model(exp)
    reaches = {"replacement": replacement_reach(model, inputs), "gradient": gradient_reach(model, inputs)}
    known = {name: reach for name, reach in reaches.items() if reach is not None}
    crossing = {name: _crossing(reach) for name, reach in known.items()}
    own = min(_own(reach) for reach in known.values())
    by, worst = max(crossing.items(), key=lambda item: item[1])
    if not own:
        summary = f"No output depends on its own input: {IGNORES}"
    else:
        summary = f"The effect of an example on another's output is {worst:.2g} of that on its own, by {by}"
    if crosses(known[by]):
        i, j = _place(known[by])
        summary += f"; input {j} of the batch reaches output {i}: {CROSSES}"
    return Finding(
        summary=f"{summary}.",
        measured=worst,
        expected=0.0,
        advice="Look for a view or reshape where a transpose or permute is meant, for a softmax, mean, sort or norm "
        "over dimension 0, and for normalisation that uses the batch's own statistics in evaluation.",
        requirements=(at_most(worst, "max_crossing"), at_least(own, "min_own")),
        figures={"reach": _map(known[by], by)},
    )


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
