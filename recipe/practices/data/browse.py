"""data/browse: a page on which a person looks at the data, example by example."""

from __future__ import annotations

import numpy as np

from recipe import drawing
from recipe.browsing.page import write_browser
from recipe.browsing.surveyed import Surveyed
from recipe.dataset.counted import counted
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, practice

EACH = 8  # examples of a class in the picture
EACH_ROW = 2  # where they are rows, which take a line each
MOST_CLASSES = 10  # in the picture; all are on the page
MOST_COLUMNS = 6  # of a table in the picture


@practice("data/browse")
def browse(surveyed: Surveyed) -> Finding:
    """Whoever looks at thousands of examples sees what no figure tells.

    Source: the recipe, step 1: become one with the data. The page is in reports/data/browse/ of the workspace.
    """
    browsed = write_browser(surveyed)
    examples = counted(browsed.shown, "example")
    told = [f"{examples} to look at, search, filter, sort and mark: open data.html beside this report.", *browsed.notes]
    return Finding(summary=" ".join(told), figures=_montage(surveyed.dataset))


def _montage(dataset: Dataset) -> dict[str, object]:
    kind = kind_of(dataset.preparation)
    rows = _of_each_class(dataset, EACH if kind.pictures else EACH_ROW)
    labels = [str(label) for label in dataset.manifest["label"].iloc[rows]]
    title = "A few examples of each class" if dataset.preparation["classes"] else "A few examples, with their targets"
    if kind.pictures:
        drawn: object | None = kind.draw(dataset.inputs[rows], labels, title)
    else:
        drawn = _drawn_as_text(dataset, rows, labels, title)
    return {"montage": drawn} if drawn else {}


def _of_each_class(dataset: Dataset, each: int) -> np.ndarray:
    """The first examples of each class, of the most common classes; where there is none, as in a regression, the first.

    Not drawn by chance: equal data have equal pictures.
    """
    if dataset.preparation.get("classes") is None:
        return np.arange(min(each * MOST_CLASSES, len(dataset.manifest)))
    labels = dataset.manifest["label"].astype("str")
    common = sorted(labels.value_counts().index[:MOST_CLASSES])
    return np.concatenate([np.flatnonzero(labels == label)[:each] for label in common])


def _drawn_as_text(dataset: Dataset, rows: np.ndarray, labels: list[str], title: str) -> object | None:
    columns = kind_of(dataset.preparation).columns(dataset).iloc[rows, :MOST_COLUMNS]
    if columns.empty:
        return None
    cells = columns.astype("object").to_numpy()
    return drawing.text_table(cells, labels, [str(name) for name in columns.columns], title)
