"""What enters the net, turned back into what a person can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipe import drawing
from recipe.training.experiment import Experiment
from recipe.training.split import Split

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SHOWN_FEATURES, SHOWN_ROWS = 30, 12  # columns and rows of a table that a picture has room for


def picture(experiment: Experiment, split: Split, captions: list[str], title: str) -> Figure:
    """The examples of a small `split`, decoded, each under its caption: a gallery of images, or rows of a table."""
    inputs, _ = split.batch(torch.arange(len(split), device=split.device))
    inputs = inputs.float().cpu()
    if inputs.dim() == 4:
        return drawing.gallery(as_images(experiment, inputs), captions, title=title)
    if experiment.decode is not None:
        rows = cast("pd.DataFrame", experiment.decode(inputs)).iloc[:SHOWN_ROWS, :SHOWN_FEATURES]
        return drawing.text_table(rows.to_numpy().T, list(rows.columns), captions[:SHOWN_ROWS], title=title)
    values = inputs.flatten(1)
    names = experiment.input_names(values.shape[1])[:SHOWN_FEATURES]
    shown = values[:, :SHOWN_FEATURES].numpy()
    return drawing.heatmap(shown, captions, names, title=f"{title} (as the net gets them)", number_format=".2g")


def as_images(experiment: Experiment, inputs: Tensor) -> NDArray[np.float32]:
    """Inputs (N, C, H, W) in 0..1: decoded where the experiment knows how, else stretched to their own range."""
    if experiment.decode is not None:
        images = cast("Tensor", experiment.decode(inputs))
    else:
        finite = inputs[inputs.isfinite()]
        low, high = (finite.min(), finite.max()) if len(finite) else (torch.tensor(0.0), torch.tensor(1.0))
        images = (inputs - low) / (high - low).clamp_min(1e-12)
    pixels: NDArray[np.float32] = images.nan_to_num(0, 1, 0).clamp(0, 1).numpy()
    return pixels


def label_of(experiment: Experiment, target: Tensor) -> str:
    """One target as a person reads it: the class's name, or the number."""
    if target.dim() == 0 and not target.is_floating_point():
        return experiment.classes[int(target)] if experiment.classes else str(int(target))
    return ", ".join(f"{value:.2f}" for value in target.reshape(-1).tolist())
