"""Columns whose rows belong together, though nobody said so: a patient with six rows, a scene with ten pictures."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.columns import is_text
from recipe.dataset.number_styles import is_number
from recipe.dataset.preparation import as_numbers, as_text
from recipe.dataset.stored import Dataset
from recipe.inspection.columns import features, own_columns
from recipe.inspection.variance import Values, adjusted_share, label_indicators, squares_within

COLUMNS = ["column", "groups", "rows", "score", "shared"]
FEWEST_GROUPS = 20  # a column of fewer values is a category, of which new rows will have the same ones
FEWEST_REPEATS = 30  # rows beyond the first of each group: fewer say too little of what they share
LEAST_REPEATED = 0.25  # of the rows, beyond the first of each group: of 128 patients 203 visits have 0.37
SHARED = 0.9  # of the variance of labels, or of each of half the other columns: what chance never gives 20 groups
FEWEST_OTHERS = 2  # columns that are compared
NEIGHBOURS = 0.75  # of that share, at most, where two values beside each other are one: more, and it is a quantity


def group_columns(dataset: Dataset) -> pd.DataFrame:
    """The columns whose values repeat in rows that share the label, or half of all else, and are in several splits.

    None where the data set has groups. Columns: column, groups, rows (beyond the first of each), score (the share of
    the variance, of labels or of other columns, that lies between the groups, less what chance gives; 0 to 1), and
    shared ("label" or "columns").
    """
    found: list[tuple[str, int, int, float, str]] = []
    if dataset.manifest["group"].notna().any():
        return pd.DataFrame(found, columns=COLUMNS)
    columns = pd.concat([features(dataset), own_columns(dataset)], axis=1)
    numbers = {str(name): as_numbers(columns[name], "1234.5") for name in columns if is_number(columns[name])}
    labels = label_indicators(dataset)
    for name in columns:
        codes = _codes(columns[name])
        if codes is None or not _cross(codes, dataset):
            continue
        neighbours = _merged(numbers[name]) if name in numbers else None
        others = [values for other, values in numbers.items() if other != name]
        for shared, values in (("label", [labels]), ("columns", others if len(others) >= FEWEST_OTHERS else [])):
            score = _between(codes, values)
            if score >= SHARED and (neighbours is None or _between(neighbours, values) <= NEIGHBOURS * score):
                known = codes[codes >= 0]
                groups = len(np.unique(known))
                found.append((str(name), groups, len(known) - groups, score, shared))
                break
    return pd.DataFrame(found, columns=COLUMNS)


def _codes(column: pd.Series) -> NDArray[np.int64] | None:
    """The group of each row (N,), -1 where none is named; None where the column cannot be one of groups."""
    if not is_text(column) and not (is_number(column) and bool((column.dropna() % 1 == 0).all())):
        return None
    codes, values = pd.factorize(as_text(column))
    known = codes[codes >= 0]
    if len(values) < FEWEST_GROUPS or len(known) - len(values) < max(FEWEST_REPEATS, LEAST_REPEATED * len(known)):
        return None
    return np.asarray(codes, dtype=np.int64)


def _cross(codes: NDArray[np.int64], dataset: Dataset) -> bool:
    """Whether any group is in more than one split."""
    splits = pd.Series(dataset.manifest["split"].to_numpy()[codes >= 0])
    return bool((splits.groupby(codes[codes >= 0]).nunique() > 1).any())


def _merged(numbers: Values) -> NDArray[np.int64]:
    """The codes of a quantity whose values are joined in pairs, neighbour with neighbour."""
    places = pd.factorize(numbers, sort=True)[0]
    return np.where(places >= 0, places // 2, -1)


def _between(codes: NDArray[np.int64], columns: list[Any]) -> float:
    """The share of the variance that lies between groups, adjusted as R2 is; what half of `columns` have at least."""
    shares = [_explained(codes, np.asarray(column, dtype=np.float64)) for column in columns]
    shares = [share for share in shares if not np.isnan(share)]
    return float(np.quantile(shares, 0.5, method="higher")) if shares else 0.0


def _explained(codes: NDArray[np.int64], values: Values) -> float:
    values = values.reshape(len(codes), -1)
    known = (codes >= 0) & ~np.isnan(values).any(axis=1)
    if not known.any():
        return float("nan")
    groups, values = np.unique(codes[known], return_inverse=True)[1], values[known]
    return adjusted_share(float(squares_within(groups, values).sum()), int(groups.max()) + 1, values)
