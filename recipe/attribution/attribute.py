"""What made run B differ from run A: one thing swapped at a time, on the way from A to B.

Both runs and all between are judged on the same validation examples, which none of them was trained on; no test label
is read. The interval of a change is what the choice of examples leaves open; what chance in training leaves open shows
between runs that differ by the seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipe.attribution.factors import SEED, Factor, swapped
from recipe.attribution.judging import Judged, Scores, Tell, judge
from recipe.attribution.reruns import clear_away
from recipe.attribution.swaps import State, Way, way_between
from recipe.settings import load_settings
from recipe.statistics.metrics import Metric
from recipe.statistics.paired import intervals
from recipe.tracking.connection import SQLITE, connect, tracking_uri
from recipe.tracking.past_runs import PastRun, RunError, find_run
from recipe.tracking.registry import answering

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SEEDS_APART = 1000  # the members of an ensemble have the seeds that follow the run's own
ROUNDING = 1e-12  # of a metric: a change that is less is none, of which nothing is a share
LEVEL = 0.025  # at which either end of a 95 % interval may be wrong


@dataclass(frozen=True)
class Step:
    """Something swapped: its name, what it was and what it is, the metric that this leads to, and the change.

    `low` and `high` are the change's 95 % interval, `share` is its part of the whole change, and `beyond_seed` says
    whether it is larger than what another seed does. None where that cannot be said.
    """

    factor: str
    before: str
    after: str
    value: float
    change: float
    low: float
    high: float
    share: float | None = None
    beyond_seed: bool | None = None


@dataclass(frozen=True)
class Attribution:
    """Why the metric of run `b` is not that of run `a`; the steps add up to `whole`.

    `value` is the `metric` of `a`, on so many `examples`. `seed_change` is the largest change between
    runs that differ by the seed alone, of which there are `seeds`; None where there are not two. `notes` are sentences.
    """

    a: str
    b: str
    metric: str
    lower_is_better: bool
    examples: int
    value: float
    steps: tuple[Step, ...]
    whole: Step
    seed_change: float | None = None
    seeds: int = 1
    notes: tuple[str, ...] = ()


def attribute(workspace: Path, a: str, b: str, seeds: int = 0, tell: Tell = lambda line: None) -> Attribution | None:
    """What made run `b` differ from run `a`; None where both are made from the same.

    Args:
        a, b: names of runs, as `recipe.tracking.past_runs.find_run` takes them.
        seeds: how many more seeds `b` is made with, to see what chance alone does.
        tell: gets a line before each run that has to be made.

    Raises:
        RunError: a run is not remembered.
        TrackingError: MLflow does not answer.
        DataError: the data of a run are gone, or no example is left to compare on.
        RecipeError: run `a` or `b` cannot be made again; with the sentence of what stopped it.
    """
    settings = load_settings(workspace)
    uri = tracking_uri(workspace, settings)
    client = _client(uri)
    with answering():
        runs = (find_run(client, settings.data.name, a), find_run(client, settings.data.name, b))
    way = way_between(workspace, *runs)
    if len(way.states) == 1:
        return None
    last = next(state for state in reversed(way.states) if not state.apart)  # that can be made again
    reseeded = [_reseeded(last, number) for number in range(1, seeds + 1)]
    judged = judge(way, reseeded, uri, client, tell)
    clear_away(way.bench, [state.made_from for state in (*way.states, *reseeded)])
    by_seed = last.factor and last.factor.name == SEED
    alike = [last, *reseeded, *([way.states[way.states.index(last) - 1]] if by_seed else [])]
    return _attribution(runs, way, alike, judged)


def _client(uri: str) -> MlflowClient:
    """MLflow at `uri`, which is there."""
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        raise RunError("No run is remembered here yet: start one with `recipe run`.")
    return connect(uri)


def _reseeded(state: State, number: int) -> State:
    """The same run from another seed."""
    settings = state.made_from.settings
    seed = {"seed": int(settings["seed"]) + SEEDS_APART * number}
    return State(replace(state.made_from, settings=swapped(settings, seed, ["seed"])))


def _attribution(runs: tuple[PastRun, PastRun], way: Way, alike: Sequence[State], judged: Judged) -> Attribution:
    """`alike` are the runs that differ by the seed alone."""
    start, end = (judged.scores[way.states[place]] for place in (0, -1))
    seed_means = [judged.scores[state].mean() for state in alike if state in judged.scores]
    seed_change = float(np.ptp(seed_means)) if len(seed_means) > 1 else None
    step = partial(_step, metric=judged.metric, whole=float((end - start).mean()), seed_change=seed_change)
    return Attribution(
        a=runs[0].name,
        b=runs[1].name,
        metric=judged.metric.title,
        lower_is_better=judged.metric.is_error,
        examples=len(start),
        value=float(start.mean()),
        steps=tuple(step(*one) for one in _swapped(way, judged)),
        whole=step([Factor("in all", "", "")], start, end),
        seed_change=seed_change,
        seeds=len(seed_means),
        notes=(*way.notes, *judged.notes),
    )


def _swapped(way: Way, judged: Judged) -> Iterator[tuple[list[Factor], Scores, Scores]]:
    """From each run that could be made to the next; what led to one that could not goes with what follows."""
    before, factors = judged.scores[way.states[0]], list[Factor]()
    for state in way.states[1:]:
        factors += [state.factor] if state.factor else []
        if state in judged.scores:
            yield factors, before, judged.scores[state]
            before, factors = judged.scores[state], []


def _step(
    factors: Sequence[Factor], before: Scores, after: Scores, metric: Metric, whole: float, seed_change: float | None
) -> Step:
    """The step beside the `whole` change, and beside what another seed does."""
    name, change = " and ".join(factor.name for factor in factors), float((after - before).mean())
    [(low, high)] = intervals([after - before], metric.scored, LEVEL)
    return Step(
        name,
        "; ".join(factor.before for factor in factors),
        "; ".join(factor.after for factor in factors),
        float(after.mean()),
        change,
        low,
        high,
        share=change / whole if abs(whole) > ROUNDING else None,
        beyond_seed=abs(change) > seed_change if seed_change is not None and name != SEED else None,
    )
