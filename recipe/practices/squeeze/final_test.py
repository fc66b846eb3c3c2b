"""squeeze/final_test: the test set, used once, at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_least, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.mcnemar import Counts
from recipe.statistics.metrics import R2, Metric
from recipe.statistics.paired import chance, intervals
from recipe.training.baselines import BOOSTING, baseline_outputs
from recipe.training.distillation import train_student
from recipe.training.ensemble import average, ensemble_temperature, train_members
from recipe.training.evaluation import Evaluation, evaluate, evaluate_outputs
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained
from recipe.training.split import Split

LEVEL = 0.025  # at either end of an interval
AS_GOOD = 0.05  # a p-value above it is taken for a tie, in words; the verdict's limit is max_p_value


@dataclass(frozen=True)
class Predictor:
    """One of those that are compared on the test set; the ensemble is held to those that are a `baseline`."""

    name: str
    evaluation: Evaluation
    baseline: bool = False


@dataclass(frozen=True)
class Rival:
    """A baseline: by how much the ensemble is better, the 95 % interval of that, and its p-value."""

    lead: float
    interval: tuple[float, float]
    chance: float

    @property
    def is_better(self) -> bool:
        """Whether the baseline is, beyond chance."""
        return self.interval[1] < 0


class Limits(Strict):
    min_lead: float
    max_p_value: float = Field(gt=0, lt=1)
    max_readings: int = Field(ge=1)


@practice("squeeze/final_test")
def final_test(exp: Experiment) -> Finding:
    """On examples that nothing was chosen by, the ensemble is better than every baseline, beyond chance.

    The test labels are read once, for all predictors together, and the reading is written to the ledger. Source: the
    recipe, 2, "never evaluate on the test set to be confident in the middle". Differences are paired, example by
    example; the p-value is the highest over the baselines, so that all are beaten at its level without a correction
    (Berger 1982, Technometrics 24:295).
    """
    if exp.test is None:
        return skip("This experiment has no test split.")
    test = exp.test.open("squeeze/final_test")
    predictors = _predictors(exp, test)
    ours = predictors[0].evaluation
    baselines = [one for one in predictors if one.baseline]
    strongest = max(baselines, key=lambda one: one.evaluation.score)
    lead = min(ours.score - strongest.evaluation.score, _over_own_mean(ours))
    metric = exp.objective.metric
    rivals = {
        one.name: Rival(
            ours.score - one.evaluation.score,
            _interval(ours, one.evaluation, metric),
            _chance(ours, one.evaluation, metric),
        )
        for one in baselines
    }
    readings = exp.test.note("squeeze/final_test", len(test), ours.metric)
    better = "below" if metric.is_error else "above"
    return Finding(
        summary=_in_words(ours, strongest, rivals, readings),
        measured=ours.metric,
        interval=ours.interval(),
        expected=f"{better} {strongest.evaluation.metric:.4f}, beyond chance",
        advice="Where a baseline is better or no worse, use the baseline; where chance may explain the lead, more "
        "independent test examples can tell; where the set has been read too often, its figure is no longer that of "
        "unseen data: collect new test examples.",
        requirements=(
            at_least(lead, "min_lead", otherwise="warn"),
            at_most(max(one.chance for one in rivals.values()), "max_p_value", otherwise="warn"),
            at_most(readings, "max_readings", otherwise="warn"),
        ),
        figures={"predictors": _drawn(predictors)},
        table=_table(predictors),
    )


def _in_words(ours: Evaluation, strongest: Predictor, rivals: Mapping[str, Rival], readings: int) -> str:
    low, high = ours.interval()
    figure = f"{ours.name} {ours.metric:.4f} [{low:.4f}, {high:.4f}] on {len(ours.targets)} test examples"
    beside = f"the strongest baseline, {strongest.name}, has {strongest.evaluation.metric:.4f}{_as_good(ours, rivals)}"
    below = "; an R2 below 0 is worse than the mean of these examples" if _over_own_mean(ours) < 0 else ""
    read = f"The test set has been read {readings} time{'s' if readings > 1 else ''}"
    return f"{figure}; {beside}{below}. {read}; what a person reaches on it baseline/human tells."


def _chance(ours: Evaluation, theirs: Evaluation, metric: Metric) -> float:
    """The p-value of the hypothesis that a baseline is as good: McNemar's for accuracy, else by flips of signs."""
    differences = (ours.scores_by(metric) - theirs.scores_by(metric)).numpy()
    return chance(differences, metric.scored, groups=_clusters(ours))


