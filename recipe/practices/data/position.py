"""data/position: does it matter where things are, or are local features enough."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recipe import drawing
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, practice, skip
from recipe.inspection.picture_changes import moved, parts, shuffled
from recipe.inspection.trials import INTACT, Trials, trial_rows, tried

MOVED, SHUFFLED, POOLED = "moved by up to a quarter", "parts shuffled", "parts pooled, without their places"
REACH = 0.25  # of the size
MATTERS = 0.02  # of accuracy or R2: less is lost to the cut of the parts alone
SMALLEST_SIDE = 8  # pixels, so that a part has two


@practice("data/position")
def position(dataset: Dataset) -> Finding:
    """It matters where in a picture things are, and what they make up together.

    Andrej Karpathy's recipe, step 1: "Does spatial position matter or do we want to average pool it out?" and "are very
    local features enough or do we need global context?" A probe tells pictures moved by chance, pictures whose 16 parts
    are shuffled, and the parts' features averaged, each by others treated alike.
    """
    if dataset.inputs.ndim != 4:
        return skip("Columns have no places.")
    if min(dataset.inputs.shape[2:]) < SMALLEST_SIDE:
        return skip("The pictures are too small to be cut into parts.")
    rows = trial_rows(dataset)
    if rows is None:
        return skip("There are too few examples to try it on.")
    pictures = np.asarray(dataset.inputs[rows])
    features = kind_of(dataset.preparation).features
    seed = dataset.settings.seed
    trials = tried(
        dataset,
        rows,
        {
            INTACT: lambda: features(pictures),
            MOVED: lambda: features(moved(pictures, REACH, seed)),
            SHUFFLED: lambda: features(shuffled(pictures, seed)),
            POOLED: lambda: _pooled(features, pictures),
        },
    )
    return Finding(
        summary=_in_words(trials),
        measured=trials.gain(POOLED).value,
        interval=(trials.gain(POOLED).low, trials.gain(POOLED).high),
        figures={"changes": _figure(trials)},
        table=trials.table(),
    )


def _pooled(features: Callable[[np.ndarray], NDArray[np.float32]], pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the parts of each picture have in common: the mean and the spread of their features (N, D)."""
    cut = parts(pictures)
    count, many = cut.shape[:2]
    seen = features(cut.reshape(count * many, *cut.shape[2:])).reshape(count, many, -1)
    return np.concatenate([seen.mean(1), seen.std(1)], axis=1)


def _in_words(trials: Trials) -> str:
    whole, pooled, shift = trials.score(INTACT), trials.gain(POOLED), trials.gain(MOVED)
    told = f"A quick probe reaches {trials.measure} {whole.value:.3f}. "
    if pooled.high < -MATTERS:
        told += (
            f"With the parts pooled without their places it loses {-pooled.value:.3f} [{-pooled.high:.3f}, "
            f"{-pooled.low:.3f}]: local features alone are not enough, the whole shape matters"
        )
    else:
        told += (
            f"With the parts pooled without their places it reaches {trials.score(POOLED).value:.3f}: local features "
            "are enough, so that pooling over places may be tried"
        )
    if shift.high < -MATTERS:
        return f"{told}; moved by chance it loses {-shift.value:.3f}, so that the place tells something, too."
    return f"{told}; moved by chance it loses hardly anything."


def _figure(trials: Trials) -> object:
    values = {
        name: (one.value, one.low, one.high) for name, one in ((name, trials.score(name)) for name in trials.right)
    }
    return drawing.intervals(values, trials.measure, "What a probe makes of pictures without their places")
