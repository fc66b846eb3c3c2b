"""How far a batch has drifted from a reference: column by column, in its labels, and as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.columns import MAX_CATEGORIES, date_format_of, number_style
from recipe.inspection.columns import is_identifier
from recipe.inspection.content import pooled
from recipe.preparation import as_dates, as_numbers, as_text, epoch_days
from recipe.settings.data import Drift

Numbers = NDArray[np.float64]

COLUMNS = ["column", "score", "p_value", "flagged", "detail"]
WHOLE = "(all)"  # the row of the domain classifier
FEWEST_EXPECTED = 5.0  # in a cell, for chi-square's own distribution (Cochran 1954); below, permutations
PERMUTATIONS = 20_000  # the smallest p-value is 5e-5: enough for Holm over 200 columns at 1 %
MISSING_MATTERS = 0.5  # of the distance: the share missing is told first where it makes as much of it
FEWEST_ROWS = 4  # two to train on and two to judge, of each sample
MOST_FEATURES = 500  # that the domain classifier sees: the covariance of more takes seconds
SHRINKAGE = 0.1  # of the covariance to its diagonal (Friedman 1989): between 0.1 and 0.5 nothing changed on digits
CLIPPED = 4.0  # standard deviations: one wild cell must not hide the rest
FLAT = 1e-3  # a feature that does not vary in training may vary in what is judged


@dataclass(frozen=True)
class Sample:
    """Some examples, as they were given and as they were prepared.

    Attributes:
        columns: raw columns (N, C): numbers, dates, text, with missing cells; of images what was measured of them.
        inputs: prepared rows (N, F) float32, or images (N, C, H, W) uint8; may be memory-mapped.
        labels: the given labels (N,), as text for classes and as numbers for a regression; None where there are none.
    """

    columns: pd.DataFrame
    inputs: np.ndarray
    labels: pd.Series | None


@dataclass(frozen=True)
class _Shift:
    """How far one thing moved: 0 to 1, how likely so far by chance alone, whether that far matters, and in words."""

    score: float
    p_value: float
    limit: float
    detail: str


def drift(reference: Sample, batch: Sample, settings: Drift, label: str = "label") -> pd.DataFrame:
    """How `batch` differs from `reference`: a row a column, one named `label` where both are labelled, and `(all)`.

    Scores are the Kolmogorov-Smirnov distance of numbers and dates, with missing cells below all others; the total
    variation distance of categories and classes, missing cells one of them; and for `(all)` 2 AUC - 1 of a classifier
    that tells the two samples apart, out of fold. Flagged is what is further than the settings' limit, and further than
    chance: below `alpha` by Holm's procedure (1979) over all rows. So one healthy batch in 1 / alpha is flagged at
    most, whatever its size.

    Returns:
        column, score, p_value, flagged, detail (a sentence); what is flagged first, then the highest scores.
    """
    shifts = dict(_column_shifts(reference.columns, batch.columns, settings))
    if reference.labels is not None and batch.labels is not None:
        shifts[label] = _shift_of(reference.labels, batch.labels, settings.distance)
    shifts[WHOLE] = _shift_of_whole(reference.inputs, batch.inputs, settings)
    table = pd.DataFrame(
        {
            "column": list(shifts),
            "score": [shift.score for shift in shifts.values()],
            "p_value": [shift.p_value for shift in shifts.values()],
            "flagged": False,
            "detail": [shift.detail for shift in shifts.values()],
        }
    )
    far = np.array([shift.score > shift.limit for shift in shifts.values()])
    table["flagged"] = far & _rejected(table["p_value"].to_numpy(), settings.alpha)
    return table.sort_values(["flagged", "score"], ascending=False, kind="stable", ignore_index=True)[COLUMNS]


def _rejected(p_values: Numbers, alpha: float) -> NDArray[np.bool_]:
    """Which hypotheses fall by Holm's step-down procedure, with a chance of `alpha` that any does wrongly."""
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] <= alpha / np.arange(len(p_values), 0, -1)
    rejected = np.zeros(len(p_values), dtype=bool)
    rejected[order] = np.logical_and.accumulate(steps)
    return rejected