def _interval(ours: Evaluation, theirs: Evaluation, metric: Metric) -> tuple[float, float]:
    """The 95 % interval of by how much the ensemble is better, paired by example."""
    differences = (ours.scores_by(metric) - theirs.scores_by(metric)).numpy()
    groups = _clusters(ours)
    [interval] = intervals([differences], metric.scored, LEVEL, None if groups is None else [groups])
    return interval


def _over_own_mean(ours: Evaluation) -> float:
    """How far R2 lies above that of the test targets' own mean, which is 0; of other metrics no matter."""
    return ours.metric if ours.objective.metric.name == R2 else math.inf


def _clusters(evaluation: Evaluation) -> Counts | None:
    return None if evaluation.groups is None else evaluation.groups.numpy()


def _as_good(ours: Evaluation, rivals: Mapping[str, Rival]) -> str:
    """Which simple model one may use instead, in words; `rivals` are the baselines by name."""
    better = [name for name, rival in rivals.items() if rival.is_better]
    if better:
        strongest = min(better, key=lambda name: rivals[name].lead)
        return f": {_spoken(strongest)} is better beyond chance, so use it"
    name, rival = max(rivals.items(), key=lambda one: one[1].chance)
    if rival.chance <= AS_GOOD:
        return f", which is worse beyond chance (p = {rival.chance:.2g})"
    if rival.lead <= 0:
        return f": {_spoken(name)} is no worse, so use it"
    draws = len(ours.targets) if ours.groups is None else len(ours.groups.unique())
    once = "" if ours.groups is None else f", with {draws} independent examples, copies and groups counted once"
    return f": chance may explain the lead over {_spoken(name)} (p = {rival.chance:.2g}{once})"


def _spoken(name: str) -> str:
    return "gradient boosting" if name == BOOSTING else f"the {name} model"


def _predictors(exp: Experiment, test: Split) -> list[Predictor]:
    """The ensemble as it is exported, a member and the student, then the baselines, of rows of a table boosting too."""
    members = train_members(exp)

    def on_test(net: Trained) -> Tensor:
        return evaluate(net.model(exp), exp.objective, test).outputs

    outputs = torch.stack([on_test(one) for one in members])
    targets = test.targets.cpu()
    trained = {
        f"ensemble of {len(members)}": average(outputs, exp.task, ensemble_temperature(exp, members)),
        "single net": outputs[0],
    }
    if len(members) > 1:
        trained["student"] = on_test(train_student(exp, members))
    baselines = baseline_outputs(exp, test)
    return [
        Predictor(name, evaluate_outputs(one, targets, exp.objective, test.groups), baseline=name in baselines)
        for name, one in {**trained, **baselines}.items()
    ]


def _drawn(predictors: list[Predictor]) -> object:
    figures = {one.name: (one.evaluation.metric, *one.evaluation.interval()) for one in predictors}
    # each written out: beside a constant guess, nets that differ by a point are one dot
    rows = {f"{name}: {figure[0]:.4f}": figure for name, figure in figures.items()}
    return drawing.intervals(rows, f"test {predictors[0].evaluation.name}", title="On the test set")


def _table(predictors: list[Predictor]) -> object:
    """A row for each metric and predictor, the metric that decides and the ensemble first.

    `difference` is by how much the ensemble is better, paired by example, with its 95 % interval, and `p_value` that of
    its being no better; both as in the summary. `rmse` is in standard deviations of the training targets.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            _row(metric, predictor, predictors[0])
            for metric in predictors[0].evaluation.objective.metrics
            for predictor in predictors
        ]
    )


def _row(metric: Metric, one: Predictor, ours: Predictor) -> dict[str, object]:
    evaluation = one.evaluation
    value, low, high = evaluation.by(metric)
    paired = _interval(ours.evaluation, evaluation, metric)
    differences = (ours.evaluation.scores_by(metric) - evaluation.scores_by(metric)).numpy()
    return {
        "predictor": one.name,
        "metric": metric.name,
        "figure": value,
        "low": low,
        "high": high,
        "loss": evaluation.loss,
        "difference": float(differences.mean()),
        "difference_low": 0.0 if one is ours else paired[0],
        "difference_high": 0.0 if one is ours else paired[1],
        "p_value": 1.0 if one is ours else _chance(ours.evaluation, evaluation, metric),
        **(_rmse(evaluation) if evaluation.targets.dim() > 1 else {}),
    }


def _rmse(evaluation: Evaluation) -> dict[str, float]:
    return {"rmse": (evaluation.outputs - evaluation.targets).double().square().mean().sqrt().item()}
