"""regularize/more_data: what twice and ten times the data would buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.evidence import Answer, Finding, practice, skip
from recipe.settings.strict import Share, Strict
from recipe.statistics.clusters import cluster_sums
from recipe.training.comparison import train_seeds, validation
from recipe.training.experiment import Experiment, Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BYTES_AT_ONCE = 2**26  # of resampling weights
TIMES = (2, 10)  # the data, that the law is asked for


class Settings(Strict):
    shares: tuple[Share, ...] = Field(min_length=2)
    rounds: int = Field(ge=100)


@practice("regularize/more_data")
def more_data(exp: Experiment) -> Finding:
    """More data is the best regulariser: twice as many examples would take more off the loss.

    By a power of the number of examples, loss = b n^-c (Hestness et al. 2017), fitted to the logarithms by least
    squares; first without the last point, which it must foretell, then with it. Where it does not, what more data would
    do is open. A share is seen more often, by the root of what is left out, and judged at its
    best epoch, so that neither too few steps nor too many decide. The interval is the bootstrap's, over seeds and
    validation examples, or clusters of them. Source: the recipe, 4, "get more data".
    """
    shares = (*exp.stages.regularize.more_data.shares, 1.0)
    whole = len(exp.homes[0].train)
    counts = np.array([math.ceil(share * whole) for share in shares], dtype=float)
    train_seeds(exp, [(_on_share(exp, share), None) for share in shares])
    by_share = [validation(exp, _on_share(exp, share)).losses for share in shares]
    every = [torch.stack(of_seed) for of_seed in zip(*by_share, strict=True)]
    means = torch.cat(every, 1).mean(1).numpy()
    if not np.isfinite(means).all() or means.min() <= 0:
        return skip("A power law speaks of finite losses above zero, and a loss here is not.")
    drawn = _resampled(exp, every)
    foretold = float(_law(counts[:-1], means[:-1], counts[-1]))
    miss_low, miss_high = _interval(_law(counts[:-1], drawn[:, :-1], counts[-1]) - drawn[:, -1])
    gains = {times: (float(_fall(counts, means, times)), _interval(_fall(counts, drawn, times))) for times in TIMES}
    gain, interval = gains[2]
    ten, (ten_low, ten_high) = gains[10]
    fits = miss_low <= 0 <= miss_high
    return Finding(
        summary=f"{whole}{_of_all(exp)} examples give a validation loss of {means[-1]:.4g}; the power law through "
        f"fewer foretells {foretold:.4g}, off by [{miss_low:.3g}, {miss_high:.3g}], and "
        f"{'fits' if fits else 'does not fit'} here. Twice the data would take {gain:.3g} "
        f"[{interval[0]:.3g}, {interval[1]:.3g}] off the loss, {gain / means[-1]:.0%}; ten times the data {ten:.3g} "
        f"[{ten_low:.3g}, {ten_high:.3g}].",
        measured=gain,
        interval=interval,
        expected="above 0 where more data helps",
        answer=_answer(fits, interval),
        advice="Where twice the data takes much off the loss, collect it before tuning anything else.",
        figures={"learning_curve": _figure(counts, means, drawn)},
        table=_table(counts, means, drawn),
    )


def _of_all(exp: Experiment) -> str:
    """How many there are, where comparisons are made on a part of them."""
    return f" of {exp.left_out + len(exp.train):,}" if exp.left_out else ""


def _answer(fits: bool, gain: tuple[float, float]) -> Answer:
    """Whether twice the data would lower the loss beyond chance; open where the law does not fit."""
    low, high = gain
    if not fits or low <= 0 < high:
        return "open"
    return "holds" if low > 0 else "refuted"


def _on_share(exp: Experiment, share: float) -> Training:
    """More epochs on fewer examples, at the best epoch, so that neither too few steps nor too many decide."""
    epochs = math.ceil(exp.training.epochs / math.sqrt(share))
    return exp.training.having(share=share, epochs=epochs, keep_best=True)


def _law(counts: Array, losses: Array, at: float) -> Array:
    """What the power law through `losses` (..., points) at `counts` (points,) says for `at` examples."""
    x, y = np.log(counts), np.log(losses)
    centred = x - x.mean()
    slope = (y * centred).sum(-1) / (centred**2).sum()
    law: Array = np.exp(y.mean(-1) + slope * (math.log(at) - x.mean()))
    return law


def _fall(counts: Array, losses: Array, times: float) -> Array:
    """The fall of the loss from the whole set to so many times as much, by the law through all points."""
    return _law(counts, losses, counts[-1]) - _law(counts, losses, times * counts[-1])


def _resampled(exp: Experiment, losses: Sequence[Tensor]) -> Array:
    """Mean losses (rounds, points) of the losses of each seed, (points, N), drawn again with replacement.

    Drawn are clusters of examples, and seeds: for each point anew where all are judged on the same examples, and for
    all points together where each seed holds out others, since then a seed is a part of the examples too.
    """
    settings, random = exp.stages.regularize.more_data, np.random.default_rng(exp.training.seed)
    if exp.replicates:
        groups = [home.validation.groups for home in exp.replicates]
        drawn = [
            _drawn_again(one[:, None], of, settings.rounds, random) for one, of in zip(losses, groups, strict=True)
        ]
        by_seed = np.concatenate(drawn, 2)
    else:
        by_seed = _drawn_again(torch.stack(list(losses), 1), exp.validation.groups, settings.rounds, random)
    rounds, points, seeds = by_seed.shape
    chosen = random.integers(seeds, size=(rounds, 1 if exp.replicates else points, seeds))
    means: Array = np.take_along_axis(by_seed, np.broadcast_to(chosen, by_seed.shape), 2).mean(2)
    return means


def _drawn_again(losses: Tensor, groups: Tensor | None, rounds: int, random: np.random.Generator) -> Array:
    """The mean losses (rounds, points, seeds) of `losses` (points, seeds, N), clusters drawn with replacement."""
    sums, sizes = (part.numpy() for part in cluster_sums(losses, groups))
    count = sums.shape[2]
    chances, at_once = np.full(count, 1 / count), max(1, BYTES_AT_ONCE // (count * sums.itemsize))
    parts = [min(at_once, rounds - start) for start in range(0, rounds, at_once)]
    drawn = (random.multinomial(count, chances, size=part) for part in parts)
    return np.concatenate([np.einsum("rn,psn->rps", times, sums) / (times @ sizes)[:, None, None] for times in drawn])


def _interval(drawn: Array) -> tuple[float, float]:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _table(counts: Array, means: Array, drawn: Array) -> object:
    import pandas as pd

    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    measured = pd.DataFrame({"examples": counts.astype(int), "loss": means, "low": low, "high": high, "measured": True})
    foretold = [_foretold(counts, means, drawn, times) for times in TIMES]
    return pd.concat([measured, pd.DataFrame(foretold)], ignore_index=True)


def _foretold(counts: Array, means: Array, drawn: Array, times: int) -> dict[str, object]:
    """What the law says of so many times the data, as a row of the table."""
    at = times * counts[-1]
    low, high = _interval(_law(counts, drawn, at))
    return {"examples": int(at), "loss": float(_law(counts, means, at)), "low": low, "high": high, "measured": False}


def _figure(counts: Array, means: Array, drawn: Array) -> Figure:
    """The measured points with their intervals, and the law on to ten times the data."""
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    along = np.geomspace(counts[0], TIMES[-1] * counts[-1], 50)
    laws = np.stack([_law(counts, drawn, at) for at in along], 1)
    law_low, law_high = np.quantile(laws, [0.025, 0.975], axis=0)
    law = np.array([_law(counts, means, at) for at in along])
    return drawing.curves(
        {
            "measured": drawing.Curve(counts, means, low, high),
            "power law, to ten times the data": drawing.Curve(along, law, law_low, law_high),
        },
        "training examples",
        "validation loss",
        "What more data buys",
        log_x=True,
        log_y=True,
    )
