"""What the page is made of: a data set, and what the practices before it have found there."""

from collections.abc import Sequence
from dataclasses import dataclass

from recipe.dataset.stored import Dataset
from recipe.evidence import Finding


@dataclass(frozen=True)
class Surveyed:
    """A data set and the findings on it; their tables are saved, and named relative to reports/ of its workspace."""

    dataset: Dataset
    findings: Sequence[Finding] = ()
