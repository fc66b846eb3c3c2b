"""squeeze/distill: one student that answers as the ensemble does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Finding, at_least, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.clusters import mean_interval, resampled
from recipe.training.distillation import train_student
from recipe.training.ensemble import average, stacked_outputs, train_members
from recipe.training.evaluation import evaluate_outputs
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained
from recipe.training.throughput import examples_per_second

ROUNDS = 1000  # resamples of the examples (Efron and Tibshirani 1993, section 14)


class Settings(Strict):
    temperature: float = Field(gt=0)
    hard_weight: float = Field(ge=0, le=1)


class Limits(Strict):
    min_gain: float
    min_share: float


@practice("squeeze/distill")
def distill(exp: Experiment) -> Finding:
    """One net taught by the ensemble keeps some of what the ensemble gains over one net, at the price of one.

    The student has the chosen architecture, and a member's length and augmentation; validation labels choose its epoch,
    as they do a member's, and teach it nothing. Gains are over the mean of the members of that architecture, example by
    example; the interval is over new examples, not over new students. The share is told where the ensemble gains
    anything beyond chance. Source: the recipe, 6, on what to do where an ensemble is too slow; Hinton et al. 2015.
    """
    members = train_members(exp)
    if len(members) == 1:
        return skip("The ensemble has one member, so there is nothing to distill: set budget.members=2 or more.")
    student = train_student(exp, members)
    outputs, targets, groups = stacked_outputs(members), exp.validation.targets.cpu(), exp.validation.groups
    alike = [one for one in members if one.training.model == exp.training.model]
    singles = [evaluate_outputs(one.outputs, targets, exp.objective) for one in alike]
    joint = evaluate_outputs(average(outputs, exp.task), targets, exp.objective)
    taught = evaluate_outputs(student.outputs, targets, exp.objective)
    single = torch.stack([one.losses.double() for one in singles]).mean(0)
    gained, kept = single - joint.losses, single - taught.losses
    gain = mean_interval(kept, groups)
    there_is_something = mean_interval(gained, groups)[0] > 0
    share = (kept.mean() / gained.mean()).item() if there_is_something else None
    interval = _share_interval(kept, gained, groups) if there_is_something else None
    metric = sum(one.metric for one in singles) / len(singles)
    return Finding(
        summary=f"{_in_words(share, interval, len(members))}. The validation loss is {single.mean():.4f} for one net, "
        f"{taught.loss:.4f} for the student and {joint.loss:.4f} for the ensemble, {joint.name} {metric:.4f}, "
        f"{taught.metric:.4f} and {joint.metric:.4f}; the student is better than one net by {kept.mean():.3g} "
        f"[{gain[0]:.3g}, {gain[1]:.3g}]. It has {_weights([student]):,} weights, the ensemble {_weights(members):,}.",
        measured=share,
        interval=interval,
        expected="some of the gain, and not below one net beyond chance",
        advice="Do not serve the student where it keeps nothing: serve the ensemble, or one member where that is too "
        "slow. A student takes longer to learn than a member, and more from inputs that it sees in many forms: raise "
        "budget.epochs, name an augmentation, or have more members (budget.members).",
        requirements=(
            at_least(gain[1], "min_gain", otherwise="warn"),
            *([at_least(interval[1], "min_share", otherwise="warn")] if interval else []),
        ),
        figures={"gains": _drawn(kept, gained, groups)},
        timed=_speed(exp, members, student),
    )


def _in_words(share: float | None, interval: tuple[float, float] | None, members: int) -> str:
    if share is None or interval is None:
        return f"{members} members together gain nothing over one beyond chance, so there is no gain to keep"
    low, high = interval
    how_much = f"{share:.0%} [{low:.0%}, {high:.0%}]" if share > 0 else f"nothing ({share:.0%} [{low:.0%}, {high:.0%}])"
    return f"One student keeps {how_much} of what {members} members together gain over one"


def _share_interval(kept: Tensor, gained: Tensor, groups: Tensor | None) -> tuple[float, float]:
    """The 95 % interval of the mean of `kept` over that of `gained`, both (N,): paired bootstrap over the examples."""
    shares = torch.stack([kept[draw].mean() / gained[draw].mean() for draw in resampled(len(kept), groups, ROUNDS)])
    low, high = shares.quantile(torch.tensor([0.025, 0.975], dtype=shares.dtype)).tolist()
    return low, high


def _weights(nets: Sequence[Trained]) -> int:
    return sum(value.numel() for net in nets for value in net.state.values())


def _drawn(kept: Tensor, gained: Tensor, groups: Tensor | None) -> object:
    gains = {"student": kept, "ensemble": gained}
    rows = {name: (gain.mean().item(), *mean_interval(gain, groups)) for name, gain in gains.items()}
    return drawing.intervals(
        rows, "fall of the validation loss", title="What each gains over one net", references={"one net": 0.0}
    )


def _speed(exp: Experiment, members: Sequence[Trained], student: Trained) -> str:
    """How fast both answer here, in words."""
    nets, alone = [member.model(exp) for member in members], student.model(exp)
    validation = exp.validation.to(exp.device.torch)
    inputs, _ = validation.batch(torch.arange(len(validation), device=validation.device))

    def together(batch: Tensor) -> Tensor:
        return average(torch.stack([net(batch) for net in nets]), exp.task)

    speeds = examples_per_second({"student": alone, "ensemble": together}, inputs)
    return (
        f"On this machine's {exp.device.torch.type} the student answers {speeds['student']:,.0f} examples a second and "
        f"the ensemble {speeds['ensemble']:,.0f}: {speeds['student'] / speeds['ensemble']:.1f} times as fast."
    )
