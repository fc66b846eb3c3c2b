"""What the page is made of: a data set, and what the practices before it have found there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.stored import Dataset
from recipe.evidence import Finding


@dataclass(frozen=True)
class Surveyed:
    """A data set and the findings on it; their tables are saved, and named relative to reports/ of its workspace.

    `probabilities` are those of each class (N, K) as a probe sees it that has not learnt from the example; None where
    there are none.
    """

    dataset: Dataset
    findings: Sequence[Finding] = ()
    probabilities: NDArray[np.float64] | None = None
