"""regularize/first_layer: what the first layer has learned to look for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import first_model
from recipe.training.experiment import IMAGE_DIMENSIONS, Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Settings(Strict):
    shown: int = Field(ge=1)
    draws: int = Field(ge=20)


@practice("regularize/first_layer")
def first_layer(exp: Experiment) -> Finding:
    """The first layer's weights show structure and are not like noise.

    The number is 1 for weights drawn at random and lower for ones with structure. Over pixels: half the mean squared
    difference of neighbours over the variance (von Neumann 1941). Over the columns of a table, which have no
    neighbours: the stable rank, the sum of the squared singular values over the largest (Rudelson and Vershynin 2007),
    over that of noise of the same shape. Source: the recipe, 4, "visualise the first layer".
    """
    model = first_model(exp)
    name, weights = next(((n, p.detach().cpu()) for n, p in model.named_parameters() if p.dim() > 1), ("", None))
    if weights is None:
        return skip("The model has no layer of weights.")
    filters = _as_filters(exp, weights)
    noise = _of_noise(exp, filters)
    measured = (_number(filters) / noise.mean()).item()
    low, high = (noise / noise.mean()).quantile(torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return Finding(
        summary=f"The weights {name} {tuple(weights.shape)} are at {measured:.3g} where pure noise is at 1 [{low:.3g}, "
        f"{high:.3g}]: {'no different from noise' if measured >= low else 'they have structure'}.",
        measured=measured,
        expected=f"below {low:.3g}, where noise begins",
        advice="Where the weights look like noise, train longer, or decay them more: they are trained or regularised "
        "too little.",
        figures={"weights": _figure(exp, filters)},
    )


def _as_filters(exp: Experiment, weights: Tensor) -> Tensor:
    """Weights (units, ...) as (units, C, h, w) where they look at an image, else (units, inputs)."""
    units = len(weights)
    if weights.dim() == IMAGE_DIMENSIONS + 1:
        return weights
    if exp.gets_images and weights[0].numel() == math.prod(exp.input_shape):
        return weights.view(units, *exp.input_shape)
    return weights.reshape(units, -1)


def _number(filters: Tensor) -> Tensor:
    """How noise-like `filters` are: over pixels the von Neumann ratio, else the stable rank."""
    filters = filters.double()
    if filters.dim() == 2 or min(filters.shape[2:]) < 2:
        singular = torch.linalg.svdvals(filters.flatten(1))
        return singular.square().sum() / singular[0].square().clamp_min(1e-30)
    across, down = filters.diff(dim=3).square().mean(), filters.diff(dim=2).square().mean()
    return (across + down) / 4 / filters.flatten(2).var(2).mean().clamp_min(1e-30)


def _of_noise(exp: Experiment, filters: Tensor) -> Tensor:
    """The number of weights of the same shape drawn at random, (draws,)."""
    generator = torch.Generator().manual_seed(exp.training.seed)
    draws = range(exp.stages.regularize.first_layer.draws)
    return torch.stack([_number(torch.randn(filters.shape, generator=generator)) for _ in draws])


def _figure(exp: Experiment, filters: Tensor) -> Figure:
    """Each unit's weights as a picture, grey for zero; or units against columns."""
    shown = filters[: exp.stages.regularize.first_layer.shown]
    if filters.dim() == 2:
        names = exp.input_names(filters.shape[1])
        units = [str(i) for i in range(len(shown))]
        return drawing.heatmap(shown.numpy(), units, names, "input", "unit", "The first layer's weights", ".1f")
    largest = shown.flatten(1).abs().amax(1).clamp_min(1e-12).view(-1, 1, 1, 1)
    pictures = (shown / largest + 1) / 2
    return drawing.gallery(pictures.numpy(), [str(i) for i in range(len(shown))], "The first layer's weights")
