"""The names of the metrics, of classes and of quantities; the first of each is what decides where none is named."""

from collections.abc import Sequence
from typing import Any

OF_CLASSES = ("accuracy", "balanced_accuracy", "F1", "AUC")
OF_QUANTITIES = ("R2", "MAE", "RMSE")


def deciding(task: str, names: Sequence[str] | None) -> str:
    """The name of the metric that decides: the first of those named, or the usual one of the task."""
    return (names or (OF_CLASSES if task == "classification" else OF_QUANTITIES))[0]


def metric_names(given: Any) -> Any:
    """One name or several, however their letters are cased, as they are spelt here; None stays None.

    Raises:
        ValueError: a name is unknown, comes twice, or metrics of classes stand beside those of quantities.
    """
    if given is None:
        return None
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not names:
        raise ValueError("it is a name, or a list of them of which the first decides, such as [F1,AUC]")
    known = {name.casefold(): name for name in (*OF_CLASSES, *OF_QUANTITIES)}
    unknown = [str(name) for name in names if str(name).casefold() not in known]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is none of {', '.join(OF_CLASSES)} and {', '.join(OF_QUANTITIES)}")
    spelt = tuple(known[str(name).casefold()] for name in names)
    if len(set(spelt)) < len(spelt):
        raise ValueError("a metric is named twice")
    if 0 < sum(name in OF_CLASSES for name in spelt) < len(spelt):
        raise ValueError(f"{', '.join(OF_CLASSES)} are of classes, {', '.join(OF_QUANTITIES)} of quantities")
    return spelt
