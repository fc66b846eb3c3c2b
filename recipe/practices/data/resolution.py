"""data/resolution: how much detail is needed."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recipe import drawing
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, practice, skip
from recipe.inspection.picture_changes import coarser
from recipe.inspection.trials import Trials, trial_rows, tried
from recipe.settings.strict import Strict

Features = Callable[[np.ndarray], NDArray[np.float32]]

PARTS_OF_SIZE = (1, 3 / 4, 1 / 2, 3 / 8, 1 / 4)
SMALLEST = 2  # pixels a side


class Settings(Strict):
    loss: float = Field(gt=0, lt=1)


@practice("data/resolution")
def resolution(dataset: Dataset) -> Finding:
    """The detail that the pictures have is needed to tell them apart.

    Andrej Karpathy's recipe, step 1: "How much does detail matter and how far could we afford to downsample the
    images?" Each picture is averaged down to a size and brought back, so that detail alone is lost; a probe tells it by
    others treated alike. A size is enough where its loss is below `loss` with all of its interval.
    """
    if dataset.inputs.ndim != 4:
        return skip("Rows have no resolution.")
    rows = trial_rows(dataset)
    if rows is None:
        return skip("There are too few examples to try it on.")
    pictures = np.asarray(dataset.inputs[rows])
    sizes = {f"{height} x {width}": (height, width) for height, width in _sizes(*pictures.shape[2:])}
    features = kind_of(dataset.preparation).features
    changes = {name: partial(_seen, features, pictures, size) for name, size in sizes.items()}
    trials = tried(dataset, rows, changes)
    most = dataset.settings.stages.data.resolution.loss
    enough = _enough(trials, most)
    return Finding(
        summary=_in_words(trials, enough, most),
        measured=float(max(sizes[enough])),
        expected=f"{max(pictures.shape[2:])} pixels, as stored",
        figures={"sizes": _figure(trials, sizes)},
        table=trials.table().rename(columns={"change": "size"}),
    )


def _sizes(height: int, width: int) -> list[tuple[int, int]]:
    """From the size that pictures have down, each once."""
    sizes = [(max(round(height * part), SMALLEST), max(round(width * part), SMALLEST)) for part in PARTS_OF_SIZE]
    return list(dict.fromkeys(size for size in sizes if size[0] <= height and size[1] <= width)) or [(height, width)]


def _seen(features: Features, pictures: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    return features(coarser(pictures, *size))


def _enough(trials: Trials, most: float) -> str:
    """The last size before the first that loses more than `most`, or may."""
    enough = next(iter(trials.right))
    for name in list(trials.right)[1:]:
        if trials.gain(name).low < -most:
            break
        enough = name
    return enough


def _in_words(trials: Trials, enough: str, most: float) -> str:
    names = list(trials.right)
    whole = trials.score(names[0])
    told = f"A quick probe reaches {trials.measure} {whole.value:.3f} at {names[0]} pixels"
    if len(names) == 1:
        return f"{told}; there is nothing to take away."
    following = names[names.index(enough) + 1 :]
    if enough == names[0]:
        less = trials.gain(names[1])
        return f"{told}, and already {names[1]} may lose {-less.low:.3f}: all of the detail is needed."
    gain = trials.gain(enough)
    told += f" and {trials.score(enough).value:.3f} at {enough}, a loss of {-gain.value:.3f} [{-gain.high:.3f}, "
    told += f"{-gain.low:.3f}], below {most:g}: that size is enough for it"
    return f"{told}; {following[0]} loses {-trials.gain(following[0]).value:.3f}." if following else f"{told}."


def _figure(trials: Trials, sizes: dict[str, tuple[int, int]]) -> object:
    scores = [trials.score(name) for name in sizes]
    curve = drawing.Curve(
        [max(size) for size in sizes.values()],
        [one.value for one in scores],
        low=[one.low for one in scores],
        high=[one.high for one in scores],
    )
    title = "What a probe reaches by how much detail is left"
    return drawing.curves({"probe": curve}, x_label="pixels of the longer side", y_label=trials.measure, title=title)
