"""One change at a time against the same control: same budget; the gain with its interval, and what it proves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from recipe import drawing
from recipe.evidence import Answer, Finding, Requirement
from recipe.statistics.gains import (
    Judged,
    PartsOfChange,
    gain,
    gain_in_parts,
    judge_gains,
    judge_gains_in_parts,
)
from recipe.statistics.intervals import Estimate
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_together

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STANDARD_ERROR = 0.16  # the p-value of a gain as large as its standard error, where that is well known; else stricter
ANSWERS: tuple[Answer, ...] = ("refuted", "open", "holds")  # the last says most


@dataclass(frozen=True)
class Change:
    """One thing done otherwise: its name, and what makes it out of a training without it.

    `looked_at`: the trainings are those of the control, looked at otherwise, such as at their best epochs. `stopped`:
    the change stops early, and so does the control that it is compared with. Changes are ways to do one thing, such as
    strengths of it, where they have the same `way`.
    """

    name: str
    apply: Callable[[Training], Training]
    way: str = ""
    looked_at: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Comparison:
    """A change against its control on the validation split; means over the seeds.

    `gain` is the fall of the loss, `metric_gain` by how much the metric is better. `judged` is what the gain proves
    among all that were tried beside it; None where this change was compared alone. `seeds` is how many it was trained
    from: one that clearly loses gets no more than the first.
    """

    name: str
    training: Training
    control_loss: float
    loss: float
    gain: Estimate
    control_metric: float
    metric: float
    metric_gain: Estimate
    judged: Judged | None = None
    seeds: int = 0

    @property
    def answer(self) -> Answer:
        """Whether the change holds, is refuted, or could not be told."""
        if self.judged is not None:
            return self.judged.answer
        return "holds" if self.gain.holds() else "open" if self.gain.high > 0 else "refuted"


def compare(experiment: Experiment, control: Training, change: Change) -> Comparison:
    """`control` with and without `change`, alone: the same seeds for both, paired."""
    changed = change.apply(control)
    train_seeds(experiment, [(control, None), (changed, None)])
    before, after = validation(experiment, control), validation(experiment, changed)
    return replace(
        _compared(experiment, change.name, changed, before, after),
        gain=_paired(experiment, before.losses, after.losses),
        metric_gain=_paired(experiment, after.scores, before.scores),
    )


def compare_all(experiment: Experiment, changes: Sequence[Change]) -> list[Comparison]:
    """`changes` one at a time against the experiment's own training, judged among all that its stage tries.

    A change whose first seed gains nothing gets no more, and of several ways to do one thing only the one whose first
    seed is best does.
    """
    family, control = _family(experiment, changes), experiment.training
    counts = _train(experiment, family)
    usual = [validation(experiment, _control_of(control, one), control_seeds(experiment)) for one in family]
    results = [validation(experiment, one.apply(control), counts[one.name]) for one in family]
    looked_at = [one.looked_at for one in family]
    loss = validation(experiment, control, control_seeds(experiment)).loss
    gains = judged(
        experiment, [one.losses for one in usual], [one.losses for one in results], looked_at, *bounds(experiment, loss)
    )
    of_metric = judged(experiment, [one.costs for one in usual], [one.costs for one in results], looked_at)
    compared = {
        one.name: replace(
            _compared(experiment, one.name, one.apply(control), _beside(experiment, before, result), result),
            gain=found.gain,
            judged=_from_all_seeds(found, len(result.losses), experiment),
            metric_gain=by_metric.gain,
        )
        for one, before, result, found, by_metric in zip(family, usual, results, gains, of_metric, strict=True)
    }
    return [compared[one.name] for one in changes]


def _beside(experiment: Experiment, control: Validated, changed: Validated) -> Validated:
    """Of `control` what was judged on the examples that `changed` was: in parts, its fewer seeds have not seen all."""
    parts = len(experiment.replicates) or 1
    kept = [seed for seed in range(len(control.losses)) if seed % parts < len(changed.losses)]
    return Validated(tuple(control.losses[i] for i in kept), tuple(control.scores[i] for i in kept))


def _from_all_seeds(found: Judged, seeds: int, experiment: Experiment) -> Judged:
    """What is from fewer seeds than a comparison has holds nowhere: it was not seen through, and one seed has luck."""
    return replace(found, answer="open") if found.answer == "holds" and seeds < experiment.budget.seeds else found


def judged(
    experiment: Experiment,
    controls: Sequence[Sequence[Tensor]],
    changed: Sequence[Sequence[Tensor]],
    looked_at: Sequence[bool],
    *bounds: float,
) -> list[Judged]:
    """What each of `changed` gains over its control, judged together; both hold the losses of each seed in turn.

    Where each seed holds out another part, the seeds of a control go through the parts again and again.
    """
    if not experiment.replicates:
        groups = experiment.validation.groups
        stacked = [torch.stack(list(one)) for one in controls], [torch.stack(list(one)) for one in changed]
        return judge_gains(*stacked, groups, looked_at, *bounds)
    parts = len(experiment.replicates)
    by_part = [[torch.stack(list(one[part::parts])) for part in range(parts)] for one in controls]
    changes = [
        PartsOfChange([torch.stack(list(one[part::parts])) for part in range(parts)], looked_at=True)
        if again
        else PartsOfChange(one)
        for one, again in zip(changed, looked_at, strict=True)
    ]
    return judge_gains_in_parts(by_part, changes, [one.validation.groups for one in experiment.replicates], *bounds)


def _paired(experiment: Experiment, larger: Sequence[Tensor], smaller: Sequence[Tensor]) -> Estimate:
    differences = [one - other for one, other in zip(larger, smaller, strict=True)]
    if experiment.replicates:
        return gain_in_parts(differences, [one.validation.groups for one in experiment.replicates])
    return gain(torch.stack(differences), experiment.validation.groups)


def _family(experiment: Experiment, changes: Sequence[Change]) -> list[Change]:
    """All that the stage tries, `changes` among them."""
    names = {one.name for one in experiment.tried}
    return [*experiment.tried, *(one for one in changes if one.name not in names)]


def _train(experiment: Experiment, changes: Sequence[Change]) -> dict[str, int]:
    """Train the control and `changes`, and say from how many seeds each was trained."""
    control, seeds = experiment.training, experiment.budget.seeds
    others = [one for one in changes if not one.looked_at]
    train_seeds(experiment, [(control, control_seeds(experiment)), *((one.apply(control), 1) for one in others)])
    going_on = [one for one in _best_of_each_way(experiment, others) if not _gains_nothing(experiment, one)]
    train_seeds(experiment, [(one.apply(control), seeds) for one in going_on])
    more = {one.name: seeds for one in going_on}
    return {one.name: control_seeds(experiment) if one.looked_at else more.get(one.name, 1) for one in changes}


def _best_of_each_way(experiment: Experiment, changes: Sequence[Change]) -> list[Change]:
    """Of changes that are ways to do one thing the one with the lowest loss from its first seed; in their order."""
    best: dict[str, Change] = {}
    first = {one.name: validation(experiment, one.apply(experiment.training), 1).loss for one in changes}
    losses = {name: loss if math.isfinite(loss) else math.inf for name, loss in first.items()}
    for one in changes:
        kept = best.setdefault(one.way or one.name, one)
        if losses[one.name] < losses[kept.name]:
            best[one.way or one.name] = one
    return [one for one in changes if one in best.values()]


def _gains_nothing(experiment: Experiment, change: Change) -> bool:
    """Whether its first seed is no better than the control on the examples that it is judged on."""
    control = _control_of(experiment.training, change)
    every = validation(experiment, control, control_seeds(experiment)).losses
    usual = torch.cat(every[:: len(experiment.homes)]).mean().item()
    return not validation(experiment, change.apply(experiment.training), 1).loss < usual


def _control_of(control: Training, change: Change) -> Training:
    return control.having(keep_best=True) if change.stopped else control


def control_seeds(experiment: Experiment) -> int:
    """How many seeds the control of a stage has."""
    return experiment.budget.controls * experiment.budget.seeds


def bounds(experiment: Experiment, control_loss: float) -> tuple[float, float]:
    """The least gain that counts at all, and the least that is worth having; in units of the loss."""
    settings = experiment.stages.regularize.combination
    return settings.min_gain, settings.worthwhile * abs(control_loss) if math.isfinite(control_loss) else 0.0


def _compared(
    experiment: Experiment, name: str, training: Training, control: Validated, changed: Validated
) -> Comparison:
    """The means; the gains are for the caller to judge."""
    unknown = Estimate(math.nan, math.nan, math.nan)
    signed = experiment.objective.metric.signed
    return Comparison(
        name,
        training,
        control.loss,
        changed.loss,
        unknown,
        signed(control.score),
        signed(changed.score),
        unknown,
        seeds=len(changed.losses),
    )


@dataclass(frozen=True)
class Validated:
    """What came of a training with each of its seeds: what every held-out example adds to loss and score, (N,) each."""

    losses: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]

    @property
    def loss(self) -> float:
        return torch.cat(self.losses).mean().item()

    @property
    def score(self) -> float:
        return torch.cat(self.scores).mean().item()

    @property
    def costs(self) -> list[Tensor]:
        """The scores, turned so that less is better."""
        return [-one for one in self.scores]


def with_seeds(experiment: Experiment, training: Training, count: int | None = None) -> list[Training]:
    """`training` with each seed of a comparison, or with the first `count` seeds.

    Early stopping changes nothing on the way, so what is trained is the whole way; `validation` stops it afterwards.
    """
    seeds = range(experiment.budget.seeds if count is None else count)
    return [training.having(seed=training.seed + i, keep_best=False) for i in seeds]


def validation(experiment: Experiment, training: Training, count: int | None = None) -> Validated:
    """The loss and the score of each held-out example after `training`, by seed, in double precision.

    Where the training keeps its best epoch, each example is judged at the epoch that was best for other examples: the
    best of many epochs looks better on those that chose it than it is.
    """
    [runs] = train_seeds(experiment, [(training, count)])
    losses, scores = zip(*(_at_the_end(run, training.keep_best) for run in runs), strict=True)
    return Validated(losses, scores)


def train_seeds(experiment: Experiment, wanted: Sequence[tuple[Training, int | None]]) -> list[list[Trained]]:
    """Each of several trainings from so many seeds, by default those of the budget; all side by side.

    Where there are replicates, the seeds go through them in turn.
    """
    homes = experiment.homes
    seeded = [with_seeds(experiment, training, count) for training, count in wanted]
    done = iter(fit_together([(homes[place % len(homes)], run) for runs in seeded for place, run in enumerate(runs)]))
    return [[next(done) for _ in runs] for runs in seeded]


def first_model(experiment: Experiment) -> nn.Module:
    """The net of the control's first seed, on the experiment's device and in evaluation mode."""
    [[run]] = train_seeds(experiment, [(experiment.training, 1)])
    return run.model(experiment.homes[0])


def _at_the_end(run: Trained, keep_best: bool) -> tuple[Tensor, Tensor]:
    history = run.history
    if keep_best:
        return history.at_best_epoch()
    return history.end_losses.double(), history.end_scores.double()


def finding(
    experiment: Experiment,
    comparisons: Sequence[Comparison],
    advice: str,
    requirements: tuple[Requirement, ...] = (),
    remark: str = "",
    control: str = "control",
    expected: str = "above 0 where it helps",
    more: Callable[[Comparison], Mapping[str, object]] = lambda one: {},
) -> Finding:
    """What was seen of one practice's changes: the best gain in words, curves of all, and a table.

    Args:
        remark: said after the gain.
        control: what the experiment's own training is called beside the changes.
        more: further columns of a change's row.
    """
    import pandas as pd

    best = best_of(comparisons)
    return Finding(
        summary=f"{in_words(experiment, best)}{remark}",
        measured=best.gain.value,
        interval=(best.gain.low, best.gain.high),
        expected=expected,
        advice=advice,
        requirements=requirements,
        figures={"curves": curves_beside(experiment, control, control_seeds(experiment), comparisons)},
        table=pd.DataFrame([{**row(comparison), **more(comparison)} for comparison in comparisons]),
        answer=joint_answer(comparisons),
    )


def leads(experiment: Experiment, one: Comparison) -> bool:
    """Whether the loss of what was judged is lower by a standard error, from all seeds: enough to go on with it.

    After the one-standard-error rule of Breiman et al. 1984, section 3.4.3. Nothing is claimed by it: where three are
    as good as the control, one of them leads it in every third run.
    """
    if one.judged is None or one.seeds < experiment.budget.seeds:
        return False
    return one.answer != "refuted" and one.judged.p_value < STANDARD_ERROR


def best_of(comparisons: Sequence[Comparison]) -> Comparison:
    """The one that says most of what there is to gain: that holds, else is open; from most seeds; that gains most.

    A change that has one seed may gain more than another by luck.
    """

    def rank(one: Comparison) -> tuple[bool, int, int, float]:
        told = math.isfinite(one.gain.value)
        return told, ANSWERS.index(one.answer), one.seeds, one.gain.value if told else 0.0

    return max(comparisons, key=rank)


def joint_answer(comparisons: Sequence[Comparison]) -> Answer:
    """What several ways to do one thing prove of it: it holds where one does, and is refuted where all are."""
    answers = {one.answer for one in comparisons}
    return "holds" if "holds" in answers else "open" if "open" in answers else "refuted"


def in_words(experiment: Experiment, comparison: Comparison) -> str:
    """A comparison as a sentence."""
    name, gain = experiment.objective.metric.title, comparison.gain
    if math.isnan(gain.value):
        return f"With {comparison.name} a training diverged, so there is no gain to speak of."
    return (
        f"With {comparison.name} the validation loss goes from {comparison.control_loss:.4g} to {comparison.loss:.4g}, "
        f"a gain of {gain.value:.3g} [{gain.low:.3g}, {gain.high:.3g}] over {_seeds_in_words(comparison.seeds)}, which "
        f"{_proof_in_words(comparison)}; {name} from {comparison.control_metric:.4f} to {comparison.metric:.4f}."
    )


def _seeds_in_words(seeds: int) -> str:
    return "one seed, and no more after what that showed" if seeds == 1 else f"{seeds} seeds"


def _proof_in_words(comparison: Comparison) -> str:
    judged = comparison.judged
    if comparison.answer == "holds":
        return f"holds (p = {judged.p_value:.2g}, one-sided)" if judged else "holds"
    if comparison.answer == "refuted":
        return "does not hold"
    if judged is None:
        return "chance may explain"
    needed = f", and {judged.seeds_needed} seeds would see this one" if judged.seeds_needed else ""
    return f"could not be told: the smallest gain that could have been seen is {judged.least_seen:.3g}{needed}"


def row(comparison: Comparison) -> dict[str, object]:
    """A comparison as a row of a table."""
    metric_gain = {f"metric_{name}": value for name, value in asdict(comparison.metric_gain).items()}
    judged = comparison.judged
    return {
        "change": comparison.name,
        "control_loss": comparison.control_loss,
        "loss": comparison.loss,
        "gain": comparison.gain.value,
        "gain_low": comparison.gain.low,
        "gain_high": comparison.gain.high,
        "holds": comparison.answer == "holds",
        "control_metric": comparison.control_metric,
        "metric": comparison.metric,
        "metric_gain": metric_gain["metric_value"],
        "metric_gain_low": metric_gain["metric_low"],
        "metric_gain_high": metric_gain["metric_high"],
        "answer": comparison.answer,
        "p_value": judged.p_value if judged else None,
        "least_seen": judged.least_seen if judged else None,
        "seeds_needed": judged.seeds_needed if judged else None,
        "seeds": comparison.seeds,
    }


def curves_beside(experiment: Experiment, name: str, seeds: int, comparisons: Sequence[Comparison]) -> Figure:
    """Learning curves of `comparisons`, beside so many seeds of the experiment's own training, called `name`."""
    runs = {one.name: (one.training, one.seeds) for one in comparisons}
    return learning_curves(experiment, {name: (experiment.training, seeds)} | runs)


