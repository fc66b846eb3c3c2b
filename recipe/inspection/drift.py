"""How far a batch has drifted from a reference: column by column, in its labels, and as a whole."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.columns import MAX_CATEGORIES, date_format_of, is_text, number_style
from recipe.dataset.kind import kind_of
from recipe.dataset.labels import label_numbers
from recipe.dataset.preparation import SECONDS_A_DAY, as_dates, as_numbers, as_text, epoch_days
from recipe.dataset.stored import Dataset
from recipe.inspection.columns import features, is_identifier, measured_columns, own_columns

Numbers = NDArray[np.float64]

COLUMNS = ["column", "score", "p_value", "flagged", "detail"]
WHOLE = "(all)"  # the row of the domain classifier
FEW_VALUES = 12  # numbers as few as months are codes: chi-square sees one of them replaced, rank tests hardly
FEW_NUMBERS = 50  # of a sample, for which the limit distribution is no guide: by it one number out of range has p = 0
FEWEST_EXPECTED = 5.0  # in a cell, for chi-square's own distribution (Cochran 1954); below, permutations
PERMUTATIONS = 10_000  # the smallest p-value is 1e-4; where Holm asks for less, single values have it
ROUNDING = 1e-9
PROBED = 5_000  # cells of a reference column that tell how it is written
FEWEST_ROWS = 4  # two to train on and two to judge, of each sample
MOST_FEATURES = 500  # that the domain classifier sees: the covariance of more takes seconds
SHRINKAGE = 0.1  # of the covariance to its diagonal (Friedman 1989): between 0.1 and 0.5 nothing changed on digits
CLIPPED = 4.0  # standard deviations: one wild cell must not hide the rest
FLAT = 1e-3  # a feature that does not vary in training may vary in what is judged


@dataclass(frozen=True)
class Sample:
    """Some examples, as they were given and as they were prepared.

    Attributes:
        columns: raw columns (N, C): numbers, dates, text, with missing cells; and what was measured of each example.
        vectors: the inputs as vectors (N, D) in which like ones lie near, or a draw of them.
        labels: the given labels (N,), as text for classes and as numbers for a regression; None where there are none.
    """

    columns: pd.DataFrame
    vectors: np.ndarray
    labels: pd.Series | None


@dataclass(frozen=True)
class Pair:
    """One column of two samples, read alike: numbers and dates (in days) as float64 (N,), categories as text."""

    kind: Literal["number", "date", "category"]
    before: Any
    after: Any


@dataclass(frozen=True)
class Shift:
    """How far one thing moved: 0 to 1, how likely so far by chance alone, whether that far matters, and in words."""

    score: float
    p_value: float
    limit: float
    detail: str


def sample_of(dataset: Dataset, rows: NDArray[np.int64], label_style: str | None = None) -> Sample:
    """The examples in `rows` of a prepared data set.

    Of the inputs no more are read than `drift` looks at.

    Args:
        label_style: how labels that are numbers are written; by default as most of them are.
    """
    labels = dataset.manifest["label"]
    if dataset.preparation["classes"] is None:
        labels = pd.Series(label_numbers(labels, label_style))
    drawn = _draw(len(rows), dataset.settings.stages.data.drift.classifier_rows)
    return Sample(
        columns=observed(dataset).iloc[rows].reset_index(drop=True),
        vectors=kind_of(dataset.preparation).pooled(dataset.inputs[rows[drawn]]),
        labels=labels.iloc[rows].reset_index(drop=True),
    )


def observed(dataset: Dataset) -> pd.DataFrame:
    """All columns (N, C) in which examples may differ: raw ones, measured ones, and the user's own."""
    return pd.concat([features(dataset), measured_columns(dataset), own_columns(dataset)], axis=1)


class Sensitivity(Protocol):
    """From where on a distribution counts as moved: see conf/stages/data.yaml."""

    @property
    def alpha(self) -> float:
        """The share of healthy batches with anything flagged, at most."""

    @property
    def distance(self) -> float:
        """Of one column, 0 to 1."""

    @property
    def separation(self) -> float:
        """Of a classifier that tells the samples apart, 0 to 1."""

    @property
    def classifier_rows(self) -> int:
        """Examples of each sample that this classifier sees."""


