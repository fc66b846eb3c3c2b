"""baseline/loss_at_init: the loss starts where it should."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.probes import all_equal, everything, some
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.clusters import mean_interval
from recipe.training.experiment import Experiment
from recipe.training.split import Split


class Settings(Strict):
    seeds: int = Field(ge=2)
    examples: int = Field(ge=2)


class Limits(Strict):
    max_deviation: float = Field(ge=0)
    max_noise: float = Field(ge=0)


@practice("baseline/loss_at_init")
def loss_at_init(exp: Experiment) -> Finding:
    """Before the first step the loss is what knowing nothing costs: ln n for n classes, the variance for squared error.

    The expected value is the loss itself at equal outputs, or at the targets' mean: ln 2 a logit, or Huber's own value.
    A loss for which that is not so may say by `at_init(targets)` what it is. A net that starts from the class
    frequencies may cost less, down to their entropy. Random weights add the variance of what they put out, and so
    several seeds are looked at, in two ways. Their mean: its deviation, from the nearer end of its 95 % interval, as a
    share of the way from the expected value down to the lowest that any outputs could cost. And the costliest, since a
    start that is wild on some seeds widens that interval: what it adds to the expected value, in units of what outputs
    of standard normal noise would add; outputs of about that scale are what starts aim for (LeCun et al. 1998, 4.6).
    Source: the recipe, 2, "verify loss @ init".
    """
    part = some(exp, exp.train, exp.stages.baseline.loss_at_init.examples)
    if all_equal(part.targets):
        return skip("All targets are equal, so that knowing nothing costs nothing: there is no first loss to expect.")
    start = _start(exp, part)
    return Finding(
        summary=_summary(start),
        measured=start.mean,
        interval=start.interval,
        expected=start.even,
        advice=f"Beyond the limit, {_cause(start)}. Scale the inputs to mean 0 and standard deviation 1, start the "
        "last layer small, and see that the loss is the mean over the batch.",
        requirements=(
            at_most(start.deviation, "max_deviation", unit=start.scale),
            at_most(start.noise, "max_noise"),
        ),
        figures={
            "seeds": drawing.intervals(
                {"at the start": (start.mean, *start.interval)},
                "loss",
                title="Loss before the first step",
                references={"expected": start.even}
                | ({"class frequencies": start.prior} if start.prior < start.even else {}),
            )
        },
    )


@dataclass(frozen=True)
class Start:
    """The loss before the first step of each seed, (seeds,), and what is known without a net.

    What equal outputs cost, the class frequencies, outputs of standard normal noise, and the best outputs there are.
    """

    losses: Tensor
    even: float
    prior: float
    noisy: float
    floor: float

    @property
    def finite(self) -> bool:
        return bool(self.losses.isfinite().all())

    @property
    def mean(self) -> float:
        return self.losses.mean().item()

    @property
    def interval(self) -> tuple[float, float]:
        return mean_interval(self.losses)

    @property
    def scale(self) -> float:
        """What there is to learn: the way from the expected loss down to the lowest."""
        return to_learn(self.even, self.floor)

    @property
    def deviation(self) -> float:
        """How far the nearer end of the mean's interval lies from what is expected, in units of the scale."""
        low, high = self.interval
        beyond = max(low - self.even, min(self.even, self.prior) - high, 0.0)
        return beyond / self.scale if self.finite else math.nan

    @property
    def noise(self) -> float:
        """What the costliest seed adds, in units of what noise adds; 0 under a loss to which noise adds nothing."""
        if not self.finite:
            return math.nan
        added, unit = self.losses.max().item() - self.even, self.noisy - self.even
        return max(added, 0.0) / unit if unit > 0 else 0.0


def _start(exp: Experiment, part: Split) -> Start:
    inputs, targets = everything(part)
    seeds = range(exp.stages.baseline.loss_at_init.seeds)
    losses = torch.tensor([_first_loss(exp, seed, inputs, targets) for seed in seeds])
    objective, here = exp.objective, targets.cpu()
    known = (objective.expected_at_init(here), objective.prior_loss(here), objective.noise_loss(here))
    return Start(losses, *known, floor_of(objective, targets))


@torch.no_grad()
def _first_loss(exp: Experiment, seed: int, inputs: Tensor, targets: Tensor) -> float:
    """What the first step of a training would see; regression knows its targets' mean, classes nothing."""
    model = exp.new_model(seed, exp.training.having(init_bias=exp.task == "regression")).train()
    return exp.objective(model(inputs), targets).item()


def _summary(start: Start) -> str:
    low, high = start.interval
    return (
        f"The loss starts at {start.mean:.3f} [{low:.3f}, {high:.3f}] over {len(start.losses)} seeds, from "
        f"{start.losses.min():.3f} to {start.losses.max():.3f}; {start.even:.3f} is expected."
    )


def _cause(start: Start) -> str:
    if not start.finite:
        return "the outputs are no finite numbers before anything is learned"
    if start.mean < start.even:
        return "the loss is scaled down, or the model knows the answer before it has learned anything"
    return "the outputs are too large before anything is learned: inputs unscaled, or a start too large"
