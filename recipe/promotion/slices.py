"""Each class and slice of the test examples: where a challenger is worse than the champion, beyond chance."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.manifest import Task
from recipe.settings.retrain import Rule
from recipe.statistics.multiple_testing import holm
from recipe.statistics.paired import Counts, Floats, chance, intervals

COLUMNS = ("part", "examples", "challenger", "champion", "difference", "low", "high", "p_value", "worse")


def compare_parts(
    challenger: Floats,
    champion: Floats,
    task: Task,
    parts: Mapping[str, NDArray[np.bool_]],
    rule: Rule,
    groups: Counts | None = None,
) -> pd.DataFrame:
    """A row for each of `parts`, masks (N,) that may overlap; the worst first, those without an example left out.

    Columns: part, examples, challenger, champion, difference, low, high, p_value (one-sided, of being worse), worse. A
    part with fewer than `rule.least_examples` is not tested, and its p_value is no number. The chance that `worse` is
    wrong for any part is at most `rule.alpha`, however they overlap; so is that for all lower, and all upper, ends.
    `groups` (N,) number the clusters that the examples come in.
    """
    masks = {name: mask for name, mask in parts.items() if mask.any()}
    differences = [challenger[mask] - champion[mask] for mask in masks.values()]
    tested = [len(one) >= rule.least_examples for one in differences]
    clusters = None if groups is None else [groups[mask] for mask in masks.values()]
    level = rule.alpha / max(sum(tested), 1)  # Bonferroni's, for a look at all at once
    ends = intervals(differences, task, level, clusters)
    p_values = [
        chance(-one, task, groups=clusters[place] if clusters else None) if tested[place] else math.nan
        for place, one in enumerate(differences)
    ]
    table = pd.DataFrame(
        {
            "part": list(masks),
            "examples": [len(one) for one in differences],
            "challenger": [float(challenger[mask].mean()) for mask in masks.values()],
            "champion": [float(champion[mask].mean()) for mask in masks.values()],
            "difference": [float(one.mean()) for one in differences],
            "low": [low for low, _ in ends],
            "high": [high for _, high in ends],
            "p_value": p_values,
        }
    ).sort_values("p_value", kind="stable", ignore_index=True)
    return table.assign(worse=holm(table["p_value"].to_numpy(dtype=float), rule.alpha))
