"""Two ways in which a transform distorts values unseen: it clamps them to a bound, or it wraps them around."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recipe.diagnostics.probes import some
from recipe.training.experiment import Experiment

LEVELS = 8  # distinct values, from which on a step back tells of a wrap-around and not of a coarse mapping
REPEATED = 0.1  # of the values: so many equal ones show whether the transform acts on each value alone
SAME = 1e-4  # of the range: equal values may become so different, which is rounding
IMAGES = 64  # looked at one by one, where a transform treats each image by its own statistics


@dataclass(frozen=True)
class Distortion:
    """What a transform did to the values of the channel, or the column, that it distorts most.

    `clamped` is by how much it raised the share of values at the lowest or the highest of them. `step_back` is the
    largest step against the order of the values, between two next to each other, as a share of the range: 0 where the
    order is kept or turned round as a whole, near 1 where bytes wrap around.
    """

    clamped: float
    step_back: float


def distortion(experiment: Experiment, count: int) -> Distortion | None:
    """What the transform does to `count` training examples; None where there is none, or it gives other channels."""
    part = some(experiment, experiment.train, count)
    if part.transform is None:
        return None
    index = torch.arange(len(part), device=part.device)
    both = part.untransformed(index), part.batch(index)[0]
    before, after = (values.float().cpu().flatten(2) if values.dim() > 2 else values.float().cpu() for values in both)
    if before.shape[:2] != after.shape[:2] or not bool(after.isfinite().all()):
        return None
    channels = range(before.shape[1])
    clamped = [_at_ends(after[:, i]) - _at_ends(before[:, i]) for i in channels]
    steps = [
        _step_back(before[:, i], after[:, i]) for i in channels if before.shape == after.shape and before.dim() > 2
    ]
    return Distortion(max([0.0, *clamped]), max([0.0, *steps]))


def _at_ends(values: Tensor) -> float:
    """The share of `values` at the lowest or the highest of them."""
    return ((values == values.min()) | (values == values.max())).double().mean().item()


def _step_back(before: Tensor, after: Tensor) -> float:
    """The largest step back of one channel (N, places): over all images, or in each where each has a way of its own."""
    whole = _mapping(before.flatten(), after.flatten())
    mappings = [whole] if whole is not None else _of_each(before[:IMAGES], after[:IMAGES])
    return max([0.0, *(_largest_step_back(mapping) for mapping in mappings)])


def _of_each(before: Tensor, after: Tensor) -> Iterator[Tensor]:
    for one, other in zip(before, after, strict=True):
        mapping = _mapping(one, other)
        if mapping is not None:
            yield mapping


def _mapping(before: Tensor, after: Tensor) -> Tensor | None:
    """What each level of `before` (n,) becomes, in their order; None where equal values do not become equal ones."""
    levels, place, counts = before.unique(return_inverse=True, return_counts=True)
    if len(levels) < LEVELS or (counts > 1).sum() == 0 or 1 - len(levels) / len(before) < REPEATED:
        return None
    low = torch.full(levels.shape, torch.inf).scatter_reduce(0, place, after, "amin")
    high = torch.full(levels.shape, -torch.inf).scatter_reduce(0, place, after, "amax")
    alike = (high - low).max() <= SAME * (after.max() - after.min())
    return low if bool(alike) else None


def _largest_step_back(mapping: Tensor) -> float:
    steps, extent = mapping.diff(), mapping.max() - mapping.min()
    if not bool(extent > 0):
        return 0.0
    direction = steps.sign().sum().sign()
    return (-direction * steps / extent).max().clamp_min(0).item() if bool(direction) else 0.0
