"""How many of each class a cheap classifier finds: what a rare class costs, before any net is trained."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset

PROBED = 5_000  # examples in all, shared out evenly over the classes
FEWEST_OF_CLASS = 20  # of each that has so many, however many classes there are
MOST_CLASSES, MOST_NUMBERS = 1_000, 1_000  # beyond either the classifier takes minutes, or a gigabyte
CHUNK = 256  # inputs pooled at once: of colour images of 224 x 224 150 MB
FOLDS = 5


@dataclass(frozen=True)
class ClassRecall:
    """Which of the examples `rows` (M,) are taken for their own class out of fold.

    `found` (M,) by a classifier that knows how common each class is, `found_evenly` (M,) by the same one where every
    class weighs alike.
    """

    rows: NDArray[np.int64]
    found: NDArray[np.bool_]
    found_evenly: NDArray[np.bool_]


NOT_ASKED = ClassRecall(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))


def class_recall(dataset: Dataset) -> ClassRecall:
    """Linear discriminant analysis (shrunk as Ledoit and Wolf 2004 do), cross-validated on the pooled inputs.

    Of a common class a sample is looked at; how common it is is told to the classifier as its prior, so that recall is
    that of the whole set. No rows where fewer than two classes have `FOLDS` examples, or where there are too many
    classes or numbers for seconds.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(dataset.targets)
    classes = np.flatnonzero(counts >= FOLDS)
    if not 2 <= len(classes) <= MOST_CLASSES:
        return NOT_ASKED
    rows = _sampled(dataset.targets, classes)
    pooled = kind_of(dataset.preparation).pooled
    if pooled(dataset.inputs[rows[:1]]).shape[1] > MOST_NUMBERS:
        return NOT_ASKED
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    vectors = np.concatenate([pooled(dataset.inputs[chunk]) for chunk in chunks])
    targets = np.searchsorted(classes, dataset.targets[rows])
    shares = counts[classes] / counts[classes].sum()
    found, found_evenly = np.zeros((2, len(rows)), dtype=bool)
    for learnt, asked in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(vectors, targets):
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=shares)
        told = probe.fit(vectors[learnt], targets[learnt]).predict_log_proba(vectors[asked])
        found[asked] = told.argmax(1) == targets[asked]
        found_evenly[asked] = (told - np.log(shares)).argmax(1) == targets[asked]
    return ClassRecall(rows, found, found_evenly)


def _sampled(targets: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of each class, as many of one as of another where there are enough."""
    rng = np.random.default_rng(0)
    most = max(FEWEST_OF_CLASS, PROBED // len(classes))
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(targets == one))[:most] for one in classes]))
