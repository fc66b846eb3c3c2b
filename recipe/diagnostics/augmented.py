"""Training examples as they are, and what trainings make of them on the way into the net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recipe.diagnostics.decoding import SHOWN_ROWS, picture
from recipe.diagnostics.flips import takes_images
from recipe.diagnostics.probes import everything, some
from recipe.training.experiment import Experiment, Training, set_seed
from recipe.training.loop import Mix
from recipe.training.split import Split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWS = 20  # of a mixture, of which the most even is shown: most are so uneven that they hardly show


def picture_of_augmented(exp: Experiment, trainings: Mapping[str, Training], shown: int, title: str) -> Figure:
    """The same few training examples a row for each of `trainings`, under its name, and one as they are.

    Args:
        shown: how many of them, at most; of a table fewer where the rows would not have room.
    """
    room = shown if takes_images(exp) else max(1, SHOWN_ROWS // (1 + len(trainings)))
    few = some(exp, exp.train, min(shown, room))
    inputs, targets = everything(few)
    rows = {"as it is": inputs}
    for name, training in trainings.items():
        set_seed(exp.training.seed)
        changed, _ = few.batch(torch.arange(len(few), device=few.device), exp.new_augment(training))
        mix = exp.new_mix(training)
        changed, share = (changed, "") if mix is None else _most_even(mix, changed)
        rows[f"{name}{share}"] = changed
    every = Split(torch.cat(list(rows.values())), targets.repeat(len(rows), *[1] * (targets.dim() - 1)))
    return picture(exp, every, [name for name in rows for _ in range(len(few))], title)


def _most_even(mix: Mix, inputs: Tensor) -> tuple[Tensor, str]:
    mixed, _, own = min((mix(inputs) for _ in range(DRAWS)), key=lambda drawn: abs(drawn[2] - 0.5))
    return mixed, f", {own:.0%} own"
