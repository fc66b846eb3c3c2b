"""Weights from elsewhere in a model of one's own: which of them fit, and what is held still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from recipe.models import head_of
from recipe.training.weights import Weights

FITS, NOT_THERE, NOT_HERE = "name and shape fit", "not among the weights", "no such name in this model"
ANOTHER_SHAPE, OTHER_HEAD = "another shape", "a head of other outputs starts afresh"
NEW_HEAD, NO_BODY = "a head that knows less than a constant guess starts afresh", "nothing of the body fits"


@dataclass(frozen=True)
class Fit:
    """One tensor: its shape here and there, None where there is none; whether it is loaded, and why.

    `numbers` is how many of this model's parameters it holds: none of a buffer, and none of what is only there.
    """

    name: str
    here: tuple[int, ...] | None
    there: tuple[int, ...] | None
    loaded: bool
    why: str
    in_head: bool = False
    numbers: int = 0


def fits(model: nn.Module, weights: Weights, n_outputs: int, new_head: bool = False) -> list[Fit]:
    """What of `weights` goes into `model`, tensor by tensor: in the order of the model, then what it has no place for.

    A first part that all names of the weights share and none of the model's has, such as `module.`, is left out. Where
    nothing of the body fits, nothing is loaded: a bias of as many classes fits any net.

    Args:
        new_head: the head starts afresh although it fits, since its outputs stand for something else.
    """
    here = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    there = named_as_here(weights.state, here)
    head = {f"{head_of(model, n_outputs)}.{name}" for name in ("weight", "bias")}
    learnt = {name for name, _ in model.named_parameters()}
    found = [
        _fit(name, value, there.get(name), name in head, value.numel() * (name in learnt), new_head)
        for name, value in here.items()
    ]
    found += [Fit(name, None, tuple(there[name].shape), False, NOT_HERE) for name in there if name not in here]
    body = [one for one in found if one.numbers and not one.in_head]
    if body and not any(one.loaded for one in body):
        return [replace(one, loaded=False, why=NO_BODY if one.loaded else one.why) for one in found]
    return found


def load_weights(model: nn.Module, weights: Weights, found: Sequence[Fit], frozen: bool = False) -> None:
    """Put into `model` what was `found` to fit; `frozen` holds what is loaded of the body still from now on."""
    state = model.state_dict()
    there = named_as_here(weights.state, state)
    with torch.no_grad():
        for one in found:
            if one.loaded:
                state[one.name].copy_(there[one.name])
    if frozen:
        held = {one.name for one in found if one.loaded and not one.in_head}
        for name, parameter in model.named_parameters():
            if name in held:
                parameter.requires_grad_(False)


def frozen_norms(model: nn.Module) -> list[nn.Module]:
    """The batch norms of which nothing is learnt.

    In training mode they would still take each batch's statistics and gather new ones, so that a body that is held
    still would change with every batch, and its weights would meet activations that they were not learnt with.
    """
    return [
        module
        for module in model.modules()
        if isinstance(module, BatchNorm) and not any(one.requires_grad for one in module.parameters())
    ]


def named_as_here(state: Mapping[str, Tensor], here: Mapping[str, object]) -> dict[str, Tensor]:
    """`state` without the first parts that all its names share, such as DataParallel's `module.`, and none here has."""
    named = dict(state)
    while named:
        shared = next(iter(named)).partition(".")[0] + "."
        if not all(name.startswith(shared) for name in named) or any(name.startswith(shared) for name in here):
            return named
        named = {name.removeprefix(shared): value for name, value in named.items()}
    return named


def _fit(name: str, here: Tensor, there: Tensor | None, in_head: bool, numbers: int, new_head: bool) -> Fit:
    shape = tuple(here.shape)
    if there is None:
        return Fit(name, shape, None, False, NOT_THERE, in_head, numbers)
    if here.shape != there.shape:
        return Fit(name, shape, tuple(there.shape), False, OTHER_HEAD if in_head else ANOTHER_SHAPE, in_head, numbers)
    if in_head and new_head:
        return Fit(name, shape, shape, False, NEW_HEAD, in_head, numbers)
    return Fit(name, shape, shape, True, FITS, in_head, numbers)
