"""regularize/weight_decay: idle weights shrink a little at every step."""

from __future__ import annotations

import math

from pydantic import Field

from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.experiment import Experiment, Training


class Settings(Strict):
    foldings: float = Field(gt=0)


@practice("regularize/weight_decay")
def weight_decay(exp: Experiment) -> Finding:
    """More weight decay, decoupled from the gradient, lowers the validation loss.

    Each step multiplies a weight by 1 - lr x decay, so that over a training of T steps an idle one shrinks by
    exp(-lr x decay x T): that exponent is the setting, and the decay follows from it for any rate and length (Wang and
    Aitchison 2024). Source: the recipe, 4; Loshchilov and Hutter 2019.
    """
    changes = weight_decay_changes(exp)
    if not changes:
        return skip(f"{exp.training.optimizer.name} has no weight_decay beside a learning rate.")
    return finding(
        exp,
        compare_all(exp, changes),
        advice="Where no gain holds, leave it as it is, or search the decay together with the learning rate.",
    )


def weight_decay_changes(exp: Experiment) -> list[Change]:
    """The decay that the setting asks for, on top of what is on."""
    optimizer = exp.training.optimizer
    rate = optimizer.declared("lr")
    if not rate or not optimizer.declares("weight_decay"):
        return []
    steps = exp.training.epochs * math.ceil(len(exp.train) / exp.training.batch_size)
    more = exp.stages.regularize.weight_decay.foldings / (float(rate) * steps)
    decay = float(f"{(optimizer.default_of('weight_decay') or 0.0) + more:.3g}")
    decoupled = {"decoupled_weight_decay": True} if optimizer.declares("decoupled_weight_decay") else {}

    def apply(training: Training) -> Training:
        return training.having(optimizer=training.optimizer.having(weight_decay=decay, **decoupled))

    return [Change(f"weight decay {decay:g}", apply)]