Runs = Mapping[str, Training | tuple[Training, int]]  # by name, each with the number of its seeds where that is its own


def learning_curves(experiment: Experiment, trainings: Runs) -> Figure:
    """Validation loss against epochs of each training by name: the mean of the seeds, and their range.

    Where the best epoch is kept, the lowest loss so far, and the legend says so.
    """
    runs = {name: one if isinstance(one, tuple) else (one, experiment.budget.seeds) for name, one in trainings.items()}
    lines = {
        f"{name}, lowest so far" if training.keep_best else name: _curve(experiment, training, seeds)
        for name, (training, seeds) in runs.items()
    }
    positive = all(np.min(np.asarray(line.y, dtype=float)) > 0 for line in lines.values())
    return drawing.curves(lines, "epoch", "validation loss", "Validation loss on the way", log_y=positive)


def _curve(experiment: Experiment, training: Training, seeds: int) -> drawing.Curve:
    [runs] = train_seeds(experiment, [(training, seeds)])
    histories = [run.history.validation_loss for run in runs]
    length = min(len(history) for history in histories)
    losses = torch.tensor([history[:length] for history in histories])
    if training.keep_best:
        losses = losses.cummin(1).values
    return curve_of_seeds(losses)


def curve_of_seeds(losses: Tensor) -> drawing.Curve:
    """The mean of the seeds' `losses` (seeds, epochs) along the epochs, and their range."""
    epochs = torch.arange(1, losses.shape[1] + 1).numpy()
    return drawing.Curve(epochs, losses.mean(0).numpy(), losses.amin(0).numpy(), losses.amax(0).numpy())
