"""data/variation: how much the examples vary, in what way, and what of it preprocessing would remove."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from recipe import drawing
from recipe.dataset.kind import flat, kind_of
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, practice, skip
from recipe.inspection.picture_changes import centred, standardised, upright
from recipe.inspection.probe import ranked
from recipe.inspection.trials import INTACT, Trials, trial_rows, tried

MOST_OF_IT = 0.9  # of the variance, which so many principal components hold
A_CLASS, MOST_CLASSES = 8, 12  # pictures of each class, and classes, in the montage


@practice("data/variation")
def variation(dataset: Dataset) -> Finding:
    """What the examples vary in is what tells them apart, and nothing that preprocessing would remove.

    Andrej Karpathy's recipe, step 1: "How much variation is there and what form does it take? What variation is
    spurious and could be preprocessed out?" A probe of the plain numbers, which is as blind to what does not matter as
    a net before training is, tells examples as they are and with one kind of variation removed; a gain that holds says
    that this kind stands in its way.
    """
    rows = trial_rows(dataset)
    if rows is None:
        return skip("There are too few examples to try it on.")
    inputs = np.asarray(dataset.inputs[rows])
    is_picture = inputs.ndim == 4 and inputs.dtype == np.uint8
    trials = tried(dataset, rows, _of_pictures(inputs) if is_picture else _of_rows(inputs))
    spectrum = _spectrum(inputs)
    return Finding(
        summary=f"{_components_in_words(spectrum)} {_removals_in_words(trials)}",
        measured=float(_needed(spectrum)),
        figures=_montage(dataset, rows) | {"removed": _figure(trials), "components": _spectrum_figure(spectrum)},
        table=trials.table(),
    )


def _of_pictures(pictures: NDArray[np.uint8]) -> Mapping[str, Callable[[], NDArray[np.float32]]]:
    return {
        INTACT: lambda: flat(pictures),
        "brightness and contrast removed": lambda: standardised(pictures),
        "position removed": lambda: flat(centred(pictures)),
        "position and slant removed": lambda: flat(upright(pictures)),
    }


def _of_rows(rows: NDArray[np.float32]) -> Mapping[str, Callable[[], NDArray[np.float32]]]:
    return {INTACT: lambda: flat(rows), "numbers as ranks": lambda: ranked(flat(rows))}


def _spectrum(inputs: np.ndarray) -> NDArray[np.float64]:
    """The share of the variance that the first 1, 2, 3, ... principal components hold."""
    numbers = flat(inputs) - flat(inputs).mean(0)
    products = numbers.T @ numbers if numbers.shape[1] <= len(numbers) else numbers @ numbers.T
    variances = np.maximum(np.linalg.eigvalsh(products.astype(np.float64))[::-1], 0)
    return np.asarray(np.cumsum(variances) / max(float(variances.sum()), np.finfo(float).tiny))


def _needed(spectrum: NDArray[np.float64]) -> int:
    return min(int(np.searchsorted(spectrum, MOST_OF_IT)) + 1, len(spectrum))


def _components_in_words(spectrum: NDArray[np.float64]) -> str:
    return f"{_needed(spectrum)} of {len(spectrum)} principal components hold {MOST_OF_IT:.0%} of the variation."


def _removals_in_words(trials: Trials) -> str:
    names = list(trials.right)[1:]
    helping = [name for name in names if trials.gain(name).low > 0]
    told = f"A quick probe of the plain numbers reaches {trials.measure} {trials.score(INTACT).value:.3f}"
    if not helping:
        return f"{told}, and does no better with {_listed(names)}: none of that stands in the way."
    best = max(helping, key=lambda name: trials.gain(name).value)
    gain = trials.gain(best)
    return (
        f"{told}; with {best} {gain.value:.3f} [{gain.low:.3f}, {gain.high:.3f}] more. That variation is in the way: "
        "remove it before training, or show the net more of it by augmentation."
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _figure(trials: Trials) -> object:
    scores = {name: trials.score(name) for name in trials.right}
    values = {name: (one.value, one.low, one.high) for name, one in scores.items()}
    return drawing.intervals(values, trials.measure, "What a probe reaches without a kind of variation")


def _spectrum_figure(spectrum: NDArray[np.float64]) -> object:
    curve = drawing.Curve(np.arange(1, len(spectrum) + 1), spectrum)
    return drawing.curves(
        {"principal components": curve},
        x_label="principal components",
        y_label="share of the variation",
        title="How many directions the examples vary in",
    )


def _montage(dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, object]:
    """For each class its mean, and a few of its examples by chance."""
    classes = dataset.preparation["classes"]
    if classes is None or dataset.inputs.ndim != 4:
        return {}
    targets = dataset.targets[rows]
    shown, titles = [], []
    for number, name in list(enumerate(classes))[:MOST_CLASSES]:
        members = dataset.inputs[rows[targets == number]]
        if len(members):
            shown += [members.mean(0), *members[: A_CLASS - 1].astype(np.float64)]
            titles += [f"mean of {name}", *[name] * (len(members[: A_CLASS - 1]))]
            missing = A_CLASS - 1 - len(members[: A_CLASS - 1])
            shown += [np.full(members.shape[1:], 255.0)] * missing
            titles += [""] * missing
    drawn = kind_of(dataset.preparation).draw(np.stack(shown), titles, "Each class: its mean, and examples by chance")
    return {"classes": drawn} if drawn else {}
