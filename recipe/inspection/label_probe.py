"""Do a delivery's labels mean what the data set's labels mean: a probe trained on the one is asked of the other."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset import Dataset
from recipe.dataset.splits import TRAIN, VALIDATION
from recipe.inspection.content import sketches
from recipe.intervals import NORMAL_975

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
    features, given = sketches(reference), sketches(delivered)
    if reference.preparation["classes"] is None:
        return _of_numbers(features, reference.targets[:, 0], learnt, asked, given, delivered.targets[:, 0], delivered)
    return _of_classes(features, reference.targets, learnt, asked, given, delivered.targets, reference)


def _of_classes(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    learnt: NDArray[np.int64],
    asked: NDArray[np.int64],
    given: NDArray[np.float32],
    labels: NDArray[np.int64],
    reference: Dataset,
) -> LabelProbe | None:
    from sklearn.ensemble import ExtraTreesClassifier

    probe = ExtraTreesClassifier(TREES, random_state=0).fit(features[learnt], targets[learnt])
    classes = np.array(reference.preparation["classes"], dtype=object)
    known, told = (_all_classes(probe.predict_proba(x), probe.classes_, len(classes)) for x in (features[asked], given))
    right, agrees = known.argmax(1) == targets[asked], told.argmax(1) == labels
    by_chance = float(np.bincount(told.argmax(1), minlength=len(classes)) @ np.bincount(labels, minlength=len(classes)))
    by_chance /= len(labels) ** 2
    room = float(right.mean()) - by_chance
    if room < LEAST_AGREEMENT:
        return None
    share = (float(right.mean()) - float(agrees.mean())) / room
    half = NORMAL_975 * float(np.sqrt(_variance(right) + _variance(agrees))) / room
    floor = float(np.quantile(known[np.arange(len(asked)), targets[asked]], SURE))
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


def _of_numbers(
    features: NDArray[np.float32],
    targets: NDArray[np.float32],
    learnt: NDArray[np.int64],
    asked: NDArray[np.int64],
    given: NDArray[np.float32],
    labels: NDArray[np.float32],
    delivered: Dataset,
) -> LabelProbe | None:
    """The same by correlation: of labels of which a share is shuffled, that share of the covariance is lost."""
    from sklearn.ensemble import ExtraTreesRegressor

    if len(labels) < FEWEST_ASKED:
        return None
    probe = ExtraTreesRegressor(TREES, random_state=0).fit(features[learnt], targets[learnt])
    known, told = probe.predict(features[asked]), probe.predict(given)
    expected, agreement = _correlation(known, targets[asked]), _correlation(told, labels)
    if expected < LEAST_AGREEMENT:
        return None
    errors, spread = np.abs(labels - told), float(np.quantile(np.abs(targets[asked] - known), 1 - SURE))
    half = NORMAL_975 * float(np.sqrt(1 / (len(labels) - 3) + 1 / (len(asked) - 3))) / expected  # Fisher 1915
    mean, std = delivered.preparation["target"]["mean"][0], delivered.preparation["target"]["std"][0]
    examples = pd.DataFrame(
        {
            "row": np.arange(len(labels)),
            "suggested": told * std + mean,
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
