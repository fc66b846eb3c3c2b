"""tune/random_over_grid: random search against a grid at the same budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.clusters import mean_interval
from recipe.training.experiment import Experiment
from recipe.training.fit import fit_all
from recipe.tuning.pilot import Pilot, PilotTrial, pilot
from recipe.tuning.search import validation_losses
from recipe.tuning.space import draw_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Settings(Strict):
    axes: tuple[str, str]
    side: int = Field(ge=2)
    share: float = Field(gt=0, le=1)


@practice("tune/random_over_grid")
def random_over_grid(exp: Experiment) -> Finding:
    """Random search finds settings at least as good as a grid does from as many trials.

    A grid of k x k tries k values of each setting, random search k^2, which tells when only one of the two matters.
    Both are cheap here: part of the data, few epochs; the best random trials are where the search begins. The gain is
    the grid's best validation loss less the random one's, paired by example. Source: the recipe, 5; Bergstra and
    Bengio 2012, figure 1.
    """
    tried = pilot(exp)
    if tried is None:
        return skip("Fewer than two numbers can be searched: declare more of them under stages.tune.space.")
    best = {kind: min(trials, key=lambda trial: trial.loss) for kind, trials in _kinds(tried).items()}
    if not all(math.isfinite(trial.loss) for trial in best.values()):
        return skip("Every trial of one kind diverged, so there is nothing to compare: narrow stages.tune.space.")
    runs = fit_all(exp, [best["grid"].training, best["random"].training])
    gain = validation_losses(runs[0]) - validation_losses(runs[1])
    distinct = {kind: len({trial.point[tried.x.name] for trial in trials}) for kind, trials in _kinds(tried).items()}
    left_out = f" Not searched: {', '.join(tried.space.left_out)}." if tried.space.left_out else ""
    return Finding(
        summary=f"{len(tried.random)} random trials reach a validation loss of {best['random'].loss:.4f} at "
        f"{_place(tried, best['random'])}, a grid of as many {best['grid'].loss:.4f} at {_place(tried, best['grid'])}; "
        f"the grid tries {distinct['grid']} values of {tried.x.name}, random search {distinct['random']}.{left_out}",
        measured=gain.mean().item(),
        interval=mean_interval(gain, exp.validation.groups),
        expected="at least 0, on average over many draws",
        advice="One draw may favour either: what the figure shows is how many values of each setting were tried.",
        figures={"tried": _drawn(tried), "best_so_far": _best_so_far(tried)},
        table=_table(tried),
    )


def _kinds(tried: Pilot) -> dict[str, tuple[PilotTrial, ...]]:
    return {"random": tried.random, "grid": tried.grid}


def _place(tried: Pilot, trial: PilotTrial) -> str:
    return ", ".join(f"{axis.name} {trial.point[axis.name]:.3g}" for axis in (tried.x, tried.y))


def _drawn(tried: Pilot) -> Figure:
    """Both kinds on the two axes; at the edges, the values of each setting that were tried."""
    figure, charts = drawing.new_grid(1, 2, width=7.0, height=3.4, share_x=True, share_y=True)
    losses = [trial.loss for trial in (*tried.random, *tried.grid) if math.isfinite(trial.loss)]
    style: dict[str, Any] = {"cmap": "viridis_r", "vmin": min(losses), "vmax": max(losses), "s": 48}
    for chart, kind in zip(charts.flat, ("grid", "random"), strict=True):
        trials = _kinds(tried)[kind]
        x, y = ([float(trial.point[axis.name]) for trial in trials] for axis in (tried.x, tried.y))
        shown = [trial.loss if math.isfinite(trial.loss) else max(losses) for trial in trials]
        dots = chart.scatter(x, y, c=shown, edgecolors=drawing.INK, linewidths=0.5, **style)
        _mark_edges(chart, x, y)
        drawing.label(chart, tried.x.name, tried.y.name if kind == "grid" else "", kind)
        draw_scale(chart, tried.x, "x")
        draw_scale(chart, tried.y, "y")
    drawing.entitle(figure, "What a grid and what random search tried of two settings")
    figure.colorbar(dots, ax=list(charts.flat), label="validation loss", shrink=0.9)
    return figure


def _mark_edges(chart: Axes, x: list[float], y: list[float]) -> None:
    marks: dict[str, Any] = {"color": drawing.PALETTE[1], "markersize": 9, "linestyle": "none", "clip_on": False}
    chart.plot(x, np.ones(len(x)), marker="|", transform=chart.get_xaxis_transform(), **marks)
    chart.plot(np.ones(len(y)), y, marker="_", transform=chart.get_yaxis_transform(), **marks)


def _best_so_far(tried: Pilot) -> Figure:
    """The best loss to expect of n trials, over every choice of n of them."""
    lines = {}
    for kind, trials in _kinds(tried).items():
        losses = sorted(trial.loss for trial in trials)
        counts = [n for n in range(1, len(losses) + 1) if math.isfinite(_expected_best(losses, n))]
        lines[kind] = drawing.Curve(counts, [_expected_best(losses, n) for n in counts])
    return drawing.curves(lines, "trials", "best validation loss to expect", "At the same budget")


def _expected_best(losses: list[float], count: int) -> float:
    """The mean of the lowest of `count` out of the sorted `losses`, over all ways to choose them."""
    ways = [math.comb(len(losses) - place - 1, count - 1) for place in range(len(losses))]
    return sum(loss * way for loss, way in zip(losses, ways, strict=True) if way) / math.comb(len(losses), count)


def _table(tried: Pilot) -> pd.DataFrame:
    rows = [
        {"kind": kind, **trial.point, "epochs": trial.training.epochs, "loss": trial.loss}
        for kind, trials in _kinds(tried).items()
        for trial in trials
    ]
    return pd.DataFrame(rows).sort_values("loss", kind="stable")
