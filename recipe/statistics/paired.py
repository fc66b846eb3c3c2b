"""Two models on the same examples: the chance that the difference seen came by chance, its interval, and the power.

Differences are paired, example by example, `(N,)`: what the one adds to the metric less what the other adds. Tests are
one-sided and hold their level at any N. Of what is right or wrong the disagreements alone count: McNemar's test (1947),
exact, with the interval that fits it (Fay and Lumbard 2021, Statistics in Medicine 40:1147). Of amounts the signs of
the differences are flipped (Fisher 1935, section 21): exact where either model might as well have been the other,
however heavy the tails.

Where examples come in clusters (`groups`, (N,): patients, copies) only clusters are independent: then the signs of
whole clusters are flipped, for either.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.labels import label_numbers
from recipe.dataset.target_scale import on_scale
from recipe.statistics import mcnemar, sign_flips
from recipe.statistics.mcnemar import Counts, Floats
from recipe.statistics.metrics import Metric, Scored

PROBABILITY = "probability_"  # what the columns of a model's answer begin with, before the name of the class

LEFT_OUT = 1e-9  # of the number of disagreements, at either end of its distribution, when a power is computed


def chance(differences: Floats, scored: Scored, than: float = 0.0, groups: Counts | None = None) -> float:
    """The p-value of the hypothesis that the true mean of `differences` is at most `than`; 1 where there are none."""
    if not len(differences):
        return 1.0
    if groups is not None or scored == "measured":
        return sign_flips.p_value(*_by_cluster(differences, groups), than)
    wins, losses = _wins([differences]), _wins([-differences])
    return float(mcnemar.p_value(wins, wins + losses, np.array([len(differences)]), than)[0])


def intervals(
    samples: Sequence[Floats], scored: Scored, level: float, groups: Sequence[Counts] | None = None
) -> list[tuple[float, float]]:
    """For each sample of differences, between which values its true mean lies; `groups` as in `chance`, of each.

    Either end is wrong with a chance of `level` at most. The lower one reaches a value exactly where `chance` of that
    value is at most `level`.
    """
    if groups is not None:
        return [sign_flips.bounds(*_by_cluster(*one), level) for one in zip(samples, groups, strict=True)]
    if scored == "measured":
        return [sign_flips.bounds(*_by_cluster(one, None), level) for one in samples]
    wins, losses, counts = _wins(samples), _wins([-one for one in samples]), np.array([len(one) for one in samples])
    low = mcnemar.bounds(wins, wins + losses, counts, level)
    high = -mcnemar.bounds(losses, wins + losses, counts, level)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def answer_scores(answers: pd.DataFrame, labels: pd.Series, metric: Metric, learnt: Mapping[str, Any]) -> Floats:
    """What each example adds to `metric`, (N,), the greater the better; arguments as in `outputs_and_targets`."""
    return metric.scores(*outputs_and_targets(answers, labels, metric, learnt))


def outputs_and_targets(
    answers: pd.DataFrame, labels: pd.Series, metric: Metric, learnt: Mapping[str, Any]
) -> tuple[Floats, Any]:
    """What a model has answered and the labels, as `metric` takes them.

    A label that the model does not know is one more class, which it holds for impossible.

    Args:
        answers: as a model gives them: `prediction`, and of classes a column `probability_<class>` each.
        labels: (N,), as text.
        learnt: preparation.json of what the model was trained on: R2 is on the scale of its target.
    """
    if learnt["task"] == "regression":
        predicted, given = answers.iloc[:, 0].to_numpy(dtype=np.float64), label_numbers(labels)
        if not metric.in_own_units:
            predicted, given = (on_scale(one, learnt["target"]) for one in (predicted, given))
        return predicted[:, np.newaxis], given[:, np.newaxis]
    given_classes = labels.astype("str")
    names = [str(name) for name in answers if str(name).startswith(PROBABILITY)]
    known = {name.removeprefix(PROBABILITY): answers[name] for name in names}
    classes = [*known, *sorted(set(given_classes) - set(known))]
    with np.errstate(divide="ignore"):
        columns = [np.log(known[name].to_numpy(np.float64)) if name in known else _never(labels) for name in classes]
    places = pd.Series(range(len(classes)), index=classes)
    return np.column_stack(columns), places[given_classes].to_numpy(np.int64)


def _never(labels: pd.Series) -> Floats:
    return np.full(len(labels), -np.inf)


def spread(differences: Floats, scored: Scored) -> float:
    """How much the two disagree: the share of examples that only one gets right; of amounts the differences' sd."""
    return float(np.std(differences) if scored == "measured" else np.mean(differences != 0))


def power(count: int, scored: Scored, disagreement: float, better: float, level: float, than: float = 0.0) -> float:
    """The chance that `chance(..., than)` is at most `level` for a model that is truly better by `better`.

    Exact for what is right or wrong; for amounts by the normal distribution of a mean.

    Args:
        count: the examples, N.
        disagreement: as `spread` gives it, at least `better`: who never differs is no better.
    """
    from scipy.stats import binom, norm

    share = max(disagreement, better)
    if scored == "measured":
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
    return power(len(sums), "measured", apart, better, level, than)


def _wins(samples: Sequence[Floats]) -> Counts:
    return np.array([np.count_nonzero(one > 0) for one in samples], dtype=np.int64)


def _by_cluster(differences: Floats, groups: Counts | None) -> tuple[Floats, Floats]:
    if groups is None:
        return differences, np.ones(len(differences))
    _, cluster = np.unique(groups, return_inverse=True)
    return np.bincount(cluster, differences).astype(float), np.bincount(cluster).astype(float)