def _column_shifts(reference: pd.DataFrame, batch: pd.DataFrame, settings: Drift) -> Iterator[tuple[str, _Shift]]:
    limit = settings.distance
    for name in reference:
        if name not in batch:
            yield str(name), _Shift(1.0, 0.0, limit, "The batch has no such column.")
        elif is_identifier(reference[name]):
            yield str(name), _unmoved("It only tells rows apart, so it is not compared.")
        else:
            yield str(name), _shift_of(reference[name], batch[name], limit)
    for name in batch:
        if name not in reference:
            yield str(name), _unmoved("The reference has no such column, so it is not compared.")


def _unmoved(detail: str) -> _Shift:
    return _Shift(0.0, 1.0, 1.0, detail)


def _shift_of(reference: pd.Series, batch: pd.Series, limit: float) -> _Shift:
    """The shift of one column, read as the reference is written."""
    if not len(reference) or not len(batch):
        return _unmoved("There is nothing to compare.")
    model = reference if as_text(reference).notna().any() else batch
    date_format = _date_format(model)
    if date_format is not None:
        before, after = (epoch_days(as_dates(column, date_format)) for column in (reference, batch))
        return _shift_of_numbers(before, after, limit, is_date=True)
    style = None if pd.api.types.is_datetime64_any_dtype(model) else number_style(_present(model))
    if style is not None:
        return _shift_of_numbers(as_numbers(reference, style), as_numbers(batch, style), limit)
    return _shift_of_categories(as_text(reference), as_text(batch), limit)


def _date_format(column: pd.Series) -> str | None:
    if pd.api.types.is_datetime64_any_dtype(column):
        return "ISO8601"
    if pd.api.types.is_numeric_dtype(column) or number_style(_present(column)) is not None:
        return None
    present = _present(column)
    return date_format_of(present) if len(present) else None


