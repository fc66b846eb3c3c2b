"""Do a delivery's labels mean what the data set's labels mean: a probe trained on the one is asked of the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.kind import kind_of
from recipe.dataset.splits import TRAIN, VALIDATION
from recipe.dataset.stored import Dataset
from recipe.dataset.target_scale import in_own_units
from recipe.statistics.intervals import NORMAL_975

Targets = NDArray[Any]  # int64 (N,) for classes, float32 (N,) for a number

TREES = 100
LEARNT, ASKED = 5_000, 2_000  # examples, so that a probe takes seconds on any data set
FEWEST_ASKED = 20
LEAST_AGREEMENT = 0.2  # above chance, on the data set itself: a weaker probe can tell nothing of labels
SURE = 0.005  # of the data set's own validation labels are thought as little of as what is flagged


@dataclass(frozen=True)
class LabelProbe:
    """How far the labels of a delivery agree with a probe (extremely randomised trees, Geurts et al. 2006).

    `wrong_share` is the share of labels that were drawn by chance, if agreement is lost by that alone: 0 as good as the
    data set's own labels, 1 shuffled. `examples` lists each delivered example: row, suggested, score (0 to 1, higher is
    more suspicious), flagged.
    """

    agreement: float
    expected: float
    wrong_share: float
    interval: tuple[float, float]
    examples: pd.DataFrame


def probe_labels(reference: Dataset, delivered: Dataset) -> LabelProbe | None:
    """None where the data set has too few examples, or its labels cannot be told from the inputs well enough."""
    rng = np.random.default_rng(0)
    learnt = rng.permutation(reference.where(TRAIN))[:LEARNT]
    asked = rng.permutation(reference.where(VALIDATION))[:ASKED]
    if len(asked) < FEWEST_ASKED or not len(delivered.inputs):
        return None
    samples = _Samples(
        *_known(reference, learnt), *_known(reference, asked), *_known(delivered, np.arange(len(delivered.inputs)))
    )
    if reference.preparation["classes"] is None:
        return _of_numbers(samples, delivered)
    return _of_classes(samples, reference)


@dataclass(frozen=True)
class _Samples:
    """Inputs (N, D) and targets (N,): what the probe learns from, is held to, and is asked about."""

    learnt: NDArray[np.float32]
    learnt_targets: Targets
    asked: NDArray[np.float32]
    asked_targets: Targets
    given: NDArray[np.float32]
    labels: Targets


def _known(dataset: Dataset, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Targets]:
    """The sketches of the examples `rows`, and their targets: classes, or the number."""
    targets = dataset.targets[rows]
    sketches = kind_of(dataset.preparation).sketches(dataset.inputs[rows])
    return sketches, targets if targets.ndim == 1 else targets[:, 0]


def _of_classes(samples: _Samples, reference: Dataset) -> LabelProbe | None:
    from sklearn.ensemble import ExtraTreesClassifier

    labels, targets = samples.labels, samples.asked_targets
    probe = ExtraTreesClassifier(TREES, random_state=0).fit(samples.learnt, samples.learnt_targets)
    classes = np.array(reference.preparation["classes"], dtype=object)
    inputs = (samples.asked, samples.given)
    known, told = (_all_classes(probe.predict_proba(one), probe.classes_, len(classes)) for one in inputs)
    right, agrees = known.argmax(1) == targets, told.argmax(1) == labels
    by_chance = float(np.bincount(told.argmax(1), minlength=len(classes)) @ np.bincount(labels, minlength=len(classes)))
    by_chance /= len(labels) ** 2
    room = float(right.mean()) - by_chance
    if room < LEAST_AGREEMENT:
        return None
    share = (float(right.mean()) - float(agrees.mean())) / room
    half = NORMAL_975 * float(np.sqrt(_variance(right) + _variance(agrees))) / room
    floor = float(np.quantile(known[np.arange(len(targets)), targets], SURE))
    belief = told[np.arange(len(labels)), labels]
    examples = pd.DataFrame(
        {
            "row": np.arange(len(labels)),
            "suggested": classes[told.argmax(1)],
            "score": 1 - belief,
            "flagged": (belief <= floor) & ~agrees,
        }
    )
    return _found(float(agrees.mean()), float(right.mean()), share, half, examples)


def _all_classes(probabilities: NDArray[np.float64], known: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    every = np.zeros((len(probabilities), count))
    every[:, known] = probabilities
    return every


def _variance(right: NDArray[np.bool_]) -> float:
    """Of a share, with Agresti and Coull's two successes and two failures, so that none is taken for certain."""
    count = len(right) + 4
    share = (float(right.sum()) + 2) / count
    return share * (1 - share) / count


def _of_numbers(samples: _Samples, delivered: Dataset) -> LabelProbe | None:
    """The same by correlation: of labels of which a share is shuffled, that share of the covariance is lost."""
    from sklearn.ensemble import ExtraTreesRegressor

    labels, targets = samples.labels, samples.asked_targets
    if len(labels) < FEWEST_ASKED:
        return None
    probe = ExtraTreesRegressor(TREES, random_state=0).fit(samples.learnt, samples.learnt_targets)
    known, told = probe.predict(samples.asked), probe.predict(samples.given)
    expected, agreement = _correlation(known, targets), _correlation(told, labels)
    if expected < LEAST_AGREEMENT:
        return None
    errors, spread = np.abs(labels - told), float(np.quantile(np.abs(targets - known), 1 - SURE))
    half = NORMAL_975 * float(np.sqrt(1 / (len(labels) - 3) + 1 / (len(targets) - 3))) / expected  # Fisher 1915
    examples = pd.DataFrame(
        {
            "row": np.arange(len(labels)),
            "suggested": in_own_units(told, delivered.preparation["target"]),
            "score": errors / (errors + max(spread, 1e-12)),
            "flagged": errors > spread,
        }
    )
    return _found(agreement, expected, 1 - agreement / expected, half, examples)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _found(agreement: float, expected: float, share: float, half: float, examples: pd.DataFrame) -> LabelProbe:
    share = min(max(share, 0.0), 1.0)
    interval = max(0.0, share - half), min(1.0, share + half)
    ranked = examples.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    return LabelProbe(agreement, expected, share, interval, ranked)
