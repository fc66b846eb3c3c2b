"""baseline/predictions: the evaluation set's predictions, looked at."""

import hashlib
from collections import Counter
from collections.abc import Mapping

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.dataset.counted import counted
from recipe.diagnostics.decoding import label_of, picture
from recipe.diagnostics.probes import rows
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.clusters import share_interval
from recipe.training.evaluation import Evaluation
from recipe.training.experiment import Experiment
from recipe.training.fit import fit_all
from recipe.training.split import Split

SHOWN_CLASSES = 30  # the worst of them, where there are more
FAR = 3.5  # robust standard deviations: a residual beyond is flagged (Iglewicz and Hoaglin 1993)
NORMAL_MAD = 1.4826  # makes the median absolute deviation of a normal distribution its standard deviation


class Settings(Strict):
    shown: int = Field(ge=1)


@practice("baseline/predictions")
def predictions(exp: Experiment) -> Finding:
    """What the first net predicts on the evaluation set, looked at: where it errs, and how surely.

    Source: the recipe, 2, "visualize prediction dynamics", and 1, "look at your network's mispredictions".
    """
    [trained] = fit_all(exp, [exp.training])
    if not trained.outputs.isfinite().all():
        return skip("The net's outputs are not finite numbers, so there is nothing to look at: see baseline/gradients.")
    evaluation = trained.evaluation(exp)
    table = _table(exp, evaluation)
    look = _classes if exp.task == "classification" else _residuals
    low, high = evaluation.interval()
    detail, figures = look(exp, evaluation, table)
    return Finding(
        summary=f"{evaluation.name} {evaluation.metric:.4f} [{low:.4f}, {high:.4f}]; {detail}.",
        measured=evaluation.metric,
        interval=(low, high),
        advice="Where there are mistakes, look at those it is surest of: they are wrong labels, missing variety, or a "
        "bug.",
        figures=figures,
        table=table,
    )


def _table(exp: Experiment, evaluation: Evaluation) -> pd.DataFrame:
    """Every example, the most suspicious first; its index is its place in the validation split."""
    table = _class_rows(exp, evaluation) if exp.task == "classification" else _regression_rows(exp, evaluation)
    ids = exp.validation.ids or tuple(str(i) for i in range(len(exp.validation)))
    table.insert(0, "id", list(ids))
    table["loss"] = evaluation.losses.numpy()
    return table.sort_values(["score", "loss"], ascending=False, kind="stable")


def _class_rows(exp: Experiment, evaluation: Evaluation) -> pd.DataFrame:
    """`score` is 1 minus the probability of the given label."""
    probabilities = evaluation.outputs.softmax(1)
    surest, said = probabilities.max(1)
    given = probabilities.gather(1, evaluation.targets.unsqueeze(1)).squeeze(1)
    return pd.DataFrame(
        {
            "given": _names(exp, evaluation.targets),
            "predicted": _names(exp, said),
            "probability": surest.numpy(),
            "score": (1 - given).clamp(0, 1).numpy(),
            "flagged": (said != evaluation.targets).numpy(),
        }
    )


def _regression_rows(exp: Experiment, evaluation: Evaluation) -> pd.DataFrame:
    """`score` is the share of examples that are predicted better."""
    residuals = _residual(evaluation)
    scale = NORMAL_MAD * residuals.median().clamp_min(1e-12)
    return pd.DataFrame(
        {
            "given": _names(exp, evaluation.targets),
            "predicted": _names(exp, rows(evaluation.outputs, len(evaluation.targets))),
            "score": (residuals.argsort().argsort() / max(1, len(residuals) - 1)).numpy(),
            "flagged": (residuals > FAR * scale).numpy(),
        }
    )


def _names(exp: Experiment, targets: Tensor) -> list[str]:
    return [label_of(exp, target) for target in targets]


def _residual(evaluation: Evaluation) -> Tensor:
    """The largest absolute error of each example over its targets, (N,)."""
    return (rows(evaluation.outputs, len(evaluation.targets)) - evaluation.targets).abs().amax(1)


