"""How well each raw column alone tells the label: a probe of one column, out of fold."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.columns import is_text, numbers_of
from recipe.dataset.preparation import as_text, epoch_days
from recipe.dataset.splits import TEST
from recipe.dataset.stored import Dataset
from recipe.inspection.columns import dates_of, features
from recipe.statistics.intervals import wilson

Targets = NDArray[Any]  # int64 (N,) for classes, float32 (N, k) for a number

FOLDS = 3
FEWEST_OF_A_CLASS = 2 * FOLDS  # examples; rarer classes say nothing out of fold
FEWEST_IN_A_LEAF = 5  # so that a leaf is a rule and no memory of a row
LEAVES_A_CLASS = 4  # a copy or a code of the label needs one
LEAVES_OF_A_NUMBER = 64
NUMBER_INSIDE = r"(-?\d+(?:\.\d+)?)"
MISSING_PLACE = -1.0  # standard deviations below the smallest number: a missing cell is a place of its own


def column_scores(dataset: Dataset, most_rows: int, class_limit: float, number_limit: float) -> pd.DataFrame:
    """The raw columns of a table, those that tell most first. Columns: column, score (0 chance, 1 perfect), leaks.

    For classes the score is balanced accuracy out of fold, scaled; for a number the larger of the rank correlation and
    the R2 out of fold. Test labels are left alone. Images have no columns that the net would see: no rows.

    Args:
        most_rows: examples that are looked at, drawn at random.
        class_limit, number_limit: the score from which a column leaks the label, by what the label is; that of a class
            beyond chance, or perfect.
    """
    rows = features(dataset)
    known = np.flatnonzero((dataset.manifest["split"] != TEST).to_numpy())
    chosen = np.random.default_rng(dataset.settings.seed).permutation(known)[:most_rows]
    is_class = dataset.preparation["classes"] is not None
    targets = np.asarray(dataset.targets[chosen])
    limit = class_limit if is_class else number_limit
    scores = {name: _best_score(rows[name].iloc[chosen], targets, is_class) for name in rows}
    names = pd.Series(list(scores), dtype="str")  # of no columns too
    table = pd.DataFrame({"column": names, "score": np.array(list(scores.values()), dtype=np.float64)})
    least = np.array([_least(score, targets) if is_class else score for score in table["score"]])
    table["leaks"] = (table["score"] >= limit) & ((least >= limit) | (table["score"] == 1))
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def _least(score: float, targets: Targets) -> float:
    """The lower end of the 95 % interval of a scaled balanced accuracy, Wilson's: on few rows 0.95 may be luck."""
    by_chance = 1 / len(np.unique(targets))
    low, _ = wilson((score * (1 - by_chance) + by_chance) * len(targets), len(targets))
    return (low - by_chance) / (1 - by_chance)


def _best_score(column: pd.Series, targets: Targets, is_class: bool) -> float:
    """The best score over the ways to read the column: numbers, dates, categories, text without its digits."""
    if is_class:
        common = np.bincount(targets)[targets] >= FEWEST_OF_A_CLASS
        column, targets = column[common], targets[common]
        if len(np.unique(targets)) < 2:
            return 0.0
    folds = _folds(targets) if is_class else np.arange(len(targets)) % FOLDS
    dates = dates_of(column)
    if dates is not None:
        return _score_of_numbers(_filled(epoch_days(dates)), targets, folds, is_class)
    if is_text(column):
        text = as_text(column).fillna("")
        readings = [text, text.str.replace(r"\d+", "", regex=True)]
        scores = [_score_of_categories(pd.factorize(reading)[0], targets, folds, is_class) for reading in readings]
        inside = pd.to_numeric(text.str.extract(NUMBER_INSIDE, expand=False), errors="coerce")
        return max(*scores, _score_of_numbers(_filled(inside.to_numpy()), targets, folds, is_class))
    return _score_of_numbers(_filled(numbers_of(column)), targets, folds, is_class)


def _filled(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """`numbers` with a place of its own, below all others, for what is missing."""
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.zeros(len(numbers))
    return np.where(np.isnan(numbers), known.min() + MISSING_PLACE * max(known.std(), 1.0), numbers)


def _folds(targets: Targets) -> NDArray[np.int64]:
    """Each example's fold, every class spread evenly."""
    return np.asarray(pd.Series(targets).groupby(targets).cumcount() % FOLDS, dtype=np.int64)


def _score_of_numbers(
    numbers: NDArray[np.float64], targets: Targets, folds: NDArray[np.int64], is_class: bool
) -> float:
    from scipy.stats import spearmanr
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if len(np.unique(numbers)) < 2:
        return 0.0
    if np.abs(numbers).max() > np.finfo(np.float32).max:  # beyond which trees take none; their order is what they use
        numbers = np.unique(numbers, return_inverse=True)[1].astype(np.float64)
    leaves = LEAVES_A_CLASS * len(np.unique(targets)) if is_class else LEAVES_OF_A_NUMBER
    shape = {"max_leaf_nodes": max(leaves, 2), "min_samples_leaf": FEWEST_IN_A_LEAF, "random_state": 0}
    tree = DecisionTreeClassifier(class_weight="balanced", **shape) if is_class else DecisionTreeRegressor(**shape)
    predicted = np.empty_like(targets)
    for fold in range(FOLDS):
        inside = folds != fold
        tree.fit(numbers[inside, None], targets[inside])
        predicted[~inside] = tree.predict(numbers[~inside, None]).reshape(predicted[~inside].shape)
    if is_class:
        return balanced_accuracy(predicted, targets)
    varying = [target for target in targets.reshape(len(targets), -1).T if np.ptp(target) > 0]  # others have no rank
    ranks = [abs(float(spearmanr(numbers, target).statistic)) for target in varying]
    return max(*ranks, _r2(predicted, targets), 0.0)


def _score_of_categories(codes: NDArray[np.int64], targets: Targets, folds: NDArray[np.int64], is_class: bool) -> float:
    """Each category predicts its commonest class, or its mean, in the other folds; unseen ones what is commonest."""
    predicted = np.empty_like(targets)
    for fold in range(FOLDS):
        inside = folds != fold
        known, seen = targets[inside], np.bincount(codes[inside], minlength=codes.max() + 1)
        if is_class:
            sizes = np.bincount(known)
            counts = np.zeros((len(seen), len(sizes)))
            np.add.at(counts, (codes[inside], known), 1 / np.maximum(sizes, 1)[known])
            means = counts.argmax(1)
            means[seen == 0] = sizes.argmax()
        else:
            sums = np.zeros((len(seen), *known.shape[1:]))
            np.add.at(sums, codes[inside], known)
            means = (sums + known.mean(0)) / (seen + 1.0).reshape(-1, *[1] * (sums.ndim - 1))
        predicted[~inside] = means[codes[~inside]]
    return balanced_accuracy(predicted, targets) if is_class else _r2(predicted, targets)


def balanced_accuracy(predicted: Targets, targets: Targets) -> float:
    """The mean recall over classes, scaled so that chance is 0 and perfect 1."""
    from sklearn.metrics import balanced_accuracy_score

    return max(0.0, float(balanced_accuracy_score(targets, predicted, adjusted=True)))


def _r2(predicted: Targets, targets: Targets) -> float:
    total = float(((targets - targets.mean(0)) ** 2).sum())
    return max(0.0, 1 - float(((targets - predicted) ** 2).sum()) / total) if total > 0 else 0.0
