"""Evaluation mode beside training mode on the same batch: do the running statistics fit what the net now computes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from recipe.diagnostics.probes import rows

DROPOUT = nn.modules.dropout._DropoutNd
MEAN, VARIANCE = "running_mean", "running_var"  # as torch's normalisation layers name them, and most others


@dataclass(frozen=True)
class Layer:
    """A layer with running statistics.

    `distance` is how far they lie from the batch's own, the mean over the channels in standard deviations, or in the
    logarithm of one, whichever is more; infinite where no batch moves them. `replaced` is the share of them that one
    batch replaces: torch's momentum.
    """

    name: str
    distance: float
    replaced: float


@dataclass(frozen=True)
class Modes:
    """How far evaluation is from training: the outputs' root mean square difference, in units of their spread."""

    distance: float
    layers: tuple[Layer, ...]

    @property
    def furthest(self) -> Layer:
        return max(self.layers, key=lambda layer: layer.distance)

    @property
    def hastiest(self) -> Layer:
        return max(self.layers, key=lambda layer: layer.replaced)


@torch.no_grad()
def compare_modes(model: nn.Module, inputs: Tensor) -> Modes | None:
    """`model` in both modes on `inputs` (N, ...), dropout off; None where no layer has running statistics.

    Training mode is gone through twice, which changes the model's statistics. The second pass moves them by
    1 - momentum times what the first did, which tells the momentum, and with it the batch's own statistics. What
    differs between the two passes is noise that is no dropout layer, and is taken off the distance.
    """
    named = dict(_with_statistics(model))
    if not named or len(inputs) < 2:
        return None
    evaluated = rows(model.eval()(inputs), len(inputs))
    passes, states = [], [_statistics(named)]
    with torch.random.fork_rng(devices=[inputs.device] if inputs.device.type == "cuda" else []):
        _to_training(model)
        for _ in range(2):
            passes.append(rows(model(inputs), len(inputs)))
            states.append(_statistics(named))
    noise = (passes[0] - passes[1]).square().mean() / 2
    difference = ((evaluated - passes[0]).square().mean() - noise).clamp_min(0).sqrt()
    spread = passes[0].std().clamp_min(torch.finfo(torch.float32).tiny)
    layers = tuple(_layer(name, *(state[name] for state in states)) for name in named)
    return Modes((difference / spread).item(), layers)


def _with_statistics(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        if all(isinstance(getattr(module, each, None), Tensor) for each in (MEAN, VARIANCE)):
            yield name, module


def _statistics(named: dict[str, Any]) -> dict[str, tuple[Tensor, Tensor]]:
    return {
        name: (module.running_mean.cpu().double().clone(), module.running_var.cpu().double().clone())
        for name, module in named.items()
    }


def _to_training(model: nn.Module) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, DROPOUT):
            module.eval()


Statistics = tuple[Tensor, Tensor]


def _layer(name: str, before: Statistics, once: Statistics, twice: Statistics) -> Layer:
    """What three states of a layer's statistics, each one batch after the other, tell of it."""
    first, second = (
        torch.cat([after - start for start, after in zip(*pair, strict=True)])
        for pair in ((before, once), (once, twice))
    )
    moved = first.norm()
    if not moved > 0:
        return Layer(name, math.inf, 0.0)
    replaced = (1 - second.norm() / moved).clamp(torch.finfo(torch.float32).eps, 1)
    mean, variance = (start + (after - start) / replaced for start, after in zip(before, once, strict=True))
    deviation = variance.clamp_min(torch.finfo(torch.float32).tiny).sqrt()
    off = ((before[0] - mean) / deviation).abs().mean(), (before[1].sqrt() / deviation).log().abs().mean()
    return Layer(name, max(one.item() for one in off), replaced.item())
