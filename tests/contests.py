"""Contests whose truth is known, for tests of how often a challenger is promoted."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom, norm

from recipe.dataset.manifest import Task
from recipe.promotion.rule import Contest, Decision, decide
from recipe.settings.retrain import Rule
from recipe.statistics.metrics import METRICS, Metric

ACCURACY, R2 = METRICS["accuracy"], METRICS["R2"]
METRIC_OF: dict[Task, Metric] = {"classification": ACCURACY, "regression": R2}
OWN_NOISE = 0.15  # of a model's view of how hard an example is, beside the examples' spread of 1: 3 % disagreement
Mixture = Sequence[tuple[int, float]]  # examples, and how far the two are apart; a round takes one after another
CLASSES: Mixture = [(count, share) for count in (200, 500, 2000) for share in (0.02, 0.05, 0.15)]
NUMBERS: Mixture = [(count, sd) for count in (200, 500, 2000) for sd in (0.05, 0.15, 0.4)]


def decisions(
    task: Task, rounds: int, better: float, rule: Rule | None = None, mixture: Mixture = (), seed: int = 0
) -> list[Decision]:
    """What the rule makes of `rounds` challengers, each truly better than its champion by `better`."""
    rng = np.random.default_rng(seed)
    settings = mixture or (CLASSES if task == "classification" else NUMBERS)
    contests = (simulated(rng, *settings[i % len(settings)], better, task) for i in range(rounds))
    return [decide(one, rule or Rule()) for one in contests]


def simulated(rng: np.random.Generator, count: int, apart: float, better: float, task: Task) -> Contest:
    """A contest on `count` examples of ten classes and two slices; the challenger is better everywhere alike.

    `apart` is the share of examples that only one gets right; for regression how large, beside what neither can know,
    is the error of each that the other has not. What neither knows and these errors are heavy-tailed: Student's t with
    3 degrees of freedom, so that the squares have no variance.
    """
    challenger, champion = (_right_or_wrong if task == "classification" else _squared)(rng, count, apart, better)
    kind = rng.integers(0, 10, count)
    parts = {f"class {one}": kind == one for one in range(10)}
    return Contest(
        challenger, champion, METRIC_OF[task], parts | {f"source = {one}": rng.random(count) < 0.3 for one in "ab"}
    )


def _right_or_wrong(rng: np.random.Generator, count: int, apart: float, better: float) -> np.ndarray:
    chosen, both = rng.random(count), rng.random(count) < 0.9
    wins, either = chosen < (apart + better) / 2, chosen < apart
    return np.where(either, [wins, ~wins], both).astype(float)


def _squared(rng: np.random.Generator, count: int, apart: float, better: float) -> np.ndarray:
    unknown, own = rng.standard_t(3, count), apart * rng.standard_t(3, (2, count))
    return 1 - np.square(unknown + own) / 6 + [[better], [0.0]]


def reign(
    rng: np.random.Generator, count: int, gains: Sequence[float], rule: Rule, start: float = 0.9, fresh: bool = False
) -> tuple[list[Decision], float, float]:
    """Retrainings on one test set, each truly better than the champion of the day by its gain.

    Gives the decisions, the last champion's true accuracy, and by how many standard errors its figure is too good.
    A model is right where an example is not too hard for it, in its own, noisy view. With `fresh`, each retraining has
    a test set of its own.
    """
    made, truth = [], start
    hardness, champion = _taken(rng, rng.standard_normal(count), truth)
    for gain in gains:
        if fresh:
            hardness, champion = _taken(rng, rng.standard_normal(count), truth)
        _, challenger = _taken(rng, hardness, truth + gain)
        made.append(decide(Contest(challenger, champion, ACCURACY, {}), rule))
        if made[-1].promote:
            champion, truth = challenger, truth + gain
    return made, truth, (champion.mean() - truth) / np.sqrt(truth * (1 - truth) / count)


def _taken(rng: np.random.Generator, hardness: np.ndarray, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """The test of a new model of a true `accuracy`: the examples' hardness, and which it gets right."""
    view = hardness + OWN_NOISE * rng.standard_normal(len(hardness))
    return hardness, (view < norm.ppf(accuracy) * np.hypot(1, OWN_NOISE)).astype(float)


def share(made: Sequence[Decision]) -> float:
    """The share that was promoted."""
    return float(np.mean([one.promote for one in made]))


def surprise(made: Sequence[Decision], rate: float) -> float:
    """How likely so many or more are promoted where each is with a chance of `rate`."""
    return float(binom.sf(sum(one.promote for one in made) - 1, len(made), rate))


def gap(made: Sequence[Decision]) -> float:
    """By how many standard errors the share promoted differs from the mean of the powers stated."""
    stated = np.array([one.power for one in made])
    error = np.sqrt((stated * (1 - stated)).sum()) / len(made)
    return float(abs(share(made) - stated.mean()) / error)
