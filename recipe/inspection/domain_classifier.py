"""How well a classifier tells two samples apart: what moved between columns, and no column shows alone."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.inspection.sampling import drawn
from recipe.inspection.shift import Shift, unmoved
from recipe.statistics.multiple_testing import bonferroni

Numbers = NDArray[np.float64]
Samples = tuple[Numbers, Numbers]  # vectors of the reference (N, D), and of the batch (M, D)

FEWEST_ROWS = 4  # two to train on and two to judge, of each sample
MOST_FEATURES = 500  # that the classifier sees: the covariance of more takes seconds
SHRINKAGE = 0.1  # of the covariance to its diagonal (Friedman 1989): between 0.1 and 0.5 nothing changed on digits
CLIPPED = 4.0  # standard deviations: one wild cell must not hide the rest
FLAT = 1e-3  # a feature that does not vary in training may vary in what is judged


def shift_of_vectors(reference: np.ndarray, batch: np.ndarray, most: int) -> Shift:
    """How well a classifier that learnt on half of both samples (N, D) and (M, D) tells the other halves apart.

    Both ways round, and the score is 2 AUC - 1. The p-value is that of Mann and Whitney for the batch scoring higher,
    the smaller of the two halves' twice: scores of several folds taken together depend on each other, and would be
    significant at 1 % in 3 % of healthy batches.

    Args:
        most: examples of each sample that are looked at.
    """
    if min(len(reference), len(batch)) < FEWEST_ROWS or not reference[:1].size:
        return unmoved("There are too few examples for a classifier that tells the two apart.")
    halves = [_halves(sample[drawn(len(sample), most)]) for sample in (reference, batch)]
    if not all(len(half) for sample in halves for half in sample):
        return unmoved("There are too few different examples for a classifier that tells the two apart.")
    first, second = zip(*halves, strict=True)
    auc, p_values = zip(_told_apart(learnt=first, judged=second), _told_apart(learnt=second, judged=first), strict=True)
    area = float(np.mean(auc))
    return Shift(
        score=max(0.0, 2 * area - 1),
        p_value=bonferroni(p_values),
        detail=f"A classifier tells the two apart with an AUC of {area:.2f}, where 0.5 is chance.",
    )


def _halves(vectors: np.ndarray) -> tuple[Numbers, Numbers]:
    """Every other example (N, D), copies together, as they would be told from each other; what is no number is 0."""
    finite = np.nan_to_num(vectors.astype(np.float64))
    codes, _ = pd.factorize(np.array([vector.tobytes() for vector in finite], dtype=object))
    return finite[codes % 2 == 1], finite[codes % 2 == 0]


def _told_apart(learnt: Samples, judged: Samples) -> tuple[float, float]:
    """The AUC, and the p-value of the batch scoring no higher, by Fisher's linear discriminant (1936)."""
    from scipy.stats import mannwhitneyu

    features = _features(*learnt)
    weights = _discriminant(*map(features, learnt))
    before, after = (features(sample) @ weights for sample in judged)
    test = mannwhitneyu(after, before, alternative="greater", method="asymptotic")
    return float(test.statistic) / (len(before) * len(after)), float(test.pvalue)


def _features(before: Numbers, after: Numbers) -> Callable[[Numbers], Numbers]:
    """What makes vectors (N, D) to features (N, F): those that lie furthest apart, standardised, and their squares.

    Squares tell of spread.
    """
    both = np.concatenate([before, after])
    mean, std = both.mean(0), both.std(0)
    std = np.where(std > 0, std, 1.0)
    apart = np.abs(after.mean(0) - before.mean(0)) / std
    chosen = np.sort(np.argsort(-apart, kind="stable")[:MOST_FEATURES])

    def features(vectors: Numbers) -> Numbers:
        scaled = np.clip((vectors[:, chosen] - mean[chosen]) / std[chosen], -CLIPPED, CLIPPED)
        return np.column_stack([scaled, scaled**2])

    return features


def _discriminant(before: Numbers, after: Numbers) -> Numbers:
    """The direction (F,) along which features (N, F) and (M, F) lie furthest apart beside their spread."""
    inside = np.concatenate([before - before.mean(0), after - after.mean(0)])
    covariance = inside.T @ inside / len(inside)
    own = np.maximum(np.diag(covariance), FLAT)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(own)
    return np.linalg.solve(shrunk, after.mean(0) - before.mean(0))
