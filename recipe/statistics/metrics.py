"""The metrics by which models are told apart, each as the mean of what every example adds to it.

What an example adds, its score, is the greater the better. A mean of the examples' own (accuracy, R2, MAE) is just
that. The others depend on all examples together: there the score of an example is the metric plus N times what it moves
by per unit of that example's weight (the infinitesimal jackknife: Efron and Tibshirani 1993, chapter 21; for the AUC
these are the components of DeLong et al. 1988, Biometrics 44:837). So the mean of the scores is the metric, and the
spread of two models' differences tells how sure their difference is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.manifest import Task
from recipe.errors import SettingsError
from recipe.settings.metrics import OF_CLASSES, OF_QUANTITIES, deciding

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

R2 = "R2"
LEAST = 1e-12  # what a variance or an error is taken for at least, where something is divided by it

Kind = Literal["counted", "share", "amount"]
Scored = Literal["counted", "measured"]


@dataclass(frozen=True)
class Metric:
    """A metric by its name.

    Attributes:
        title: what it is called in a sentence.
        kind: a share of examples, each right or wrong; a share otherwise, 0 to 1; or an amount without such bounds.
        scores: what each example adds to it, (N,), the greater the better. It is given outputs (N, k) and targets:
            logits or log probabilities and class numbers (N,), or two arrays (N, k) of quantities.
        is_error: whether it is the smaller the better; then it is minus the scores' mean.
        in_own_units: whether it is to be given quantities in the label's own units.
    """

    name: str
    title: str
    kind: Kind
    scores: Callable[[Floats, Any], Floats]
    is_error: bool = False
    in_own_units: bool = False

    def of(self, scores: Floats) -> float:
        """The metric that these scores (N,) are of."""
        return self.signed(float(np.mean(scores, dtype=np.float64)))

    def signed(self, score: float) -> float:
        """The metric of a mean score, and the other way round."""
        return -score if self.is_error else score

    def turned(self, scores: Floats) -> Floats:
        """Scores (N,) so that their mean is the metric itself."""
        return -scores if self.is_error else scores

    @property
    def scored(self) -> Scored:
        """How two models are compared: the examples that only one gets right are counted, or differences measured."""
        return "counted" if self.kind == "counted" else "measured"


def metrics_of(task: Task, names: Sequence[str] | None) -> tuple[Metric, ...]:
    """The metrics of these names, the first of which decides; None: the usual one of the task.

    Raises:
        SettingsError: they are not of this task.
    """
    of_task = OF_CLASSES if task == "classification" else OF_QUANTITIES
    wrong = [name for name in names or () if name not in of_task]
    if wrong:
        told = "classes" if task == "classification" else "a quantity"
        raise SettingsError(
            f"metrics names {wrong[0]}, but the labels are {told}: choose among {', '.join(of_task)}, or set data.task."
        )
    return tuple(METRICS[name] for name in names or (deciding(task, None),))


def accuracy(outputs: Floats, targets: Ints) -> Floats:
    """1 where the largest output is the class, else 0."""
    return (outputs.argmax(1) == targets).astype(np.float64)


def balanced_accuracy(outputs: Floats, targets: Ints) -> Floats:
    """The mean over the classes of the share of their examples that is right (Brodersen et al. 2010)."""
    right = accuracy(outputs, targets)
    present, place, size = np.unique(targets, return_inverse=True, return_counts=True)
    recall = np.bincount(place, right) / size
    return np.asarray(recall.mean() + len(targets) / len(present) * (right - recall[place]) / size[place])


def f1(outputs: Floats, targets: Ints) -> Floats:
    """The mean over the classes of F1, the harmonic mean of precision and recall ("macro": Opitz and Burst 2019)."""
    said, count = outputs.argmax(1), outputs.shape[1]
    right = np.bincount(targets[said == targets], minlength=count)
    either = np.bincount(said, minlength=count) + np.bincount(targets, minlength=count)  # predicted, and labelled
    of_class = 2 * right / np.maximum(either, 1)
    hit = np.where(said == targets, 2 / np.maximum(either[targets], 1), 0.0)
    part = of_class / np.maximum(either, 1)
    present = int((either > 0).sum())
    moved = hit - part[said] - part[targets]
    return np.asarray(of_class[either > 0].mean() + len(targets) / present * moved)


def auc(outputs: Floats, targets: Ints) -> Floats:
    """How often an example of a class is given a higher probability of it than one of another class.

    The mean over the classes, each against the rest. A class that has all examples or none is left out; where none is
    left, nothing can be ranked, and the AUC is a half.
    """
    ranked = [one for one in np.unique(targets) if not (targets == one).all()]
    if not ranked:
        return np.full(len(targets), 0.5)
    return np.asarray(np.mean([_area(_log_odds(outputs, one), targets == one) for one in ranked], axis=0))


def _log_odds(outputs: Floats, one: int) -> Floats:
    """Of class `one` against the others: in the order of its probability, with no tie where that rounds to 1."""
    others = np.delete(outputs, one, axis=1)
    return np.asarray(outputs[:, one] - np.logaddexp.reduce(others, axis=1))


def _area(certainty: Floats, of_class: NDArray[np.bool_]) -> Floats:
    """What each example adds to the AUC of one class."""
    among_all, within = _ranks(certainty), np.empty(len(certainty))
    for group in (of_class, ~of_class):
        within[group] = _ranks(certainty[group])
    members, others = int(of_class.sum()), int((~of_class).sum())
    below = (among_all - within) / np.where(of_class, others, members)  # the share of the other group that lies below
    placed = np.where(of_class, below, 1 - below)
    area = float(placed[of_class].mean())
    return np.asarray(area + len(placed) * (placed - area) / np.where(of_class, members, others))


def _ranks(values: Floats) -> Floats:
    """The rank of each value from 1; equal ones share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place])


def r2(outputs: Floats, targets: Floats) -> Floats:
    """1 - squared residual over variance, the mean over the columns."""
    variance = np.maximum(targets.var(0), LEAST)
    return np.asarray(1 - ((targets - outputs) ** 2 / variance).mean(1))


def mae(outputs: Floats, targets: Floats) -> Floats:
    """Minus the absolute error, the mean over the columns."""
    return np.asarray(-np.abs(targets - outputs).mean(1))


def rmse(outputs: Floats, targets: Floats) -> Floats:
    """What each example adds to minus the root of the mean squared error, the mean over the columns."""
    squares = (targets - outputs) ** 2
    root = np.sqrt(squares.mean(0))
    return np.asarray(-(root + (squares - root**2) / (2 * np.maximum(root, LEAST))).mean(1))


METRICS = {
    one.name: one
    for one in (
        Metric("accuracy", "accuracy", "counted", accuracy),
        Metric("balanced_accuracy", "balanced accuracy", "share", balanced_accuracy),
        Metric("F1", "macro F1", "share", f1),
        Metric("AUC", "AUC", "share", auc),
        Metric(R2, R2, "amount", r2),
        Metric("MAE", "MAE", "amount", mae, is_error=True, in_own_units=True),
        Metric("RMSE", "RMSE", "amount", rmse, is_error=True, in_own_units=True),
    )
}
