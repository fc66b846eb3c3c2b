"""Whether the rows of a file lie in the order of a date: then a split by time is offered."""

import shlex
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.preparation import epoch_days
from recipe.dataset.readings import Reading
from recipe.dataset.times import is_dated, times_read
from recipe.settings import Data

FEWEST_ROWS, FEWEST_DATES = 50, 20  # of fewer a rank correlation of 0.9 may be chance, or the dates are a few batches
FEWEST_INPUTS = 2  # the date and another: a split by time takes the date from the inputs
IN_ORDER = 0.9  # rank correlation, or the share of steps that go one way: by chance 50 rows reach 0.5 and 0.75


def offer_of_time(frame: pd.DataFrame, readings: Mapping[str, Reading], data: Data) -> list[str]:
    """That a split by time is to be had and what to type, where rows lie in the order of a date.

    Birthdays, or any date that has nothing to do with when a row was written, lie in an order of chance.
    """
    dated = [name for name, reading in readings.items() if is_dated(reading)]
    if data.split.by == "time" or len(readings) < FEWEST_INPUTS:
        return []
    name = next((name for name in dated if _is_in_order(epoch_days(times_read(frame[name], readings[name])))), None)
    if name is None:
        return []
    column = shlex.quote(f"data.split.column={name}")
    return [
        f"The rows lie in the order of '{name}', as a whole or in stretches, and a split by chance trains on what "
        f"comes after its test: data.split.by=time{f' {column}' if len(dated) > 1 else ''} trains on the earliest and "
        "tests on the latest."
    ]


def _is_in_order(days: NDArray[np.float64]) -> bool:
    """Whether dates (N,) go up, or down: as a whole but for some, or in stretches, as shop after shop."""
    days = days[~np.isnan(days)]
    if len(days) < FEWEST_ROWS or len(np.unique(days)) < FEWEST_DATES:
        return False
    ranks = pd.Series(days).rank().to_numpy()
    correlation = float(np.corrcoef(ranks, np.arange(len(days)))[0, 1])
    steps = np.sign(np.diff(days))
    steps = steps[steps != 0]
    one_way = max((steps > 0).mean(), (steps < 0).mean()) if len(steps) >= FEWEST_ROWS else 0.0
    return abs(correlation) >= IN_ORDER or bool(one_way >= IN_ORDER)
