"""The best of several trainings, and what it is worth where it was not chosen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recipe.training.best_epochs import folds_of


def where_not_chosen(losses: Tensor) -> Tensor:
    """The loss under the candidate that is best for other seeds and other examples than each, (seeds, N).

    The best of several looks better on the seeds and examples that chose it than it is (Varma and Simon 2006, BMC
    Bioinformatics 7:91).

    Args:
        losses: of each candidate, (candidates, seeds, N); two seeds or more.
    """
    kept = torch.empty_like(losses[0])
    seeds = torch.arange(len(kept))
    for fold in folds_of(kept.shape[1]):
        for seed in seeds:
            known = losses[:, seeds != seed][:, :, fold.others].mean((1, 2)).nan_to_num(math.inf)
            kept[seed, fold.members] = losses[known.argmin(), seed, fold.members]
    return kept
