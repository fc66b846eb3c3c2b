"""regularize/larger_early_stopped: a larger model, stopped early."""

from __future__ import annotations

import math

from pydantic import Field

from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.experiment import Experiment, Training


class Settings(Strict):
    width: float = Field(gt=1)


@practice("regularize/larger_early_stopped")
def larger_early_stopped(exp: Experiment) -> Finding:
    """A larger model, stopped where its validation loss is lowest, is better than the present one, stopped as well.

    It overfits sooner and much more, but on the way there it can be better. Trained for fewer epochs, by the factor by
    which it is wider: it turns sooner, and costs more. Source: the recipe, 4, "early stopping": larger models whose
    early stopped performance is often much better than that of smaller models.
    """
    changes = larger_early_stopped_changes(exp)
    if not changes:
        return skip(f"{exp.training.model.name} declares no width that makes it larger.")
    return finding(
        exp,
        compare_all(exp, changes),
        advice="Where no gain holds, the size is enough.",
    )


def larger_early_stopped_changes(exp: Experiment) -> list[Change]:
    """More width, the best epoch kept."""
    model, factor = exp.training.model, exp.stages.regularize.larger_early_stopped.width
    wider = model.wider_width(factor)
    if wider is None:
        return []

    def apply(training: Training) -> Training:
        return training.having(
            model=training.model.having(width=wider), epochs=math.ceil(training.epochs / factor), keep_best=True
        )

    return [Change(f"early stopping at width {wider}", apply, stopped=True)]
