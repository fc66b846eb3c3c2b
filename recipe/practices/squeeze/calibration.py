"""squeeze/calibration: probabilities that mean what they say."""

import torch
from torch import Tensor

from recipe import drawing
from recipe.ensemble import BINS, average, calibration_error, fit_temperature, stacked_outputs, train_members
from recipe.evidence import Finding, at_most, practice, skip
from recipe.experiment import Experiment

FOLDS = 5  # of the validation split: each part's error is that of a temperature fitted on the others
ROUNDS = 200  # resamples of the examples, for the interval


@practice("squeeze/calibration")
def calibration(exp: Experiment) -> Finding:
    """Of the predictions made with a confidence of 90 %, nine in ten are right.

    One temperature, fitted on the validation split, divides the logits. Its error is cross-fitted: a temperature is
    never judged on the examples it was fitted on. Source: Guo et al. 2017.
    """
    if exp.task == "regression":
        return skip("A regression gives no probabilities to calibrate.")
    outputs, targets = stacked_outputs(train_members(exp)), exp.validation.targets.cpu()
    before = average(outputs, exp.task)
    after = _cross_fitted(outputs, targets)
    error = calibration_error(after, targets)
    return Finding(
        summary=f"A temperature of {fit_temperature(outputs, targets):.2f} takes the calibration error from "
        f"{calibration_error(before, targets):.2%} to {error:.2%} of confidence.",
        measured=error,
        interval=_interval(after, targets),
        advice="Do not read the probabilities as such: train for less long, with more regularization, or with more "
        "validation examples to fit the temperature on.",
        requirements=(at_most(error, "max_error", otherwise="warn"),),
        figures={"reliability": _reliability({"before": before, "after": after}, targets)},
    )


def _cross_fitted(outputs: Tensor, targets: Tensor) -> Tensor:
    """The joint log-probabilities (N, k), each part's under the temperature of the others."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    joint = torch.empty_like(outputs[0])
    for part in order.chunk(FOLDS):
        others = torch.ones(len(targets), dtype=torch.bool)
        others[part] = False
        temperature = fit_temperature(outputs[:, others], targets[others])
        joint[part] = average(outputs[:, part], "classification", temperature)
    return joint


def _interval(joint: Tensor, targets: Tensor) -> tuple[float, float]:
    """The 95 % basic bootstrap interval of the calibration error, which resampling alone would make look larger."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(len(targets), (ROUNDS, len(targets)), generator=generator)
    errors = torch.tensor([calibration_error(joint[draw], targets[draw]) for draw in draws])
    low, high = errors.quantile(torch.tensor([0.025, 0.975])).tolist()
    error = calibration_error(joint, targets)
    return max(0.0, 2 * error - high), max(0.0, 2 * error - low)


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
    lines["ideal"] = drawing.Curve([lowest, 1.0], [lowest, 1.0])
    return drawing.curves(lines, "confidence", "accuracy", title="Reliability")
