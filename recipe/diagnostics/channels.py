"""What the channels of a trained net give: how much, how often nothing, and whether two give the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recipe.diagnostics.probes import look_at_each

PLACES = 2000  # looks at a channel, over examples and places, that tell a correlation to 0.02
NONLINEAR = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)
ALIKE = 1e-6  # of a layer's spread: a channel that varies by less gives the same for every example


@dataclass(frozen=True)
class Layer:
    """One layer with weights, or the non-linearity behind it: shares are of its channels, `zeros` of its numbers."""

    name: str
    channels: int
    mean: float
    std: float
    zeros: float
    dead: float
    twins: float


@torch.no_grad()
def watch_layers(model: nn.Module, inputs: Tensor, twin: float) -> list[Layer]:
    """Every non-linearity of `model` on `inputs` (N, ...), in order; of a net without any, its layers with weights.

    Args:
        twin: the correlation from which on a channel counts as another's twin.
    """
    found: list[Layer] = []

    def look(name: str, module: nn.Module, _: tuple[object, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.dim() > 1 and len(output) == len(inputs):
            found.append(_layer(name, output.float(), twin))

    look_at_each(model, inputs, lambda module: isinstance(module, NONLINEAR), look)
    if not found:
        look_at_each(model, inputs, lambda module: isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)), look)
    return found


@torch.no_grad()
def maps_of(model: nn.Module, example: Tensor, count: int) -> dict[str, np.ndarray]:
    """The maps of the first `count` channels behind each non-linearity, of one `example` (1, C, H, W), by layer."""
    maps: dict[str, np.ndarray] = {}

    def look(name: str, module: nn.Module, _: tuple[object, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            maps[name] = output[0, :count].float().cpu().numpy()

    look_at_each(model, example, lambda module: isinstance(module, NONLINEAR), look)
    return maps


def _layer(name: str, values: Tensor, twin: float) -> Layer:
    by_channel = values.transpose(1, -1).reshape(-1, values.shape[1]) if values.dim() > 2 else values
    spread = by_channel.std(0)
    dead = spread <= ALIKE * spread.max().clamp_min(1e-12)
    zeros = (by_channel == 0).float().mean().item()
    living = by_channel[:, ~dead]
    return Layer(
        name,
        by_channel.shape[1],
        by_channel.mean().item(),
        by_channel.std().item(),
        zeros,
        dead.float().mean().item(),
        _twins(living, twin) / by_channel.shape[1],
    )


def _twins(values: Tensor, twin: float) -> int:
    """How many channels, of values (looks, channels), follow an earlier one."""
    step = max(1, len(values) // PLACES)
    looks = values[::step]
    centred = looks - looks.mean(0)
    unit = centred / centred.norm(dim=0).clamp_min(1e-12)
    alike = (unit.T @ unit).abs().triu(1) > twin
    return int(alike.any(0).sum())