def _present(column: pd.Series) -> pd.Series:
    """The cells that hold something: numbers as they are, all else as text."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.dropna()
    return as_text(column).dropna()


# Numbers and dates


def _shift_of_numbers(reference: Numbers, batch: Numbers, limit: float, is_date: bool = False) -> _Shift:
    """Distance and chance of two samples of numbers; a missing one lies below all others.

    The Kolmogorov-Smirnov test sees any change but a small one of the middle; the test of Mann and Whitney sees that.
    The smaller p-value of the two counts twice (Bonferroni).
    """
    from scipy.stats import ks_2samp, mannwhitneyu

    before, after = (np.where(np.isnan(numbers), -np.inf, numbers) for numbers in (reference, batch))
    if len(np.unique(np.concatenate([before, after]))) == 1:
        return _Shift(0.0, 1.0, limit, "All values are the same in both.")
    kolmogorov = ks_2samp(before, after, method="asymp")
    whitney = mannwhitneyu(before, after, method="asymptotic")
    chance = min(1.0, 2 * min(float(kolmogorov.pvalue), float(whitney.pvalue)))
    distance = float(kolmogorov.statistic)
    place = float(kolmogorov.statistic_location)
    return _Shift(distance, chance, limit, _number_detail(reference, batch, distance, place, is_date))


def _number_detail(reference: Numbers, batch: Numbers, distance: float, place: float, is_date: bool) -> str:
    """The medians, or where these are near each other the place where the samples differ most; the shares missing."""
    absent = [float(np.isnan(numbers).mean()) for numbers in (reference, batch)]
    missing = f"{_percent(absent[1])} are missing where the reference has {_percent(absent[0])}"
    if max(absent) == 1.0:
        return f"{missing}."
    known = [numbers[~np.isnan(numbers)] for numbers in (reference, batch)]
    medians = [float(np.median(numbers)) for numbers in known]
    told = f"the median is {_written(medians[1], is_date)} where the reference has {_written(medians[0], is_date)}"
    between = [float(((numbers > min(medians)) & (numbers <= max(medians))).mean()) for numbers in known]
    if max(between) < distance / 2 and np.isfinite(place):
        shares = [float((numbers <= place).mean()) for numbers in known]
        told = f"{_percent(shares[1])} lie at or below {_written(place, is_date)} where the reference has "
        told += _percent(shares[0])
    if max(absent) == 0.0:
        parts = [told]
    elif abs(absent[1] - absent[0]) >= MISSING_MATTERS * distance:
        parts = [missing, told]
    else:
        parts = [told, missing]
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _written(number: float, is_date: bool) -> str:
    if not is_date:
        return f"{number:.4g}"
    return str(np.datetime64(0, "D") + np.timedelta64(int(np.floor(number)), "D"))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# Categories and classes


def _shift_of_categories(reference: pd.Series, batch: pd.Series, limit: float) -> _Shift:
    """Distance and chance of two samples of text; the commonest values each, all rarer ones together."""
    values = pd.concat([reference, batch], ignore_index=True).astype("str").where(lambda text: text.notna(), None)
    codes, names = pd.factorize(values, use_na_sentinel=False)
    counts = np.stack([np.bincount(part, minlength=len(names)) for part in np.split(codes, [len(reference)])])
    if len(names) == 1:
        return _Shift(0.0, 1.0, limit, "All values are the same in both.")
    cells = _common(counts)
    shares = cells / cells.sum(1, keepdims=True)
    distance = float(np.abs(shares[1] - shares[0]).sum() / 2)
    return _Shift(distance, _chance_of_counts(cells), limit, _category_detail(counts, list(names)))


def _common(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts (2, V) of the `MAX_CATEGORIES` commonest values in both samples together, and of all the rest as one."""
    if counts.shape[1] <= MAX_CATEGORIES:
        return counts
    order = np.argsort(-counts.sum(0), kind="stable")
    common, rest = counts[:, order[:MAX_CATEGORIES]], counts[:, order[MAX_CATEGORIES:]]
    return np.column_stack([common, rest.sum(1)])


def _chance_of_counts(cells: NDArray[np.int64]) -> float:
    """The p-value of Pearson's chi-square of counts (2, V): its own distribution, or that over permuted samples."""
    from scipy.stats import chi2

    together = cells.sum(0)
    expected = np.outer(cells.sum(1), together) / together.sum()
    statistic = float(((cells - expected) ** 2 / expected).sum())
    chance = float(chi2.sf(statistic, cells.shape[1] - 1))
    if expected.min() >= FEWEST_EXPECTED:
        return chance
    small = int(cells.sum(1).argmin())
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        together, int(cells[small].sum()), size=PERMUTATIONS, method="marginals"
    )
    # the other sample is what is left, so its cells deviate as much, on other expected counts
    weights = (1 / expected).sum(0)
    reached = int((((drawn - expected[small]) ** 2) @ weights >= statistic * (1 - 1e-9)).sum())
    beyond = 1 / (PERMUTATIONS + 1)
    return (reached + 1) / (PERMUTATIONS + 1) if reached else min(chance, beyond)


def _category_detail(counts: NDArray[np.int64], names: list[str | None]) -> str:
    """The value whose share moved most, and which values were never seen before."""
    shares = counts / counts.sum(1, keepdims=True)
    moved = int(np.abs(shares[1] - shares[0]).argmax())
    subject = "Missing values make up" if pd.isna(names[moved]) else f"'{names[moved]}' makes up"
    told = f"{subject} {_percent(float(shares[1, moved]))} where the reference has {_percent(float(shares[0, moved]))}"
    unseen = [place for place in np.argsort(-counts[1], kind="stable") if counts[0, place] == 0 and counts[1, place]]
    new = [f"'{names[place]}'" for place in unseen if not pd.isna(names[place])]
    if len(new) == 1:
        told += f"; {new[0]} is new"
    elif new:
        told += f"; {new[0]} and {len(new) - 1} other {'value is' if len(new) == 2 else 'values are'} new"
    return f"{told}."