def drift(reference: Sample, batch: Sample, settings: Sensitivity, label: str = "label") -> pd.DataFrame:
    """How `batch` differs from `reference`: a row a column, one named `label` where both are labelled, and `(all)`.

    Scores are the Kolmogorov-Smirnov distance of numbers and dates, or the difference in the share missing where that
    is larger; the total variation distance of categories and classes, a missing cell being one; and for `(all)`
    2 AUC - 1 of a classifier that tells the two samples apart, out of fold. Flagged is what is further than the
    settings' limit and further than chance: below `alpha` by Holm's procedure (1979) over all rows, so that at most one
    healthy batch in 1 / alpha is flagged, whatever its size.

    Returns:
        column, score, p_value, flagged, detail (a sentence); what is flagged first, then the highest scores.
    """
    shifts = dict(_column_shifts(reference.columns, batch.columns, settings))
    if reference.labels is not None and batch.labels is not None:
        shifts[label] = _shift_of(reference.labels, batch.labels, settings.distance, is_label=True)
    shifts[WHOLE] = _shift_of_whole(reference.vectors, batch.vectors, settings)
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


def in_words(table: pd.DataFrame, apart: str) -> str:
    """What `drift` flagged, in a sentence or two: of columns the one that moved most, else the whole.

    `apart` says of what the difference is, such as "from training".
    """
    flagged = table[table["flagged"]]
    columns = flagged[flagged["column"] != WHOLE]
    first = (columns if len(columns) else flagged).iloc[0]
    named = f"'{first['column']}' differs" if len(columns) else "All columns together differ"
    rest = f" {len(flagged)} of {len(table)} comparisons differ." if len(flagged) > 1 else ""
    return f"{named} {apart} ({first['score']:.2f}): {first['detail']}{rest}"


def _rejected(p_values: Numbers, alpha: float) -> NDArray[np.bool_]:
    """Which hypotheses fall by Holm's step-down procedure, with a chance of `alpha` that any does wrongly."""
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] <= alpha / np.arange(len(p_values), 0, -1)
    rejected = np.zeros(len(p_values), dtype=bool)
    rejected[order] = np.logical_and.accumulate(steps)
    return rejected


def _column_shifts(reference: pd.DataFrame, batch: pd.DataFrame, settings: Sensitivity) -> Iterator[tuple[str, Shift]]:
    limit = settings.distance
    for name in reference:
        if name not in batch:
            yield str(name), Shift(1.0, 0.0, limit, "The batch has no such column.")
        elif is_identifier(reference[name]):
            yield str(name), _unmoved("It only tells rows apart, so it is not compared.")
        else:
            yield str(name), _shift_of(reference[name], batch[name], limit)
    for name in batch:
        if name not in reference:
            yield str(name), _unmoved("The reference has no such column, so it is not compared.")


def _unmoved(detail: str) -> Shift:
    return Shift(0.0, 1.0, 1.0, detail)


def _shift_of(reference: pd.Series, batch: pd.Series, limit: float, is_label: bool = False) -> Shift:
    """The shift of one column."""
    if not len(reference) or not len(batch):
        return _unmoved("There is nothing to compare.")
    pair = read_alike(reference, batch, is_label)
    if pair.kind == "category":
        return _shift_of_categories(pair.before, pair.after, limit)
    return shift_of_numbers(pair.before, pair.after, limit, is_date=pair.kind == "date")


