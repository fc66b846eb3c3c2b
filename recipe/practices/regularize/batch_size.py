"""regularize/batch_size: smaller batches, whose gradients are noisier."""

from __future__ import annotations

from pydantic import Field

from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.experiment import Experiment

LEAST = 2  # batch statistics need two


class Settings(Strict):
    share: float = Field(gt=0, lt=1)


@practice("regularize/batch_size")
def batch_size(exp: Experiment) -> Finding:
    """Smaller batches, whose gradients are noisier, lower the validation loss.

    As many epochs, so that each example is seen as often, at the same rate: the noise is what is wanted. Source: the
    recipe, 4, "smaller batch size"; Masters and Luschi 2018.
    """
    changes = batch_size_changes(exp)
    if not changes:
        return skip(f"Batches of {exp.training.batch_size} can hardly be smaller.")
    return finding(
        exp,
        compare_all(exp, changes),
        advice="Where no gain holds, keep the larger batch: it is faster.",
        remark=" With batch norm, smaller batches also mean noisier statistics.",
    )


def batch_size_changes(exp: Experiment) -> list[Change]:
    """A share of the control's batch."""
    smaller = round(exp.training.batch_size * exp.stages.regularize.batch_size.share)
    if not LEAST <= smaller < exp.training.batch_size:
        return []
    return [Change(f"batches of {smaller}", lambda training: training.having(batch_size=smaller))]
