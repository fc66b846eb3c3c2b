"""Boosted trees, which a net on a table has to beat: fitted anew where they are needed, and never stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipe.training.experiment import Experiment
from recipe.training.split import Split

Floats = NDArray[np.float64]

AT_ONCE = 1024  # examples that are prepared at a time
THREADS = 1  # so that sums are made in the same order on any machine
ROUNDS_UNSTOPPED = 100  # scikit-learn's own, where there is too little to stop by
UNSEEN = 0.5  # of an example: what a class without one counts as, as in Objective.prior_outputs
LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)  # so that its logarithm is finite


def takes_rows(experiment: Experiment) -> bool:
    """Whether an example is a row of numbers (F,), as of a table; trees know nothing of neighbouring pixels."""
    return len(experiment.input_shape) == 1


def boosting_outputs(experiment: Experiment, split: Split) -> Tensor:
    """What boosted trees that learnt from the training split say of `split`: log probabilities or quantities (N, k).

    Histogram-based gradient boosting (Friedman 2001, Annals of Statistics 29:1189; Ke et al. 2017, LightGBM) as
    scikit-learn has it, on the very inputs that the net receives; of several quantities one ensemble each. It stops
    early by a part of the training split, of which groups and copies stay together, so that nothing of the validation
    split is used. The same experiment gives the same outputs.
    """
    from threadpoolctl import threadpool_limits

    train, asked = experiment.train, _inputs(split)
    inputs, targets = _inputs(train), train.targets.cpu().numpy()
    held_out = _held_out(train, experiment.stages.baseline.boosting.held_out, experiment.training.seed)
    with threadpool_limits(THREADS):
        if experiment.task == "classification":
            outputs = _log_probabilities(experiment, inputs, targets, held_out, asked)
        else:
            outputs = np.column_stack(
                [
                    _fitted(experiment, inputs, column, held_out).predict(asked)
                    for column in targets.reshape(len(targets), -1).T
                ]
            )
    return torch.from_numpy(outputs).float()


def _log_probabilities(
    experiment: Experiment, inputs: Floats, targets: NDArray[np.int64], held_out: NDArray[np.bool_], asked: Floats
) -> Floats:
    """Of every class, (N, k), those that no training example has too."""
    probabilities = np.full((len(asked), experiment.objective.n_outputs), UNSEEN / len(targets))
    present = np.unique(targets)
    if len(present) == 1:  # nothing to learn
        probabilities[:, present] = 1.0
    else:
        model = _fitted(experiment, inputs, targets, held_out & _is_learnt_too(targets, held_out))
        probabilities[:, model.classes_] = model.predict_proba(asked)
    probabilities /= probabilities.sum(1, keepdims=True)
    return np.asarray(np.log(np.maximum(probabilities, LEAST_PROBABILITY)))


def _fitted(experiment: Experiment, inputs: Floats, targets: NDArray[Any], held_out: NDArray[np.bool_]) -> Any:
    """A classifier or a regressor (N,), stopped once what is `held_out` of its examples has not gained for a while."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = experiment.stages.baseline.boosting
    stops = bool(held_out.any())
    of_task = HistGradientBoostingClassifier if experiment.task == "classification" else HistGradientBoostingRegressor
    model = of_task(
        learning_rate=settings.lr,
        max_iter=settings.rounds if stops else ROUNDS_UNSTOPPED,
        early_stopping=stops,
        n_iter_no_change=settings.patience,
        random_state=experiment.training.seed,
    )
    judges = {"X_val": inputs[held_out], "y_val": targets[held_out]} if stops else {}
    return model.fit(inputs[~held_out], targets[~held_out], **judges)


def _inputs(split: Split) -> Floats:
    """What the net receives of every example, (N, F); what is not finite counts as missing."""
    index = torch.arange(len(split), device=split.device)
    rows = torch.cat([split.batch(part)[0].cpu() for part in index.split(AT_ONCE)]).double().numpy()
    return np.where(np.isfinite(rows), rows, np.nan)


def _held_out(train: Split, share: float, seed: int) -> NDArray[np.bool_]:
    """About a `share` of the examples (N,), by chance, whole clusters; none where clusters are larger than that."""
    clusters = np.arange(len(train)) if train.groups is None else train.groups.numpy()
    names, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = order[np.cumsum(sizes[order]) <= share * len(train)]
    return np.isin(place, chosen)


def _is_learnt_too(targets: NDArray[np.int64], held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which examples (N,) are of a class that is not held out whole."""
    return np.isin(targets, targets[~held_out])
