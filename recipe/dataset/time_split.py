"""Splits by time: the earliest examples are trained on, the next are for validation, the latest for the test."""

import numpy as np
import pandas as pd

from recipe.dataset.clusters import tied_together
from recipe.dataset.splits import SPLITS, TEST, TRAIN, VALIDATION
from recipe.dataset.times import TIME, in_words
from recipe.errors import DataError
from recipe.settings import Split


def split_by_time(examples: pd.DataFrame, settings: Split, column: str, where: object) -> pd.Series:
    """The split of each example, by the shares of the settings as near as equal times, copies and groups let it be.

    What belongs together goes by its latest time, so that nothing that is trained on lies behind what a cut leaves to
    validation and test. Nothing is remembered: the same examples have the same splits, and more examples move the cuts
    (docs/decisions/022).

    Args:
        examples: `content_id`, `group`, and `time`: dates or numbers, none missing.
        column: what `time` is called in the source.

    Raises:
        DataError: there are too few different times.
    """
    units = tied_together(examples)
    latest = examples[TIME].groupby(units).transform("max")
    moments, counts = np.unique(latest.to_numpy(), return_counts=True)
    if len(moments) < len(SPLITS):
        raise DataError(
            f"The {len(examples)} examples of {where}, with copies and groups kept together, end at {len(moments)} "
            f"different times by '{column}', too few for train, validation and test: name a finer column with "
            "data.split.column, or leave data.split.by=time out."
        )
    from_here_on = counts[::-1].cumsum()[::-1]
    test = _nearest(from_here_on, settings.test * len(examples), 2, len(moments))
    earlier = from_here_on - from_here_on[test]
    validation = _nearest(earlier, settings.validation / (1 - settings.test) * earlier[0], 1, test)
    names = np.select([latest >= moments[test], latest >= moments[validation]], [TEST, VALIDATION], TRAIN)
    return pd.Series(names, index=examples.index, dtype="str")


def _nearest(counts: np.ndarray, wanted: float, start: int, stop: int) -> int:
    """The place from `start` to below `stop` where `counts` come nearest to what is wanted."""
    return start + int(np.abs(counts[start:stop] - wanted).argmin())


def time_splits_taken(examples: pd.DataFrame, splits: pd.Series, column: str) -> str:
    """How many examples each split has, and up to when."""
    ends = examples[TIME].groupby(splits).max()
    counts = [f"{(splits == name).sum():,} {name} to {in_words(ends[name])}" for name in SPLITS]
    return f"{', '.join(counts)}, by {column}, which is no input"


def no_later_than_training(examples: pd.DataFrame, splits: pd.Series) -> int:
    """How many held-out examples are from no later than something that is trained on: groups and copies keep them."""
    end = examples[TIME][splits == TRAIN].max()
    return int(((splits != TRAIN) & (examples[TIME] <= end)).sum())


def notes_on_time_split(examples: pd.DataFrame, splits: pd.Series) -> list[str]:
    """That groups or copies reach over a cut, where they do."""
    count = no_later_than_training(examples, splits)
    if not count:
        return []
    end = in_words(examples[TIME][splits == TRAIN].max())
    held_out = int((splits != TRAIN).sum())
    return [
        f"{count:,} of the {held_out:,} examples for validation and test are no later than the latest of training, "
        f"{end}: they stay with later ones of their group, or later copies."
    ]