def read_alike(reference: pd.Series, batch: pd.Series, is_label: bool = False) -> Pair:
    """Both as the reference is written. A label that is text is a class, even where it is written as a number."""
    if is_label and is_text(reference):
        return Pair("category", as_text(reference), as_text(batch))
    model = _present(reference.iloc[:: 1 + len(reference) // PROBED])
    if model.empty:
        model = _present(batch)
    style, date_format = _style_of(model)
    if date_format is not None:
        return Pair("date", *(epoch_days(as_dates(column, date_format)) for column in (reference, batch)))
    if style is not None and not _are_codes(reference, batch):
        return Pair("number", as_numbers(reference, style), as_numbers(batch, style))
    return Pair("category", as_text(reference), as_text(batch))


def _present(column: pd.Series) -> pd.Series:
    """The cells that hold something: numbers and dates as they are, all else as text."""
    if pd.api.types.is_bool_dtype(column) or is_text(column):
        return as_text(column).dropna()
    return column.dropna()


def _style_of(present: pd.Series) -> tuple[str | None, str | None]:
    """The style that numbers are written in, or the format that dates are; neither for text."""
    if pd.api.types.is_datetime64_any_dtype(present):
        return None, "ISO8601"
    style = number_style(present)
    if style is not None or present.empty or not is_text(present):
        return style, None
    return None, date_format_of(present)


def _are_codes(reference: pd.Series, batch: pd.Series) -> bool:
    return reference.nunique() <= FEW_VALUES and len(set(as_text(reference)) | set(as_text(batch))) <= FEW_VALUES


# Numbers and dates


def shift_of_numbers(reference: Numbers, batch: Numbers, limit: float, is_date: bool = False) -> Shift:
    """The larger of two distances, of the numbers that are there and of the shares missing; each may be by chance.

    Three tests share the chance evenly (Bonferroni): that of Kolmogorov and Smirnov, which sees any change; that of
    Mann and Whitney, which sees smaller moves of the middle; and chi-square for what is missing, where anything is.
    """
    absent = np.array([np.isnan(reference).sum(), np.isnan(batch).sum()])
    sizes = np.array([len(reference), len(batch)])
    before, after = reference[~np.isnan(reference)], batch[~np.isnan(batch)]
    lost = absent / sizes
    chances, distance, place = [], 0.0, np.nan
    if absent.any() and (absent < sizes).any():
        chances.append(_chance_of_counts(np.column_stack([absent, sizes - absent])))
    if len(before) and len(after) and min(before.min(), after.min()) < max(before.max(), after.max()):
        distance, place, *tests = _distance(before, after)
        chances += tests
    if not chances:
        return Shift(0.0, 1.0, limit, "All values are the same in both.")
    moved = abs(float(lost[1] - lost[0]))
    told = [_middle_detail(before, after, distance, place, is_date)] if len(before) and len(after) else []
    if absent.any():
        missing = f"{_percent(lost[1])} are missing where the reference has {_percent(lost[0])}"
        told = [missing, *told] if moved >= distance else [*told, missing]
    detail = "; ".join(told)
    score, chance = max(distance, moved), min(1.0, len(chances) * min(chances))
    return Shift(score, chance, limit, f"{detail[0].upper()}{detail[1:]}.")


def _distance(before: Numbers, after: Numbers) -> tuple[float, float, float, float]:
    """The Kolmogorov-Smirnov distance, the number where it lies, and the chances by both rank tests."""
    from scipy.stats import ks_2samp, mannwhitneyu

    exact = min(len(before), len(after)) <= FEW_NUMBERS
    kolmogorov = ks_2samp(before, after, method="exact" if exact else "asymp")
    whitney = mannwhitneyu(before, after, method="asymptotic")
    distance, place = float(kolmogorov.statistic), float(kolmogorov.statistic_location)
    return distance, place, float(kolmogorov.pvalue), float(whitney.pvalue)


def _middle_detail(before: Numbers, after: Numbers, distance: float, place: float, is_date: bool) -> str:
    """The medians; or, where few numbers lie between these, the number around which the samples differ most."""
    low, high = sorted((float(np.median(before)), float(np.median(after))))
    between = max(float(((numbers > low) & (numbers <= high)).mean()) for numbers in (before, after))
    if between >= distance / 2:
        earlier, later = _written([float(np.median(before)), float(np.median(after))], is_date)
        return f"the median is {later} where the reference has {earlier}"
    [number] = _written([place], is_date)
    shares = [_percent(float((numbers <= place).mean())) for numbers in (before, after)]
    return f"{shares[1]} are {number} or {'earlier' if is_date else 'less'} where the reference has {shares[0]}"


def _written(numbers: list[float], is_date: bool) -> list[str]:
    """`numbers` in as few digits as tell them apart; dates as such, to the day or to the second."""
    ways: list[Callable[[float], str]] = (
        [_to_the_day, _to_the_second] if is_date else ["{:.4g}".format, "{:.9g}".format]
    )
    written = [[way(number) for number in numbers] for way in ways]
    return next((texts for texts in written if len(set(texts)) == len(set(numbers))), written[-1])


def _to_the_day(days: float) -> str:
    return str(np.datetime64(math.floor(days), "D"))


def _to_the_second(days: float) -> str:
    return str(np.datetime64(math.floor(days * SECONDS_A_DAY), "s")).replace("T", " ")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# Categories and classes


def _shift_of_categories(reference: pd.Series, batch: pd.Series, limit: float) -> Shift:
    """Distance and chance of two samples of text; the commonest values each, all rarer ones together."""
    values = pd.concat([reference, batch], ignore_index=True).astype("str").where(lambda text: text.notna(), None)
    codes, names = pd.factorize(values, use_na_sentinel=False)
    counts = np.stack([np.bincount(part, minlength=len(names)) for part in np.split(codes, [len(reference)])])
    if len(names) == 1:
        return Shift(0.0, 1.0, limit, "All values are the same in both.")
    cells = _common(counts)
    shares = cells / cells.sum(1, keepdims=True)
    distance = float(np.abs(shares[1] - shares[0]).sum() / 2)
    return Shift(distance, _chance_of_counts(cells), limit, _category_detail(counts, list(names)))


def _common(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts (2, V) of the `MAX_CATEGORIES` commonest values in both samples together, and of all the rest as one."""
    if counts.shape[1] <= MAX_CATEGORIES:
        return counts
    order = np.argsort(-counts.sum(0), kind="stable")
    common, rest = counts[:, order[:MAX_CATEGORIES]], counts[:, order[MAX_CATEGORIES:]]
    return np.column_stack([common, rest.sum(1)])


def _chance_of_counts(cells: NDArray[np.int64]) -> float:
    """The p-value of counts (2, V): the smaller of two tests', twice (Bonferroni).

    Pearson's chi-square sees many values move a little, Fisher's exact test of each value alone sees one move far.
    """
    return min(1.0, 2 * min(_chance_of_all(cells), _chance_of_one(cells)))


def _chance_of_one(cells: NDArray[np.int64]) -> float:
    from scipy.stats import hypergeom

    small = cells[int(cells.sum(1).argmin())]
    drawn_from = (int(cells.sum()), cells.sum(0), int(small.sum()))
    ends = np.minimum(hypergeom.cdf(small, *drawn_from), hypergeom.sf(small - 1, *drawn_from))
    tests = cells.shape[1] if cells.shape[1] > 2 else 1  # of two values one says it all
    return min(1.0, tests * 2 * float(ends.min()))


def _chance_of_all(cells: NDArray[np.int64]) -> float:
    """Pearson's, by its own distribution where that holds, else over permuted samples."""
    from scipy.stats import chi2_contingency

    test = chi2_contingency(cells, correction=False)
    expected = test.expected_freq
    if expected.min() >= FEWEST_EXPECTED:
        return float(test.pvalue)
    small = int(cells.sum(1).argmin())
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        cells.sum(0), int(cells[small].sum()), size=PERMUTATIONS, method="marginals"
    )
    weights = (1 / expected).sum(0)  # what one sample has more of a value, the other has less
    reached = int((((drawn - expected[small]) ** 2) @ weights >= test.statistic * (1 - ROUNDING)).sum())
    return (reached + 1) / (PERMUTATIONS + 1)


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


def _shift_of_whole(reference: np.ndarray, batch: np.ndarray, settings: Sensitivity) -> Shift:
    """How well a classifier that learnt on half of both samples tells the other halves apart, both ways round.

    The p-value is that of Mann and Whitney for the batch scoring higher, the smaller of the two halves' twice. Scores
    of several folds taken together depend on each other, and would be significant at 1 % in 3 % of healthy batches.
    """
    from scipy.stats import mannwhitneyu

    if min(len(reference), len(batch)) < FEWEST_ROWS or not reference[:1].size:
        return _unmoved("There are too few examples for a classifier that tells the two apart.")
    drawn = (vectors[_draw(len(vectors), settings.classifier_rows)] for vectors in (reference, batch))
    samples = [np.nan_to_num(vectors.astype(np.float64)) for vectors in drawn]
    halves = [_halves(vectors) for vectors in samples]
    areas, chances = [], []
    for held_out in (False, True):
        learnt = [vectors[half != held_out] for vectors, half in zip(samples, halves, strict=True)]
        judged = [vectors[half == held_out] for vectors, half in zip(samples, halves, strict=True)]
        if not all(map(len, (*learnt, *judged))):
            return _unmoved("There are too few different examples for a classifier that tells the two apart.")
        direction = _Direction.between(*learnt)
        before, after = (direction.along(vectors) for vectors in judged)
        test = mannwhitneyu(after, before, alternative="greater", method="asymptotic")
        areas.append(float(test.statistic) / (len(before) * len(after)))
        chances.append(float(test.pvalue))
    area = float(np.mean(areas))
    detail = f"A classifier tells the two apart with an AUC of {area:.2f}, where 0.5 is chance."
    return Shift(max(0.0, 2 * area - 1), min(1.0, 2 * min(chances)), settings.separation, detail)


def _halves(vectors: Numbers) -> NDArray[np.bool_]:
    """Which half each example is in (N,): every other one, copies together, as they would be told from each other."""
    codes, _ = pd.factorize(np.array([vector.tobytes() for vector in vectors], dtype=object))
    return np.asarray(codes % 2 == 1)


def _draw(count: int, most: int) -> NDArray[np.int64]:
    """At most that many of `count` rows, drawn with a fixed seed, in order: a memory map is read once through."""
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


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
