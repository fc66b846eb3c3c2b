"""Each metric as one would write it on paper, or as scikit-learn has it: what the vectorised one is held against."""

from typing import Any

import numpy as np
from torch import Tensor

from recipe.training.objective import Objective


def plain_metric(objective: Objective, outputs: Tensor, targets: Tensor) -> float:
    """The metric that decides, of outputs (N, k) and their targets."""
    name, numbers = objective.metric.name, outputs.double()
    if objective.task == "classification":
        return _accuracy(numbers, targets) if name == "accuracy" else _of_classes(name, numbers, targets)
    given = targets.double()
    if objective.metric.in_own_units and objective.own_units is not None:
        return _of_quantities(name, objective.own_units(numbers.numpy()), objective.own_units(given.numpy()))
    return _r2(numbers, given) if name == "R2" else _of_quantities(name, numbers.numpy(), given.numpy())


def _accuracy(outputs: Tensor, targets: Tensor) -> float:
    pairs = list(zip(outputs.tolist(), targets.tolist(), strict=True))
    return sum(row.index(max(row)) == target for row, target in pairs) / len(pairs)


def _r2(outputs: Tensor, targets: Tensor) -> float:
    pairs = list(zip(outputs.tolist(), targets.tolist(), strict=True))
    values = []
    for column in range(targets.shape[1]):
        mean = sum(target[column] for _, target in pairs) / len(pairs)
        total = sum((target[column] - mean) ** 2 for _, target in pairs)
        values.append(1 - sum((target[column] - row[column]) ** 2 for row, target in pairs) / max(total, 1e-12))
    return sum(values) / len(values)


def _of_classes(name: str, outputs: Tensor, targets: Tensor) -> float:
    from sklearn import metrics

    said = outputs.argmax(1)
    if name == "balanced_accuracy":
        return float(np.mean([(said[targets == one] == one).double().mean() for one in targets.unique()]))
    if name == "F1":
        return float(metrics.f1_score(targets, said, average="macro"))
    present = [one for one in targets.unique() if not bool((targets == one).all())]
    log_odds = outputs.log_softmax(1).exp().logit()
    return float(np.mean([metrics.roc_auc_score(targets == one, log_odds[:, one]) for one in present] or [0.5]))


def _of_quantities(name: str, outputs: Any, targets: Any) -> float:
    from sklearn import metrics

    if name == "MAE":
        return float(metrics.mean_absolute_error(targets, outputs))
    return float(metrics.root_mean_squared_error(targets, outputs))