def _classes(exp: Experiment, evaluation: Evaluation, table: pd.DataFrame) -> tuple[str, dict[str, object]]:
    said, given = evaluation.outputs.argmax(1), evaluation.targets
    count = exp.objective.n_outputs
    confusion = torch.bincount(given * count + said, minlength=count * count).view(count, count)
    names = list(exp.classes) or [str(i) for i in range(count)]
    recall = {names[i]: _recall(evaluation, given == i) for i in given.unique().tolist()}
    hardest = dict(sorted(recall.items(), key=lambda item: item[1][0])[:SHOWN_CLASSES])
    figures: dict[str, object] = {
        "confusion": drawing.heatmap(confusion.numpy(), names, names, "predicted", "given", "Confusion", ".0f"),
        "classes": drawing.intervals(hardest, "share predicted right", "Per class, hardest first"),
    }
    worst = table["loss"].sort_values(ascending=False, kind="stable").index.tolist()
    wrong = table[table["flagged"]].sort_values("probability", ascending=False, kind="stable").index.tolist()
    figures |= _gallery(exp, table, worst, "worst", "The highest losses: given → predicted")
    figures |= _gallery(exp, table, wrong, "surest_mistakes", "The surest mistakes: given → predicted")
    return f"{_mistakes(len(wrong))}{_hardest(hardest) if wrong else ''}", figures


def _mistakes(count: int) -> str:
    return counted(count, "mistake") if count else "no mistakes"


def _hardest(recall: Mapping[str, tuple[float, float, float]]) -> str:
    """The first class of `recall`, the hardest first, in words."""
    name, (share, low, high) = next(iter(recall.items()))
    return f"; the hardest class is {name}, {share:.3f} [{low:.3f}, {high:.3f}] right"


def _recall(evaluation: Evaluation, chosen: Tensor) -> tuple[float, float, float]:
    """The share of the `chosen` examples (N,), a mask, that is predicted right, and its 95 % interval."""
    right = (evaluation.outputs.argmax(1) == evaluation.targets)[chosen]
    groups = None if evaluation.groups is None else evaluation.groups[chosen]
    return right.double().mean().item(), *share_interval(right, groups)


def _residuals(exp: Experiment, evaluation: Evaluation, table: pd.DataFrame) -> tuple[str, dict[str, object]]:
    figure, chart = drawing.new_figure()
    given, said = evaluation.targets, rows(evaluation.outputs, len(evaluation.targets))
    ends = [given.min().item(), given.max().item()]
    chart.plot(ends, ends, color=drawing.FAINT, linestyle="--", linewidth=1)
    for column in range(given.shape[1]):
        chart.plot(given[:, column].numpy(), said[:, column].numpy(), "o", markersize=3.5, alpha=0.6)
    drawing.label(chart, "given (in standard deviations)", "predicted", "Predictions")
    figures: dict[str, object] = {"predicted": figure}
    figures |= _gallery(exp, table, table.index.tolist(), "worst", "The largest errors: given → predicted")
    return f"the largest error is {_residual(evaluation).max():.2f} standard deviations of the target", figures


def _gallery(exp: Experiment, table: pd.DataFrame, places: list[int], name: str, title: str) -> dict[str, object]:
    given, predicted = table["given"].to_dict(), table["predicted"].to_dict()
    times = times_shown(exp.validation, {i: f"{given[i]} → {predicted[i]}" for i in places})
    shown = list(times)[: exp.stages.baseline.predictions.shown]
    if not shown:
        return {}
    captions = [f"{given[i]} → {predicted[i]}{f' ×{times[i]}' if times[i] > 1 else ''}" for i in shown]
    return {name: picture(exp, exp.validation.at(torch.tensor(shown)), captions, title)}


def times_shown(split: Split, captions: Mapping[int, str]) -> dict[int, int]:
    """The places in `captions`, of copies under one caption only the first, and how many examples each stands for."""
    alone = _alone(split)
    first: dict[tuple[str, bytes], int] = {}
    times: Counter[int] = Counter()
    for i, caption in captions.items():
        times[i if alone[i] else first.setdefault((caption, _digest(split, i)), i)] += 1
    return dict(times)


def _alone(split: Split) -> list[bool]:
    """Which examples (N,) share their cluster with no other, so that they have no copy."""
    if split.groups is None:
        return [True] * len(split)
    _, cluster, sizes = split.groups.unique(return_inverse=True, return_counts=True)
    return [size == 1 for size in sizes[cluster].tolist()]


def _digest(split: Split, place: int) -> bytes:
    inputs, _ = split.batch(torch.tensor([place]))
    return hashlib.sha256(inputs.cpu().numpy().tobytes()).digest()
