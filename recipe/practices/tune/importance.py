"""tune/importance: which hyperparameters matter."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment
from recipe.tuning.pilot import pilot, search_from_pilot
from recipe.tuning.search import rungs
from recipe.tuning.space import Point, Space, space_of

TREES = 32  # of the forest; Optuna's 64 take twice as long, and move the shares by far less than the bootstrap does

Row = tuple[Point, float]  # where a trial lies, and its loss


class Settings(Strict):
    min_trials: int = Field(ge=4)
    rounds: int = Field(ge=2)


@practice("tune/importance")
def importance(exp: Experiment) -> Finding:
    """A few hyperparameters matter, and the others hardly do.

    Functional analysis of variance (Hutter, Hoos and Leyton-Brown 2014): the share of the loss's variance that each
    setting explains alone, by a random forest over all trials at their first rung. The interval is the bootstrap's over
    trials. The pilot's trials count too; as they saw less data, each set's losses are taken relative to its own mean.
    """
    space = space_of(exp)
    rows = _rows(exp, space)
    least = exp.stages.tune.importance.min_trials
    if len(space.axes) < 2:
        return skip("Fewer than two settings are searched, so none can matter more than another.")
    if len(rows) < least:
        return skip(f"{len(rows)} trials are too few to tell settings apart: {least} are needed, see budget.trials.")
    shares = _shares(space, rows)
    low, high = _bootstrap(exp, space, rows)
    order = np.argsort(-shares, kind="stable")
    names = [space.axes[i].name for i in order]
    first = int(order[0])
    return Finding(
        summary=f"{names[0]} explains {shares[first]:.0%} [{low[first]:.0%}, {high[first]:.0%}] of what the settings "
        f"explain of the validation loss over {len(rows)} trials; then {_others(names[1:], shares[order[1:]])}.",
        measured=float(shares[first]),
        interval=(float(low[first]), float(high[first])),
        expected=f"{1 / len(space.axes):.2f} if all mattered alike",
        advice="Search the settings that matter more finely, and leave the others where they are.",
        figures={
            "shares": drawing.intervals(
                {space.axes[i].name: (shares[i], low[i], high[i]) for i in order},
                "share of the explained variance",
                "What matters",
                {"all alike": 1 / len(space.axes)},
            )
        },
        table=pd.DataFrame(
            {"setting": names, "share": shares[order], "share_low": low[order], "share_high": high[order]}
        ),
    )


def _others(names: Sequence[str], shares: NDArray[np.float64]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in zip(names, shares, strict=True))


def _rows(exp: Experiment, space: Space) -> list[Row]:
    """Every trial with the logarithm of its loss, relative to the mean of those that saw as much data."""
    if not space.axes:
        return []
    tried = pilot(exp)
    searched = [(trial.point, trial.losses[rungs(exp)[0]]) for trial in search_from_pilot(exp)]
    piloted = [(tried.whole(trial), trial.loss) for trial in (*tried.random, *tried.grid)] if tried else []
    return [*_relative(searched), *_relative(piloted)]


def _relative(rows: Sequence[Row]) -> list[Row]:
    """A loss that is not finite counts as the worst that is: how badly a trial diverged says nothing.

    Losses that may be zero or negative have no logarithm, and count as they are.
    """
    finite = [loss for _, loss in rows if math.isfinite(loss)]
    if not finite:
        return []
    scale = math.log if min(finite) > 0 else float
    values = [scale(loss if math.isfinite(loss) else max(finite)) for _, loss in rows]
    mean = sum(values) / len(values)
    return [(point, value - mean) for (point, _), value in zip(rows, values, strict=True)]


def _bootstrap(exp: Experiment, space: Space, rows: Sequence[Row]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval of each axis's share, over trials drawn with replacement."""
    draw = np.random.default_rng(0)
    rounds = exp.stages.tune.importance.rounds
    drawn = [[rows[i] for i in draw.integers(len(rows), size=len(rows))] for _ in range(rounds)]
    shares = np.array([_shares(space, some) for some in drawn])
    low, high = np.quantile(shares, (0.025, 0.975), axis=0)
    return low, high


def _shares(space: Space, rows: Sequence[Row]) -> NDArray[np.float64]:
    """The share of each axis, in the order of the space; they add up to 1."""
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {axis.name: axis.distribution() for axis in space.axes}
    study = optuna.create_study()
    study.add_trials(
        [create_trial(params=dict(point), distributions=distributions, value=value) for point, value in rows]
    )
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=TREES, seed=0))
    return np.array([float(shares[axis.name]) for axis in space.axes])
