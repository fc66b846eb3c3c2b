"""regularize/input_size: fewer inputs, which leave less to memorise by."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from recipe.errors import TargetError
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Share, Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training

LEAST_SIDE = 4  # pixels; two blocks of pooling leave one of them
MOST_ROWS = 2000  # that tell a column with information from one without; neighbours are sought among them


class Settings(Strict):
    resolution: Share
    left_out: tuple[Share, ...] = Field(min_length=1)


@practice("regularize/input_size")
def input_size(exp: Experiment) -> Finding:
    """Fewer inputs, of a lower resolution or without the columns that tell least, lower the validation loss.

    A column tells little where its mutual information with the target is low, by the neighbours of the training rows
    (Ross 2014, PLoS ONE 9:e87357), so spurious ones go first. Source: the recipe, 4, "decrease input dimensionality".
    """
    changes = input_size_changes(exp)
    if not changes:
        return skip("The inputs are neither images that could be smaller nor several columns.")
    return finding(
        exp,
        compare_all(exp, changes),
        advice="Where no gain holds, keep all of the input. Where less does as well, it is also faster.",
    )


def input_size_changes(exp: Experiment) -> list[Change]:
    """A lower resolution for images, fewer columns for tables."""
    if exp.training.reduction is not None:
        return []
    settings: Settings = exp.stages.regularize.input_size
    shape = exp.input_shape
    reductions = {}
    if exp.gets_images:
        size = [max(1, round(side * settings.resolution)) for side in shape[1:]]
        if min(size) >= LEAST_SIDE:
            reductions[f"{size[0]} x {size[1]} pixels"] = Component("reduction", "recipe.models.Shrink", {"size": size})
    elif len(shape) == 1 and shape[0] > 1:
        told = by_information(exp)
        for share in settings.left_out:
            kept = sorted(told[: max(1, round(len(told) * (1 - share)))])
            if len(kept) < len(told):
                select = Component("reduction", "recipe.models.Select", {"columns": kept})
                reductions[f"{len(kept)} of {len(told)} inputs"] = select
    changes = [_with(name, reduction) for name, reduction in reductions.items()]
    return [change for change in changes if _can_be_built(exp, change.apply(exp.training))]


def by_information(exp: Experiment) -> list[int]:
    """The places of a table's inputs, the one that tells most of the target first."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    few = exp.train.head(MOST_ROWS)
    inputs, targets = few.batch(torch.arange(len(few)))
    rows, labels = inputs.cpu().numpy(), targets.cpu().numpy()
    if exp.task == "classification":
        told = mutual_info_classif(rows, labels, random_state=0)
    else:
        told = np.sum([mutual_info_regression(rows, column, random_state=0) for column in labels.T], axis=0)
    return [int(place) for place in (-told).argsort(kind="stable")]


def _with(name: str, reduction: Component) -> Change:
    return Change(name, lambda training: training.having(reduction=reduction))


def _can_be_built(exp: Experiment, training: Training) -> bool:
    """A user's own model may take inputs of one size only."""
    try:
        model = exp.new_model(training=training)
        with torch.no_grad():
            model.eval()(torch.zeros(2, *exp.input_shape, device=exp.device.torch))
    except (TargetError, RuntimeError, ValueError):
        return False
    return True
