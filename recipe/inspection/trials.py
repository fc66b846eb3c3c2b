"""What a change of the inputs is worth: the same cheap probe on the inputs as they are, and changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.clusters import clusters_of
from recipe.dataset.splits import TEST
from recipe.dataset.stored import Dataset
from recipe.inspection.kernel_ridge import Mapped, fit_ridge, kernel_map
from recipe.inspection.linear_algebra import single_threaded
from recipe.inspection.probe import best_penalty, probe_targets, scaled
from recipe.statistics.intervals import NORMAL_975, Estimate, wilson

Floats = NDArray[np.float32]

MOST = 1_500  # examples, so that a trial takes half a second; a loss of a point or two shows in as many
PENALTY_FROM = 700  # of them
FEWEST = 100
INTACT = "as it is"


@dataclass(frozen=True)
class Trials:
    """How well a probe does on n examples under each change of them, the first being none.

    `right` is for each name (n,): 1 where the class was told rightly and 0 where not; of a number 1 less its squared
    error in units of the variance. Each example was left out of what was asked about it.
    """

    right: Mapping[str, NDArray[np.float64]]
    is_class: bool

    def score(self, name: str) -> Estimate:
        """The accuracy, or R2, under a change."""
        right = self.right[name]
        mean = float(right.mean())
        if self.is_class:
            return Estimate(mean, *wilson(float(right.sum()), len(right)))
        return _estimate(right)

    def gain(self, name: str) -> Estimate:
        """How much more that is than without the change, on the same examples."""
        return _estimate(self.right[name] - next(iter(self.right.values())))

    @property
    def measure(self) -> str:
        """What a score is, in words."""
        return "accuracy" if self.is_class else "R2"

    def table(self) -> pd.DataFrame:
        """One row a change: change, score, low, high, gain, gain_low, gain_high."""
        rows = []
        for name in self.right:
            score, gain = self.score(name), self.gain(name)
            rows.append((name, score.value, score.low, score.high, gain.value, gain.low, gain.high))
        return pd.DataFrame(rows, columns=["change", "score", "low", "high", "gain", "gain_low", "gain_high"])


def trial_rows(dataset: Dataset) -> NDArray[np.int64] | None:
    """The examples that trials are made on, none of them of the test split; None where there are too few."""
    known = np.flatnonzero((dataset.manifest["split"] != TEST).to_numpy())
    drawn = np.sort(np.random.default_rng(0).permutation(known)[:MOST])
    return drawn if len(drawn) >= FEWEST else None


def tried(dataset: Dataset, rows: NDArray[np.int64], changes: Mapping[str, Callable[[], Floats]]) -> Trials:
    """The examples `rows` as the features (n, D) that each change makes of them; the penalty is the first's best."""
    targets, clusters = probe_targets(dataset)[rows], clusters_of(dataset)[rows]
    is_class = dataset.preparation["classes"] is not None
    penalty: float | None = None
    right: dict[str, NDArray[np.float64]] = {}
    with single_threaded():
        for name, change in changes.items():
            features = scaled(change())
            examples = Mapped(kernel_map(features, seed=0)(features), targets, clusters)
            penalty = penalty or best_penalty(examples.at(slice(0, PENALTY_FROM)))
            told = fit_ridge(examples, penalty).left_out(examples)
            right[name] = _right(told, targets, is_class)
    return Trials(right, is_class)


def _right(told: Floats, targets: Floats, is_class: bool) -> NDArray[np.float64]:
    if is_class:
        return (told.argmax(1) == targets.argmax(1)).astype(np.float64)
    squares = (told - targets).astype(np.float64) ** 2
    return np.asarray(1 - squares[:, 0] / max(float(targets.var()), np.finfo(float).eps))


def _estimate(values: NDArray[np.float64]) -> Estimate:
    mean, half = float(values.mean()), NORMAL_975 * float(values.std(ddof=1)) / np.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)
