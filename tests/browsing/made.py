"""Data sets with their findings as the data stage hands them to the page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recipe.browsing.surveyed import Surveyed
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding
from recipe.pipeline.stage import saved
from recipe.practices.data.duplicates import duplicates
from tests.faults.data import arrays, digits

WRONG = (3, 40, 77, 200, 451)  # digits whose labels are one too high


def surveyed(workspace: Path, dataset: Dataset, findings: Sequence[Finding] = ()) -> Surveyed:
    """`dataset` in `workspace`, with `findings` whose tables are saved there."""
    told = [saved(finding, workspace / "reports", "data") for finding in findings]
    return Surveyed(replace(dataset, workspace=workspace), told)


def digits_with_faults(workspace: Path, count: int = 600) -> Surveyed:
    """The first digits: five wrong labels, which a table suspects, and two copies, one under another label."""
    images, labels = digits()
    order = [*range(count - 2), 0, 1]
    given = [str(labels[row]) for row in order]
    for row in WRONG:
        given[row] = str((int(given[row]) + 1) % 10)
    given[-1] = "7"
    dataset = arrays(images[order], given)
    return surveyed(workspace, dataset, [label_noise(dataset, WRONG), duplicates(dataset)])


def label_noise(dataset: Dataset, wrong: Sequence[int]) -> Finding:
    """What doubts the labels `wrong`, the first the most; all others are above suspicion, each by another score."""
    count = len(dataset.manifest)
    scores = np.linspace(0.1, 0.2, count).round(4)
    scores[list(wrong)] = np.linspace(0.99, 0.9, len(wrong)).round(4)
    flagged = scores > 0.5
    given = dataset.manifest["label"]
    suggested = given.mask(flagged, "0")
    known = {"id": dataset.manifest["id"], "path": dataset.manifest["path"]}
    table = pd.DataFrame({**known, "given": given, "suggested": suggested, "score": scores, "flagged": flagged})
    return Finding(
        summary=f"{len(wrong)} labels are in doubt.",
        measured=len(wrong) / count,
        interval=(0.5 * len(wrong) / count, 2 * len(wrong) / count),
        advice="Look at them.",
        table=table.sort_values("score", ascending=False),
        practice="data/label_noise",
    )
