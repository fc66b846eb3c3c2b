"""A cheap model asked of every example that it has not learnt from: what label it expects, in seconds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.clusters import clusters_of
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.inspection.kernel_ridge import KernelMap, Mapped, Ridge, fit_ridge, kernel_map

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Chosen = NDArray[np.bool_]

FEWEST = 50  # examples; of fewer nothing can be told
MOST_OUTPUTS = 20_000_000  # examples times classes, of which a model of the labels holds some in memory: 1 GB
AXES = 200  # the features' principal ones: of 848 on MNIST-5k the ranking is as good, in half the time
SAMPLE = 6_000  # examples that axes and ranks are found from
MOST_LEARNT = 70_000  # examples, which take 0.6 GB; more are asked about by a fit to so many
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of which the one that foretells most labels is taken; in units of the
PENALTY_FROM = 2_500  # kernel, whose best does not hang on how many examples there are: found from so many
CHUNK = 4_096  # examples at once, beyond those learnt from


@dataclass(frozen=True)
class Answers:
    """What a probe says of N examples, each left out with its copies and the rest of its group.

    Attributes:
        outputs: (N, K) how far it expects each class; of a number (N, 1) the number that it expects, standardised.
        halves: two of the same, of the examples that it learnt from (n, K), by regressions that learnt from one half
            of these each.
    """

    outputs: Floats
    halves: tuple[Floats, Floats]


@dataclass(frozen=True)
class Probe:
    """A kernel ridge regression of a data set's targets on its features.

    Attributes:
        features: (N, D) what it sees of each example.
        rows: (n,) those that it learns from: all, but for very large sets.
        learnt: the same, mapped.
        half: (n,) which of them are in the first of two halves.
        mapping: of features to what the regression is linear in.
        penalty: of its weights.
    """

    features: Floats
    rows: Rows
    learnt: Mapped
    half: Chosen
    mapping: KernelMap
    penalty: float

    def asked(self, kept: Chosen) -> Answers:
        """What it says where it learns only from those of `rows` that are `kept` (n,)."""
        fit = fit_ridge(self.learnt.at(kept), self.penalty)
        told = self._left_out(fit, kept)
        halves = [kept & self.half, kept & ~self.half]
        one, other = (self._left_out(fit_ridge(self.learnt.at(half), self.penalty), half) for half in halves)
        return Answers(self._with_rest(fit, told), (one, other))

    def _left_out(self, fit: Ridge, inside: Chosen) -> Floats:
        """What a fit to those `inside` says of each that may be learnt from (n, K)."""
        told = np.empty_like(self.learnt.targets)
        told[inside] = fit.left_out(self.learnt.at(inside))
        if not inside.all():
            told[~inside] = fit.predicted(self.learnt.vectors[~inside])
        return told

    def _with_rest(self, fit: Ridge, told: Floats) -> Floats:
        """What is `told` of `rows`, and what the fit says of all others: (N, K)."""
        outputs = np.empty((len(self.features), told.shape[1]), np.float32)
        outputs[self.rows] = told
        rest = np.setdiff1d(np.arange(len(outputs)), self.rows)
        for start in range(0, len(rest), CHUNK):
            part = rest[start : start + CHUNK]
            outputs[part] = fit.predicted(self.mapping(self.features[part]))
        return outputs


def probe(dataset: Dataset) -> Probe | None:
    """A probe of a data set; None where there are too few examples, or too many classes for so many examples."""
    classes = len(dataset.preparation["classes"] or [""])
    if len(dataset.targets) < FEWEST or len(dataset.targets) * classes > MOST_OUTPUTS:
        return None
    features, clusters = probe_features(dataset), clusters_of(dataset)
    rows, half = _drawn(clusters)
    mapping = kernel_map(features[rows], dataset.settings.seed)
    learnt = Mapped(mapping(features[rows]), probe_targets(dataset)[rows], clusters[rows])
    return Probe(features, rows, learnt, half, mapping, best_penalty(learnt))


def probe_features(dataset: Dataset) -> Floats:
    """What a probe sees of each example, (N, D)."""
    features = np.asarray(kind_of(dataset.preparation).features(dataset.inputs), dtype=np.float32)
    return scaled(ranked(features) if dataset.inputs.ndim == 2 else features)


def ranked(rows: Floats) -> Floats:
    """Columns of rows (N, D) as ranks in 0..1, so that one value far out does not set the scale."""
    from sklearn.preprocessing import QuantileTransformer

    sample = _sample(rows)
    ranks = QuantileTransformer(n_quantiles=min(1_000, len(sample)), subsample=None, random_state=0)
    return np.asarray(ranks.fit(sample).transform(rows), dtype=np.float32)


def scaled(features: Floats) -> Floats:
    """Features (N, D) along their principal axes, at most 200, about 1 from their mean."""
    from sklearn.decomposition import PCA

    if features.shape[1] > AXES:
        sample = _sample(features)
        features = PCA(min(AXES, len(sample)), random_state=0).fit(sample).transform(features)
    features = features - features.mean(0)
    spread = float(np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64).mean()))
    return np.asarray(features / (spread or 1.0), dtype=np.float32)


def _sample(features: Floats) -> Floats:
    return features[np.random.default_rng(0).permutation(len(features))[:SAMPLE]]


def probe_targets(dataset: Dataset) -> Floats:
    """Of classes (N, K), 1 for the given one, about their mean; of a number (N, 1)."""
    classes = dataset.preparation["classes"]
    if classes is None:
        return np.asarray(dataset.targets.reshape(len(dataset.targets), -1)[:, :1], dtype=np.float32)
    return np.eye(len(classes), dtype=np.float32)[dataset.targets] - np.float32(1 / len(classes))


def _drawn(clusters: NDArray[np.int64]) -> tuple[Rows, Chosen]:
    """The rows to learn from, and which of them are in the first of two halves: by whole clusters."""
    names, place = np.unique(clusters, return_inverse=True)
    turn = np.random.default_rng(0).permutation(len(names))[place]
    rows = np.flatnonzero(turn < len(names) * MOST_LEARNT / max(len(clusters), MOST_LEARNT))
    return rows, turn[rows] % 2 == 0


def best_penalty(learnt: Mapped) -> float:
    """The one under which examples that were left out are foretold best."""
    few = learnt.at(slice(0, PENALTY_FROM))

    def agreement(penalty: float) -> float:
        told = fit_ridge(few, penalty).left_out(few)
        if told.shape[1] == 1:
            return -float(((told - few.targets) ** 2).mean())
        return float((told.argmax(1) == few.targets.argmax(1)).mean())

    return max(PENALTIES, key=agreement)
