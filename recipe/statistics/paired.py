"""Two models on the same examples: the chance that the difference seen came by chance, its interval, and the power.

Differences are paired, example by example, `(N,)`: what the one adds to the metric less what the other adds. Tests are
one-sided and hold their level at any N. For classes the disagreements alone count: McNemar's test (1947), exact, with
the interval that fits it (Fay and Lumbard 2021, Statistics in Medicine 40:1147). For regression the signs of the
differences are flipped (Fisher 1935, section 21): exact where either model might as well have been the other,
however heavy the tails.

Where examples come in clusters (`groups`, (N,): patients, copies) only clusters are independent: then the signs of
whole clusters are flipped, for either task.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from recipe.dataset.labels import label_numbers
from recipe.dataset.manifest import Task
from recipe.statistics import mcnemar, sign_flips
from recipe.statistics.mcnemar import Counts, Floats

METRICS: Mapping[Task, str] = {"classification": "accuracy", "regression": "R2"}  # the mean of the answers' scores

LEFT_OUT = 1e-9  # of the number of disagreements, at either end of its distribution, when a power is computed


def chance(differences: Floats, task: Task, than: float = 0.0, groups: Counts | None = None) -> float:
    """The p-value of the hypothesis that the true mean of `differences` is at most `than`; 1 where there are none."""
    if not len(differences):
        return 1.0
    if groups is not None or task == "regression":
        return sign_flips.p_value(*_by_cluster(differences, groups), than)
    wins, losses = _wins([differences]), _wins([-differences])
    return float(mcnemar.p_value(wins, wins + losses, np.array([len(differences)]), than)[0])


def intervals(
    samples: Sequence[Floats], task: Task, level: float, groups: Sequence[Counts] | None = None
) -> list[tuple[float, float]]:
    """For each sample of differences, between which values its true mean lies; `groups` as in `chance`, of each.

    Either end is wrong with a chance of `level` at most. The lower one reaches a value exactly where `chance` of that
    value is at most `level`.
    """
    if groups is not None:
        return [sign_flips.bounds(*_by_cluster(*one), level) for one in zip(samples, groups, strict=True)]
    if task == "regression":
        return [sign_flips.bounds(*_by_cluster(one, None), level) for one in samples]
    wins, losses, counts = _wins(samples), _wins([-one for one in samples]), np.array([len(one) for one in samples])
    low = mcnemar.bounds(wins, wins + losses, counts, level)
    high = -mcnemar.bounds(losses, wins + losses, counts, level)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def answer_scores(answers: pd.Series, labels: pd.Series, task: Task) -> Floats:
    """What each example adds to the metric, (N,): 1 right, 0 wrong; 1 - squared residual over variance for R2."""
    if task == "classification":
        return (answers.astype("str").to_numpy() == labels.astype("str").to_numpy()).astype(np.float64)
    targets = label_numbers(labels)
    variance = max(float(targets.var()), float(np.finfo(np.float64).tiny))
    return np.asarray(1 - (targets - answers.to_numpy(dtype=np.float64)) ** 2 / variance)


def spread(differences: Floats, task: Task) -> float:
    """How much the two disagree: the share of examples that only one gets right; for regression the differences' sd."""
    return float(np.std(differences) if task == "regression" else np.mean(differences != 0))


def power(count: int, task: Task, disagreement: float, better: float, level: float, than: float = 0.0) -> float:
    """The chance that `chance(..., than)` is at most `level` for a model that is truly better by `better`.

    Exact for classes; for regression by the normal distribution of a mean.

    Args:
        count: the examples, N.
        disagreement: as `spread` gives it, at least `better`: who never differs is no better.
    """
    from scipy.stats import binom, norm

    share = max(disagreement, better)
    if task == "regression":
        lead = (better - than) * math.sqrt(count) / share
        return float(norm.sf(norm.isf(level) - lead)) if 0.5**count <= level else 0.0  # one set of signs in 2^N
    first, last = binom.ppf((LEFT_OUT, 1 - LEFT_OUT), count, share).astype(int)
    either = np.arange(first, last + 1)
    needed = mcnemar.wins_needed(either, count, level, than)
    passed = np.where(needed <= either, binom.sf(needed - 1, either, (share + better) / (2 * share)), 0.0)
    return float(binom.pmf(either, count, share) @ passed)


def power_of_clusters(differences: Floats, groups: Counts, better: float, level: float, than: float = 0.0) -> float:
    """The chance that `chance(..., than, groups)` is at most `level` for a model that is truly better by `better`.

    By the normal distribution of a mean over clusters that deviate from it as these do.
    """
    sums, sizes = _by_cluster(differences - differences.mean(), groups)
    apart = float(np.std(sums)) / float(sizes.mean())  # of a cluster's part in the mean
    return power(len(sums), "regression", apart, better, level, than)


def _wins(samples: Sequence[Floats]) -> Counts:
    return np.array([np.count_nonzero(one > 0) for one in samples], dtype=np.int64)


def _by_cluster(differences: Floats, groups: Counts | None) -> tuple[Floats, Floats]:
    if groups is None:
        return differences, np.ones(len(differences))
    _, cluster = np.unique(groups, return_inverse=True)
    return np.bincount(cluster, differences).astype(float), np.bincount(cluster).astype(float)
