"""squeeze/calibration: confidence beside accuracy, with a temperature fitted on the validation split."""

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.clusters import resampled
from recipe.training.ensemble import (
    BINS,
    Temperature,
    average,
    calibration_error,
    choose_temperature,
    error_by_chance,
    stacked_outputs,
    train_members,
)
from recipe.training.experiment import Experiment

ROUNDS = 200  # resamples of the examples, for the interval


class Limits(Strict):
    max_error: float = Field(ge=0, le=1)


@practice("squeeze/calibration")
def calibration(exp: Experiment) -> Finding:
    """Of the predictions made with a confidence of 90 %, nine in ten are right.

    One temperature, fitted on the validation split, divides the logits where that is better than none. Its error is
    cross-fitted: a temperature is never judged on the examples it was fitted on. An error that a calibrated net of as
    many examples has by chance is none. Source: Guo et al. 2017.
    """
    if exp.task == "regression":
        return skip("A regression gives no probabilities to calibrate.")
    outputs, targets = stacked_outputs(train_members(exp)), exp.validation.targets.cpu()
    groups = exp.validation.groups
    temperature = choose_temperature(outputs, targets, groups)
    before, after = average(outputs, exp.task), temperature.joint
    error, chance = calibration_error(after, targets), error_by_chance(after, groups)
    beyond = error > chance
    return Finding(
        summary=_in_words(temperature, calibration_error(before, targets), error, chance),
        measured=error,
        interval=_interval(after, targets, groups),
        expected=None if beyond else f"up to {chance:.4f}, which is chance",
        advice="Where the error is beyond the limit, do not read the probabilities as such: train for less long, with "
        "more regularization, or with more validation examples to fit the temperature on.",
        requirements=(at_most(error if beyond else 0.0, "max_error", otherwise="warn"),),
        figures={"reliability": _reliability(_drawn(temperature, before), targets)},
    )


def _in_words(temperature: Temperature, before: float, after: float, chance: float) -> str:
    low, high = temperature.interval
    gain = f"{temperature.gain:.2g} [{low:.2g}, {high:.2g}] off the loss of examples that it was not fitted on"
    beside = f"a calibrated net of as many examples has up to {chance:.2%} by chance"
    if temperature.kept:
        return (
            f"A temperature of 1 is kept: the fitted one, {temperature.fitted:.2f}, takes {gain}, which is not better "
            f"beyond chance. The calibration error is {after:.2%} of confidence; {beside}."
        )
    return (
        f"A temperature of {temperature.value:.2f} takes {gain}, and the calibration error from {before:.2%} to "
        f"{after:.2%} of confidence; {beside}."
    )


def _interval(joint: Tensor, targets: Tensor, groups: Tensor | None) -> tuple[float, float]:
    """The 95 % bootstrap interval of the calibration error, less by how much resampling alone makes that look larger.

    Efron and Tibshirani 1993, section 10.
    """
    draws = resampled(len(targets), groups, ROUNDS)
    errors = torch.tensor([calibration_error(joint[draw], targets[draw]) for draw in draws])
    error = calibration_error(joint, targets)
    low, high = (errors.quantile(torch.tensor([0.025, 0.975])) - errors.mean() + error).tolist()
    return max(0.0, min(low, error)), max(high, error)


def _drawn(temperature: Temperature, before: Tensor) -> dict[str, Tensor]:
    """What is shown: one line where the temperature is kept, since before and after are then the same."""
    if temperature.kept:
        return {"as it is, at temperature 1": temperature.joint}
    return {"before": before, f"after, at temperature {temperature.value:.2f}": temperature.joint}


def _reliability(kinds: dict[str, Tensor], targets: Tensor) -> object:
    """Accuracy against confidence, in bins that hold equally many examples."""
    lines = {}
    lowest = 1.0
    for kind, joint in kinds.items():
        confidence, predicted = joint.exp().max(1)
        correct = (predicted == targets).float()
        parts = confidence.argsort().chunk(BINS)
        x = torch.stack([confidence[part].mean() for part in parts])
        y = torch.stack([correct[part].mean() for part in parts])
        lines[kind] = drawing.Curve(x.numpy(), y.numpy())
        lowest = min(lowest, x.min().item())
    lines["ideal"] = drawing.Curve([lowest, 1.0], [lowest, 1.0], ideal=True)
    return drawing.curves(lines, "confidence", "accuracy", title="Reliability")
