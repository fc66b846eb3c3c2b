"""A few values of many, evenly spread."""

import pandas as pd

PROBED = 200  # values that are looked at before a whole column is parsed


def spread(values: pd.Series, most: int = PROBED) -> pd.Series:
    """From `most` to twice as many of the values, in their order; all where there are no more."""
    return values.iloc[:: max(1, len(values) // most)]
