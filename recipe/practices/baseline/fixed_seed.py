"""baseline/fixed_seed: the same seed gives the same bits."""

import torch
from pydantic import Field
from torch import Tensor

from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained, fit

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # what a float of so many bytes is compared as


class Settings(Strict):
    steps: int = Field(ge=1)


class Limits(Strict):
    max_differences: float = Field(ge=0)


@practice("baseline/fixed_seed")
def fixed_seed(exp: Experiment) -> Finding:
    """Two trainings from the same seed give the same losses and the same weights, bit for bit.

    Source: the recipe, 2, "fix random seed".
    """
    share = min(1.0, exp.stages.baseline.fixed_seed.steps * exp.training.batch_size / len(exp.train))
    training = exp.training.having(epochs=1, share=share)
    first, second = fit(exp, training), fit(exp, training)
    steps = _differing(first.history.train_loss, second.history.train_loss)
    weights = sum(_differing(first.state[name], second.state[name]) for name in first.state)
    outputs = _differing(first.outputs, second.outputs)
    count = len(first.history.train_loss)
    if steps + weights + outputs == 0:
        summary = f"Two trainings of {count} steps from seed {training.seed} agree in every loss, weight and output."
    else:
        summary = (
            f"Two trainings from seed {training.seed} differ in {steps} of {count} losses and in {weights} weights: "
            f"{_cause(exp, first, second)}."
        )
    return Finding(
        summary=summary,
        measured=float(steps + weights + outputs),
        advice="Where two trainings differ, draw every random number from torch's, numpy's or Python's global "
        "generator, which the seed sets, and use deterministic kernels.",
        requirements=(at_most(steps + weights + outputs, "max_differences"),),
    )


def _cause(exp: Experiment, first: Trained, second: Trained) -> str:
    one, other = exp.new_model().state_dict(), exp.new_model().state_dict()
    if any(_differing(one[name], other[name]) for name in one):
        return "the model starts from other weights each time, drawn from a generator that the seed does not set"
    step = int((first.history.train_loss != second.history.train_loss).int().argmax()) + 1
    return (
        f"the weights start equal and the losses part at step {step}, so a random number or a kernel in a step differs"
    )


def _differing(one: Tensor, other: Tensor) -> int:
    """How many numbers of two tensors of one shape differ in any bit; a NaN equals itself."""
    if one.is_floating_point():
        kind = BITS[one.element_size()]
        one, other = one.contiguous().view(kind), other.contiguous().view(kind)
    return int((one != other).sum())
