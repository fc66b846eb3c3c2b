"""Which examples comparisons are made on: of a small set all but the test's, of a large one a part.

A small validation split says little, and what it says best of many settings is partly its own luck: there each example
is held out once, in one of several parts.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from recipe.errors import DataError
from recipe.training.experiment import Experiment
from recipe.training.split import Split


def in_part(experiment: Experiment) -> Experiment:
    """The experiment on as many training examples as its comparisons are made on, drawn by chance; else as it is.

    What is better on a large part is better on all, most of the time, for a share of the cost (Klein et al. 2017, "Fast
    Bayesian optimization of machine learning hyperparameters on large datasets").
    """
    count, train = experiment.budget.examples, experiment.train
    if count is None or len(train) <= count:
        return experiment
    some = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:count]
    return experiment.variant(f"{count} examples", train=train.at(some.sort().values), left_out=len(train) - count)


def cross_validated(experiment: Experiment, count: int) -> Experiment:
    """The experiment in which each training is `count` trainings, one a fold, and `validation` is every example.

    Its training and validation examples are put together and cut anew, the classes alike in every fold, copies and
    groups together (scikit-learn's StratifiedGroupKFold, StratifiedKFold where there are none). They stay prepared by
    the statistics of the training split: no label is in them. Inputs are those of the first fold where a practice asks
    for training examples.

    Raises:
        DataError: they are too few for so many folds.
    """
    together = _joined(experiment.train, experiment.validation)
    held_out = _held_out(together, count)
    every = torch.arange(len(together))
    folds = tuple(
        experiment.variant(
            f"fold {number} of {count}",
            train=together.at(every[~torch.isin(every, part)]),
            validation=together.at(part),
        )
        for number, part in enumerate(held_out, start=1)
    )
    pooled = together.at(torch.cat(held_out))
    return experiment.variant(f"{count} folds", train=folds[0].train, validation=pooled, folds=folds)


def replicated(experiment: Experiment) -> Experiment:
    """The experiment in which each seed of a comparison holds out another part of the training and validation examples.

    Several seeds on one validation split tell what seeds do, and no more of its examples: of 500 images a net gets a
    dozen wrong, and their luck stays. There is one part more than seeds, so that each trains on most of the examples.
    Where they are too few for that, the experiment as it is.
    """
    count = experiment.budget.seeds + 1
    try:
        return replace(experiment, replicates=cross_validated(experiment, count).folds[: experiment.budget.seeds])
    except DataError:
        return experiment


def _held_out(split: Split, count: int) -> list[Tensor]:
    """Which examples each fold holds out."""
    parts = parts_of(split, count)
    if not parts:
        raise DataError(
            f"budget.folds={count} asks for more folds than the {len(split)} examples of train and validation make, "
            "copies and groups together, with each class in several: take fewer folds."
        )
    return parts


def parts_of(split: Split, count: int) -> list[Tensor]:
    """The examples in so many parts of about one size, the classes alike in each, copies and groups together.

    Nothing where they are too few for that.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    strata = split.targets.cpu().numpy()
    apart, together = (StratifiedKFold, StratifiedGroupKFold) if strata.ndim == 1 else (KFold, GroupKFold)
    kind = apart if split.groups is None else together  # groups of one each would take minutes of a large set
    groups = None if split.groups is None else split.groups.numpy()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class with fewer examples than folds is in as many as it has
            parts = list(kind(count, shuffle=True, random_state=0).split(np.zeros(len(split)), strata, groups))
    except ValueError:
        return []
    return [] if any(not len(test) for _, test in parts) else [torch.from_numpy(test) for _, test in parts]


def _joined(first: Split, second: Split) -> Split:
    """The examples of both."""
    both = (first, second)
    groups = None
    if any(one.groups is not None for one in both):
        groups = torch.cat([_numbered(one, start) for one, start in zip(both, (1, 1 + len(first)), strict=True)])
    joined = replace(
        first,
        targets=torch.cat([one.targets for one in both]),
        ready=torch.cat(ready)
        if len(ready := [one.ready for one in both if one.ready is not None]) == len(both)
        else None,
        ids=(*first.ids, *second.ids),
        groups=groups,
    )
    rows = [one.rows for one in both if one.rows is not None]
    if len(rows) == len(both):
        return replace(joined, rows=torch.cat(rows))
    return replace(joined, inputs=torch.cat([one.inputs for one in both]))


def _numbered(split: Split, start: int) -> Tensor:
    """Its clusters; where each example is one alone, numbers below zero, which no cluster has."""
    return -torch.arange(start, start + len(split)) if split.groups is None else split.groups
