"""baseline/loss_at_init: the loss starts where it should."""

import torch
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_most, practice
from recipe.experiment import Experiment
from recipe.probes import everything, some
from recipe.training.evaluation import mean_interval


@practice("baseline/loss_at_init")
def loss_at_init(exp: Experiment) -> Finding:
    """Before the first step the loss is what knowing nothing costs: ln n for n classes, the variance for squared error.

    The expected value is the loss itself at equal outputs, or at the targets' mean, so it is right for any loss: ln 2
    a logit, or Huber's own value. A net that starts from the class frequencies may cost less, down to their entropy.
    Random weights add the variance of what they put out, and so several seeds are averaged: the deviation is from the
    nearer end of the 95 % interval, as a share of the expected value. Source: the recipe, 2, "verify loss @ init".
    """
    part = some(exp, exp.train, exp.stages.baseline.loss_at_init.examples)
    inputs, _ = everything(part)
    losses = torch.tensor(
        [_first_loss(exp, seed, inputs, part.targets) for seed in range(exp.stages.baseline.loss_at_init.seeds)]
    )
    targets = part.targets.cpu()
    even, prior = exp.objective.even_loss(targets), exp.objective.prior_loss(targets)
    low, high = mean_interval(losses)
    deviation = max(low - even, min(even, prior) - high, 0.0) / abs(even)
    if not losses.isfinite().all():
        deviation = float("nan")
    mean = losses.mean().item()
    cause = "the outputs are too large before anything is learned: inputs unscaled, or a start too large"
    if not losses.isfinite().all():
        cause = "the outputs are no finite numbers before anything is learned"
    elif mean < even:
        cause = "the loss is scaled down, or the model knows the answer before it has learned anything"
    return Finding(
        summary=f"The loss starts at {mean:.3f} [{low:.3f}, {high:.3f}] over {len(losses)} seeds; {even:.3f} is "
        "expected.",
        measured=mean,
        interval=(low, high),
        expected=even,
        advice=f"Beyond the limit, {cause}. Scale the inputs to mean 0 and standard deviation 1, start the last layer "
        "small, and see that the loss is the mean over the batch.",
        requirements=(at_most(deviation, "max_deviation", unit=abs(even)),),
        figures={
            "seeds": drawing.intervals(
                {"at the start": (mean, low, high)},
                "loss",
                title="Loss before the first step",
                references={"expected": even, "class frequencies": prior} if prior < even else {"expected": even},
            )
        },
    )


@torch.no_grad()
def _first_loss(exp: Experiment, seed: int, inputs: Tensor, targets: Tensor) -> float:
    """What the first step of a training would see; regression knows its targets' mean, classes nothing."""
    model = exp.new_model(seed, exp.training.having(init_bias=exp.task == "regression")).train()
    return exp.objective(model(inputs), targets).item()
