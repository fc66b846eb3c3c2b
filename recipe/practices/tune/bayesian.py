"""tune/bayesian: a search that learns from its trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.clusters import mean_interval
from recipe.training.experiment import Experiment
from recipe.training.fit import fit_all
from recipe.tuning.pilot import search_from_pilot
from recipe.tuning.search import Trial, in_order, rungs, validation_losses
from recipe.tuning.space import Axis, Space, draw_scale, space_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE = 0.1  # of an axis: a best value this close to an end may have a better one beyond it
PANELS = 3  # of the slice plot in a row


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
    which is partly luck: tune/confirm takes that off.
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
        f"{_edges(space, best, start)}{_left_out(space)}",
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
    numbers = [trial.number for trial in ended]
    chart.step(
        [*numbers, len(trials) - 1], [*best, best[-1]], where="post", color=drawing.PALETTE[1], label="best so far"
    )
    drawing.label(chart, "trial", "validation loss", "The search")
    drawing.mark_whole_numbers(chart, "x")
    drawing.scale_by_ratio(chart, "y")
    chart.legend(frameon=False, fontsize=8)
    return figure


def _numbered(trials: Sequence[Trial]) -> tuple[list[int], list[float]]:
    return [trial.number for trial in trials], [trial.loss for trial in trials]


def _slices(exp: Experiment, space: Space, trials: Sequence[Trial]) -> Figure:
    """Every trial after the first rung, where all can be compared, against each axis."""
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
        draw_scale(chart, axis)
        drawing.label(chart, axis.name, f"loss, epoch {first}" if number % columns == 0 else "")
    for chart in list(charts.flat)[len(space.axes) :]:
        chart.set_visible(False)
    drawing.scale_by_ratio(charts[0, 0], "y")  # which all of them share
    drawing.entitle(figure, f"The validation loss of every trial after epoch {first}, against what it tried")
    return figure