# The whole


def _shift_of_whole(reference: np.ndarray, batch: np.ndarray, settings: Drift) -> _Shift:
    """How well a classifier that learnt on half of both samples tells the other halves apart, both ways round.

    The p-value is that of Mann and Whitney for the batch scoring higher, the smaller of the two halves' twice. Scores
    of several folds taken together depend on each other, and would be significant at 1 % in 3 % of healthy batches.
    """
    from scipy.stats import mannwhitneyu

    if min(len(reference), len(batch)) < FEWEST_ROWS or not reference[:1].size:
        return _unmoved("There are too few examples for a classifier that tells the two apart.")
    samples = [_flat(_drawn(inputs, settings.classifier_rows)) for inputs in (reference, batch)]
    areas, chances = [], []
    for held_out in (0, 1):
        direction = _Direction.between(*(sample[1 - held_out :: 2] for sample in samples))
        before, after = (direction.along(sample[held_out::2]) for sample in samples)
        test = mannwhitneyu(after, before, alternative="greater", method="asymptotic")
        areas.append(float(test.statistic) / (len(before) * len(after)))
        chances.append(float(test.pvalue))
    area = float(np.mean(areas))
    detail = f"A classifier tells the two apart with an AUC of {area:.2f}, where 0.5 is chance."
    return _Shift(max(0.0, 2 * area - 1), min(1.0, 2 * min(chances)), settings.separation, detail)


def _drawn(inputs: np.ndarray, most: int) -> np.ndarray:
    """At most that many examples, drawn with a fixed seed, in order: a memory map is read once through."""
    rows = np.random.default_rng(0).permutation(len(inputs))[:most]
    return np.asarray(inputs[np.sort(rows)])


def _flat(inputs: np.ndarray) -> Numbers:
    """Prepared inputs as vectors (N, D); images pooled."""
    vectors = pooled(inputs.astype(np.float32)) if inputs.ndim == 4 else inputs.reshape(len(inputs), -1)
    return np.nan_to_num(vectors.astype(np.float64))


@dataclass(frozen=True)
class _Direction:
    """Fisher's linear discriminant of two samples (1936), over features and their squares, which tell of spread."""

    chosen: NDArray[np.int64]
    mean: Numbers
    std: Numbers
    weights: Numbers

    @classmethod
    def between(cls, before: Numbers, after: Numbers) -> "_Direction":
        both = np.concatenate([before, after])
        mean, std = both.mean(0), both.std(0)
        std = np.where(std > 0, std, 1.0)
        apart = np.abs(after.mean(0) - before.mean(0)) / std
        chosen = np.sort(np.argsort(-apart, kind="stable")[:MOST_FEATURES])
        plain = cls(chosen, mean[chosen], std[chosen], np.empty(0))
        first, second = plain._features(before), plain._features(after)
        gap = second.mean(0) - first.mean(0)
        inside = np.concatenate([first - first.mean(0), second - second.mean(0)])
        covariance = inside.T @ inside / len(inside)
        own = np.maximum(np.diag(covariance), FLAT)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(own)
        return cls(plain.chosen, plain.mean, plain.std, np.linalg.solve(shrunk, gap))

    def along(self, vectors: Numbers) -> Numbers:
        return self._features(vectors) @ self.weights

    def _features(self, vectors: Numbers) -> Numbers:
        scaled = np.clip((vectors[:, self.chosen] - self.mean) / self.std, -CLIPPED, CLIPPED)
        return np.column_stack([scaled, scaled**2])
