"""What a stage trained, as files that trackers and `dvc plots` read: a name, parameters, curves and figures."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from recipe.training.fit import Trained

CURVE_POINTS = 200  # a curve's points in trainings.json: more than a plot's width resolves

Record = dict[str, Any]


def training_records() -> list[Record]:
    """The trainings that this process carried out or read, by name; one that trained nothing never imports torch."""
    if "recipe.training.fit" not in sys.modules:
        return []
    from recipe.training.fit import ASKED_BY, MEMORY

    usual = _usual([trained.training.parameters() for trained in MEMORY.values()])
    records = [_finite(_record(key, trained, usual, ASKED_BY.get(key, ""))) for key, trained in MEMORY.items()]
    return sorted(records, key=lambda record: (record["name"], record["key"]))


def curves_csv(records: Sequence[Record]) -> str:
    """Every curve of `records`, a row a point."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["training", "step", "curve", "value"])
    for record in records:
        for curve, points in record["curves"].items():
            writer.writerows([record["name"], step, curve, value] for step, value in points)
    return text.getvalue()


def _record(key: str, trained: Trained, usual: Mapping[str, str], asked_by: str) -> Record:
    history, parameters = trained.history, trained.training.parameters()
    ends = range(history.steps_per_epoch, len(history.train_loss) + 1, history.steps_per_epoch)
    metrics: dict[str, float] = {}
    if history.validation_loss:
        metrics = {
            "validation_loss": history.validation_loss[-1],
            "validation_metric": history.validation_metric[-1],
            "best_epoch": history.best_epoch,
        }
    return {
        "name": _name(trained, usual, asked_by),
        "key": key,
        "params": parameters,
        "curves": {
            "train_loss": _thinned(history.train_loss),
            "validation_loss": list(zip(ends, history.validation_loss, strict=False)),
            "validation_metric": list(zip(ends, history.validation_metric, strict=False)),
        },
        "metrics": metrics,
    }


def _name(trained: Trained, usual: Mapping[str, str], asked_by: str) -> str:
    """Which practice tried it, and what tells it from the others: `dropout: dropout=0.3 seed=1`."""
    parameters = trained.training.parameters()
    practice = asked_by.rpartition("/")[2]
    tried = [trained.variant, *_differences(parameters, usual), f"seed={parameters['seed']}"]
    return " ".join(filter(None, [f"{practice}:" if practice else "", *tried]))


def _usual(parameters: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What most trainings have in common: each parameter's most common value, whatever the order."""
    names = {name for one in parameters for name in one}
    counts = {name: Counter(_text(one.get(name)) for one in parameters) for name in names}
    return {name: min(count, key=lambda text: (-count[text], text)) for name, count in counts.items()}


def _differences(parameters: Mapping[str, Any], usual: Mapping[str, str]) -> Iterator[str]:
    """`dropout=0.3` for each parameter, but the seed, that is not the usual one."""
    for name, value in parameters.items():
        if name != "seed" and _text(value) != usual[name]:
            yield f"{name.rpartition('.')[2]}={_text(value)}"


def _text(value: object) -> str:
    """A number in four digits; of a dotted name the last part."""
    return f"{value:.4g}" if isinstance(value, float) else str(value).rpartition(".")[2]


def _thinned(curve: Tensor) -> list[tuple[int, float]]:
    """So many steps of `curve` (steps,), from 1, and their values: a training may have millions of them."""
    stride = max(1, math.ceil(len(curve) / CURVE_POINTS))
    return [(1 + stride * place, value) for place, value in enumerate(curve[::stride].tolist())]


def _finite(value: Any) -> Any:
    """JSON knows no infinity: a number that is none becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
