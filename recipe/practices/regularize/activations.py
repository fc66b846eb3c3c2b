"""regularize/activations: what goes through the trained net, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.diagnostics.channels import Layer, maps_of, watch_layers
from recipe.diagnostics.probes import everything, some
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import first_model
from recipe.training.experiment import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Settings(Strict):
    examples: int = Field(ge=8)
    twin: float = Field(gt=0, lt=1)
    shown: int = Field(ge=1)


class Limits(Strict):
    max_dead: float = Field(ge=0, le=1)
    max_twin: float = Field(ge=0, le=1)


@practice("regularize/activations")
def activations(exp: Experiment) -> Finding:
    """Each channel of the trained net says something, and something else than the others of its layer.

    Looked at on training examples, behind every layer with weights and the non-linearity after it: mean, spread, the
    share of zeros; dead channels, which give the same for every example and place; twins, which follow another channel
    of the layer with a correlation above the setting. Source: the recipe, 4, "visualise"; Zeiler and Fergus 2014.
    """
    settings: Settings = exp.stages.regularize.activations
    model = first_model(exp)
    inputs, _ = everything(some(exp, exp.train, settings.examples))
    layers = watch_layers(model, inputs, settings.twin)
    if not layers:
        return skip("The model has no layer of weights that gives one tensor.")
    dead, twin = max(layers, key=lambda one: one.dead), max(layers, key=lambda one: one.twins)
    return Finding(
        summary=f"Of {len(layers)} layers {dead.name} has the most dead channels, {dead.dead:.0%} of {dead.channels}, "
        f"and {twin.name} the most twins, {twin.twins:.0%} of {twin.channels}.",
        measured=dead.dead,
        advice="Dead channels do no work: lower the learning rate, or start again from another seed. Twins do it "
        "twice: a narrower layer may do as well, or dropout may part them.",
        requirements=(
            at_most(dead.dead, "max_dead", otherwise="warn"),
            at_most(twin.twins, "max_twin", otherwise="warn"),
        ),
        figures=_figures(layers, maps_of(model, inputs[:1], settings.shown)),
        table=_table(layers),
    )


def _table(layers: list[Layer]) -> pd.DataFrame:
    """A row a layer, in the order of the net."""
    return pd.DataFrame(
        [
            {
                "layer": one.name,
                "channels": one.channels,
                "mean": one.mean,
                "std": one.std,
                "zeros": one.zeros,
                "dead": one.dead,
                "twins": one.twins,
            }
            for one in layers
        ]
    )


def _figures(layers: list[Layer], maps: dict[str, np.ndarray]) -> dict[str, Figure]:
    shares = {"zeros": [one.zeros for one in layers], "dead": [one.dead for one in layers]}
    shares["twins"] = [one.twins for one in layers]
    figures = {
        "layers": drawing.heatmap(
            np.array(list(shares.values())),
            list(shares),
            [one.name for one in layers],
            "layer",
            "share of channels",
            "Layer by layer",
            ".2f",
        )
    }
    if maps:
        titles = [f"{name} {number}" for name, several in maps.items() for number in range(len(several))]
        largest = max(one.shape[-1] for several in maps.values() for one in several)
        pictures = np.stack([_enlarged(one, largest) for several in maps.values() for one in several])
        figures["maps"] = drawing.gallery(pictures[:, np.newaxis], titles, "What each channel makes of one example")
    return figures


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """An activation map (h, w) in 0..1, each place as often as it takes to be `side` wide."""
    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / max(high - low, 1e-12)
    rows, columns = (np.arange(side) * extent // side for extent in image.shape)
    return scaled[np.ix_(rows, columns)]
