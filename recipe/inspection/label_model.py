"""How labels come to be wrong: what an example is, and what it is called, by maximum likelihood.

Confident learning (Northcutt, Jiang and Chuang 2021) counts how often the given label is another than the one that a
model believes in; here the same table is estimated together with how far the model may be believed, by expectation
maximisation (Dempster, Laird and Rubin 1977).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 60
SETTLED = 1e-3  # relative change of the sharpness
FIRST_SHARE = 0.05  # of wrong labels, to begin with
FIRST_SHARPNESS = 5.0  # of outputs about 1 apart
EVEN = 1.0  # examples of each class that count as if their wrong labels were spread evenly, so that none is impossible
SHARPNESS = (1e-3, 1e3)


@dataclass(frozen=True)
class LabelModel:
    """What may be believed of N examples in K classes, if whether a label is wrong hangs on the class alone.

    Attributes:
        probabilities: (N, K) of the true class, by the inputs alone.
        wrong: (N,) how likely the given label is wrong, by inputs and label.
        joint: (K, K) how many examples there are of each true class (row) under each label (column).
        evidence: how much likelier the labels are so than if all were right and the outputs only less sharp; the
            logarithm of the ratio.
    """

    probabilities: Floats
    wrong: Floats
    joint: Floats
    evidence: float


def fit_label_model(outputs: NDArray[np.float32], given: NDArray[np.int64]) -> LabelModel:
    """The model of labels `given` (N,) beside `outputs` (N, K), which are larger for a class that is likelier.

    Probabilities are the softmax of the outputs times a sharpness, of which the likelihood is highest.
    """
    scores = np.asarray(outputs, dtype=np.float64)
    count, classes = scores.shape
    called = _called(np.zeros((classes, classes)), FIRST_SHARE)
    sharpness = FIRST_SHARPNESS
    for _ in range(STEPS):
        true = _true_class(scores, sharpness, called, given)
        joint = _joint(true, given)
        called = _called(joint, 1 - np.trace(joint) / count)
        sharper = _sharper(scores, true, sharpness)
        settled, sharpness = abs(sharper - sharpness) < SETTLED * sharpness, sharper
        if settled:
            break
    true = _true_class(scores, sharpness, called, given)
    wrong = 1 - true[np.arange(count), given]
    probabilities = softmax(sharpness * scores)
    likelihood = float(np.log((probabilities * called[:, given].T).sum(1)).sum())
    return LabelModel(probabilities, wrong, _joint(true, given), likelihood - _likelihood_if_right(scores, given))


def _likelihood_if_right(scores: Floats, given: NDArray[np.int64]) -> float:
    """The logarithm of the likelihood of labels that are all right, at its highest."""
    right = np.eye(scores.shape[1])[given]
    sharpness = FIRST_SHARPNESS
    for _ in range(STEPS):
        sharper = _sharper(scores, right, sharpness)
        settled, sharpness = abs(sharper - sharpness) < SETTLED * sharpness, sharper
        if settled:
            break
    return float(np.log(softmax(sharpness * scores)[np.arange(len(given)), given]).sum())


def softmax(scores: Floats) -> Floats:
    """Rows (N, K) as probabilities."""
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def _true_class(scores: Floats, sharpness: float, called: Floats, given: NDArray[np.int64]) -> Floats:
    """How likely each class is the true one (N, K), where examples of each are `called` (K, K) so."""
    likely = softmax(sharpness * scores) * called[:, given].T
    return np.asarray(likely / likely.sum(1, keepdims=True))


def _joint(true: Floats, given: NDArray[np.int64]) -> Floats:
    joint = np.zeros((true.shape[1], true.shape[1]))
    np.add.at(joint.T, given, true)
    return joint


def _called(joint: Floats, share: float) -> Floats:
    """Of each true class (row) how many are called what (K, K), drawn a little towards an even spread of wrong ones."""
    classes = len(joint)
    even = np.full((classes, classes), share / max(classes - 1, 1))
    np.fill_diagonal(even, 1 - share)
    weight = EVEN * classes
    return np.asarray((joint + weight * even) / (joint.sum(1, keepdims=True) + weight))


def _sharper(scores: Floats, true: Floats, sharpness: float) -> float:
    """A step of Newton's towards the sharpness under which the true classes are likeliest, at most by half or twice."""
    believed = softmax(sharpness * scores)
    mean = (believed * scores).sum(1)
    slope = float(((true * scores).sum(1) - mean).sum())
    curvature = float(((believed * scores**2).sum(1) - mean**2).sum())
    step = slope / curvature if curvature > 0 else 0.0
    return float(np.clip(np.clip(sharpness + step, sharpness / 2, 2 * sharpness), *SHARPNESS))
