"""Whole numbers that stand for categories: a branch, a code, a month."""

import numpy as np

from recipe.dataset.number_styles import is_number
from recipe.dataset.splits import TEST
from recipe.dataset.stored import Dataset
from recipe.inspection.columns import features
from recipe.inspection.variance import Values, adjusted_share, label_indicators, squares_within

FEWEST, MOST = 5, 50  # values: a cubic goes through four, and more than 50 are not coded one by one
ROWS_A_VALUE = 5  # on average: fewer say little of the value
DEGREE = 3  # of the polynomial that stands for a quantity
LEVEL = 0.001  # chance of a false alarm in a table, at most, divided among its columns
GAIN = 0.1  # of the variance of labels: a score of 1 to 10 gains 0.06 (the cells of biopsy), a branch's code 0.45


def numbered_categories(dataset: Dataset) -> dict[str, tuple[float, float]]:
    """The columns whose values tell of the label as categories do and not as a quantity does, with the share of its
    variance that each explains: as a cubic, and value by value. Test labels are left alone.

    An F test of the cubic's lack of fit (Draper and Smith 1998, section 2.1), on an indicator a class.
    """
    rows = features(dataset)
    known = np.flatnonzero((dataset.manifest["split"] != TEST).to_numpy())
    labels = label_indicators(dataset)[known]
    names = [name for name in rows if is_number(rows[name])]
    found = {}
    for name in names:
        numbers = rows[name].iloc[known].to_numpy(dtype=np.float64, na_value=np.nan)
        shares = _lack_of_fit(numbers, labels, LEVEL / len(names))
        if shares:
            found[str(name)] = shares
    return found


def _lack_of_fit(numbers: Values, labels: Values, level: float) -> tuple[float, float] | None:
    from scipy.stats import f

    present = ~np.isnan(numbers)
    values, codes = np.unique(numbers[present], return_inverse=True)
    labels = labels[present]
    count, distinct = len(labels), len(values)
    if not FEWEST <= distinct <= MOST or count < ROWS_A_VALUE * distinct or (values % 1 != 0).any():
        return None
    scaled = (numbers[present] - values.mean()) / np.ptp(values)
    powers = np.vander(scaled, DEGREE + 1)
    smooth = labels - powers @ np.linalg.lstsq(powers, labels, rcond=None)[0]
    of_smooth, of_each = (smooth**2).sum(0), squares_within(codes, labels)
    total = ((labels - labels.mean(0)) ** 2).sum(0)
    free = distinct - DEGREE - 1
    ratio = ((of_smooth - of_each) / free) / np.maximum(of_each / (count - distinct), 1e-12 * total + 1e-300)
    chances = f.sf(ratio, free, count - distinct)
    as_quantity = adjusted_share(float(of_smooth.sum()), DEGREE + 1, labels)
    as_categories = adjusted_share(float(of_each.sum()), distinct, labels)
    if chances.min() * len(chances) > level or as_categories - as_quantity < GAIN:
        return None
    return as_quantity, as_categories
