"""tune/bayesian: a search that learns from its trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.clusters import mean_interval
from recipe.training.evaluation import share_of_loss
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained, fit_all
from recipe.tuning.pilot import search_from_pilot
from recipe.tuning.search import Trial, in_order, rungs, validation_losses
from recipe.tuning.space import Axis, Space, Value, draw_scale, space_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE = 0.1  # of an axis: a best value this close to an end may have a better one beyond it
PANELS = 3  # of the slice plot in a row
BINS = 5  # of an axis in it, of each of which the best is drawn
NEAR, FEW = 0.1, 2  # of an axis: what lies this close to the best is near it; fewer trials are few
LEAST_EPOCHS = 4  # fewer are no curve
LATE, EARLY = 0.9, 0.5  # of the epochs: a lowest loss later than the one is not reached, before the other early
RESTLESS = 0.1  # of the loss, from epoch to epoch


class Settings(Strict):
    batch: int = Field(ge=1)
    rung: float = Field(gt=0, le=1)
    reduction: float = Field(gt=1)
    warm: int = Field(ge=0)


class Limits(Strict):
    max_diverged: float = Field(ge=0, le=1)


@practice("tune/bayesian")
def bayesian(exp: Experiment) -> Finding:
    """A search that learns from its trials finds settings with a lower validation loss than those it starts from.

    Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), several trials at a time, the worse of them
    stopped at the first rung. Trial 0 is the start, so the best is never worse. The gain is that of the best trial,
    which is partly luck: tune/confirm takes that off. What the search itself has to show is looked at as Godbole et al.
    2023 do: whether the best lies at an end of its range, how many trials lie near it, how many diverged, and how its
    curve ends.
    """
    space = space_of(exp)
    if not space.axes:
        return skip("No setting under stages.tune.space is declared by what is trained, so there is nothing to search.")
    trials = search_from_pilot(exp)
    best, start = in_order(trials)[0], trials[0]
    runs = fit_all(exp, [start.training, best.training])
    gain = validation_losses(runs[0]) - validation_losses(runs[1])
    diverged = sum(not math.isfinite(trial.loss) for trial in trials) / len(trials)
    finished = sum(trial.finished for trial in trials)
    return Finding(
        summary=f"The best of {len(trials)} trials, {finished} of them trained to the end, has a validation loss of "
        f"{best.loss:.4f}, the start {start.loss:.4f}: {_what(space, best)}."
        f"{_edges(space, best, start)}{_density(space, trials, best)}{_ending(runs[1])}{_left_out(space)}",
        measured=gain.mean().item(),
        interval=mean_interval(gain, exp.validation.groups),
        expected="at least 0",
        advice="Where most trials diverge, lower the ranges under stages.tune.space, above all that of the learning "
        "rate.",
        requirements=(at_most(diverged, "max_diverged", otherwise="warn"),),
        figures={"history": _history(exp, trials), "slices": _slices(exp, space, trials)},
        table=_table(space, trials),
    )


def _table(space: Space, trials: Sequence[Trial]) -> pd.DataFrame:
    """A row a trial, the best first; `loss` is the validation loss after `epochs`, and each axis has a column."""
    return pd.DataFrame(
        [
            {
                "trial": trial.number,
                "loss": trial.loss,
                "epochs": max(trial.losses),
                "finished": trial.finished,
                "seed": trial.training.seed,
                **space.settings(trial.training),
            }
            for trial in in_order(trials)
        ]
    )


def _what(space: Space, best: Trial) -> str:
    if best.number == 0:
        return "nothing that was tried beats the start"
    return ", ".join(f"{name} {_number(value)}" for name, value in space.settings(best.training).items())


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _edges(space: Space, best: Trial, start: Trial) -> str:
    here, before = space.settings(best.training), space.settings(start.training)
    moved = [axis for axis in space.axes if here[axis.name] != before[axis.name]]
    nearest = space.point(start.training)
    inside = [axis for axis in moved if axis.choices or nearest[axis.name] == before[axis.name]]
    near = [axis.name for axis in inside if _at_edge(axis, here[axis.name])]
    return f" Near the end of its range, which may be too narrow: {', '.join(near)}." if near else ""


def _at_edge(axis: Axis, value: object) -> bool:
    """Whether the best value lies at an end of the axis that is a choice of the settings and not a natural bound."""
    if axis.choices or not isinstance(value, int | float):
        return False
    if axis.log:
        share = math.log(value / axis.low) / math.log(axis.high / axis.low)
        return min(share, 1 - share) < EDGE
    return (axis.high - value) / (axis.high - axis.low) < EDGE


def _density(space: Space, trials: Sequence[Trial], best: Trial) -> str:
    """How many other trials lie near the best on the axis where they are fewest: few may have missed a better place."""
    counts = {axis.name: sum(_near(axis, one, best) for one in trials) - 1 for axis in space.axes if not axis.choices}
    if not counts or len(trials) < 2:
        return ""
    name = min(counts, key=counts.__getitem__)
    few = "; more trials (budget.trials) may find a better place between" if counts[name] < FEW else ""
    return (
        f" Of {len(trials) - 1} other trials {counts[name]} lie{'s' if counts[name] == 1 else ''} within a "
        f"share of {NEAR:g} of the axis {name} from the best{few}."
    )


def _near(axis: Axis, one: Trial, other: Trial) -> bool:
    return abs(axis.share_of(one.point[axis.name]) - axis.share_of(other.point[axis.name])) <= NEAR


def _ending(run: Trained) -> str:
    """What the curve of the best trial says of its length and of its rate."""
    losses = np.array(run.history.validation_loss)
    if len(losses) < LEAST_EPOCHS or not np.isfinite(losses).all():
        return ""
    share = run.history.best_epoch / len(losses)
    late = losses[-max(3, len(losses) // 4) :]
    moves = share_of_loss(float(np.abs(np.diff(late)).mean()), float(late.mean()))
    when = f" The best trial's loss is lowest after epoch {run.history.best_epoch} of {len(losses)}"
    told = "still improving at its end: more epochs may help" if share > LATE else ""
    told = told or ("which it reaches early: fewer would do" if share <= EARLY else "")
    restless = (
        f"; late it moves by {moves:.0%} an epoch, which a decay of the rate would calm" if moves > RESTLESS else ""
    )
    return f"{when}{f', {told}' if told else ''}{restless}."


def _left_out(space: Space) -> str:
    return f" Not searched: {', '.join(space.left_out)}." if space.left_out else ""


def _history(exp: Experiment, trials: Sequence[Trial]) -> Figure:
    """Each trial after its last rung, and the best so far of those that were trained to the end."""
    figure, chart = drawing.new_figure()
    stopped = [trial for trial in trials if not trial.finished and math.isfinite(trial.loss)]
    ended = [trial for trial in trials if trial.finished and math.isfinite(trial.loss)]
    label = f"stopped after {rungs(exp)[0]} epochs"
    if stopped:
        chart.plot(*_numbered(stopped), "o", color=drawing.FAINT, markersize=4.5, label=label)
    chart.plot(*_numbered(ended), "o", color=drawing.PALETTE[0], markersize=5.5, label="trained to the end")
    best = [min(one.loss for one in ended if one.number <= trial.number) for trial in ended]
    if best:
        numbers = [*(trial.number for trial in ended), len(trials) - 1]
        chart.step(numbers, [*best, best[-1]], where="post", color=drawing.PALETTE[1], label="best so far")
    drawing.label(chart, "trial", "validation loss", "The search")
    drawing.mark_whole_numbers(chart, "x")
    drawing.scale_by_ratio(chart, "y")
    chart.legend(frameon=False, fontsize=8)
    return figure


def _numbered(trials: Sequence[Trial]) -> tuple[list[int], list[float]]:
    return [trial.number for trial in trials], [trial.loss for trial in trials]


def _slices(exp: Experiment, space: Space, trials: Sequence[Trial]) -> Figure:
    """Every trial after the first rung, where all can be compared, against each axis; a line joins the best of bins.

    It isolates the axis: the other settings are the best that were tried with it (Godbole et al. 2023).
    """
    columns = min(PANELS, len(space.axes))
    rows = math.ceil(len(space.axes) / columns)
    figure, charts = drawing.new_grid(rows, columns, width=2.4 * columns, height=2.2 * rows + 0.3, share_y=True)
    first = rungs(exp)[0]
    shown = [trial for trial in trials if math.isfinite(trial.losses[first])]
    for number, (chart, axis) in enumerate(zip(charts.flat, space.axes, strict=False)):
        for ended in (False, True):
            kind = [trial for trial in shown if trial.finished == ended]
            colour = drawing.PALETTE[0] if ended else drawing.FAINT
            losses = [trial.losses[first] for trial in kind]
            chart.plot([trial.point[axis.name] for trial in kind], losses, "o", color=colour, markersize=4.5)
        chart.plot(*_best_of_bins(axis, shown, first), color=drawing.PALETTE[1], linewidth=1.2)
        draw_scale(chart, axis)
        drawing.label(chart, axis.name, f"loss, epoch {first}" if number % columns == 0 else "")
    for chart in list(charts.flat)[len(space.axes) :]:
        chart.set_visible(False)
    drawing.scale_by_ratio(charts[0, 0], "y")  # which all of them share
    drawing.entitle(figure, f"Every trial after epoch {first}; joined, the best of each part")
    return figure


def _best_of_bins(axis: Axis, trials: Sequence[Trial], epochs: int) -> tuple[list[Value], list[float]]:
    """Where the best trial of each part of the axis lies, and its loss."""
    parts: dict[int, Trial] = {}
    for trial in sorted(trials, key=lambda one: one.losses[epochs]):
        parts.setdefault(min(int(axis.share_of(trial.point[axis.name]) * BINS), BINS - 1), trial)
    best = [parts[number] for number in sorted(parts)]
    return [trial.point[axis.name] for trial in best], [trial.losses[epochs] for trial in best]
