"""How many equal rows of a table chance explains: rows of a few coarse values meet without being copies."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEVEL = 0.01  # of tables without a copy, the share in which more pairs are equal than chance is said to explain
CROSSED = 8  # columns, those in which most pairs differ alone, of which every two and three are looked at

Codes = NDArray[np.uint64]


@dataclass(frozen=True)
class Coincidences:
    """What chance is expected to make of a table: equal pairs of rows, and those of them with two labels.

    `clumping` is the variance of the number of pairs over that number: 1 where each pair comes alone, as Poisson's law
    has it, and more where many rows are equal at once.
    """

    pairs: float
    conflicts: float
    clumping: float

    @property
    def most_pairs(self) -> float:
        return _most(self.pairs, self.clumping)

    @property
    def most_conflicts(self) -> float:
        return _most(self.conflicts, self.clumping)


NONE = Coincidences(0.0, 0.0, 1.0)


def expected_coincidences(rows: pd.DataFrame, labels: pd.Series, classes: bool) -> Coincidences:
    """What chance makes of `rows` under their `labels`, taken from the table itself, copies and all.

    Real columns depend on each other, so that more rows meet than independent ones would: the highest of four
    estimates counts. First, columns that are independent within each class. Then, of pairs that differ in one column
    alone, as many meet in it as two rows do anywhere. Then, of the pairs that are equal but for two columns, those that
    differ in one of them or in the other say how many differ in neither (log-linear, without an interaction of the
    two). Last, the same of three columns, without an interaction of all three; the median of every three, which is not
    the luckiest. Copies differ in no column, so they hardly raise the last three. Labels of equal rows differ, by
    chance, no more often than those of rows that differ in one column.
    """
    if not len(rows.columns) or len(rows) < 2:
        return NONE
    columns = [_codes(rows[name]) for name in rows]
    label = _codes(labels)
    row: Codes = np.add.reduce(columns, dtype=np.uint64)
    equal, alike = _pairs(row), _pairs(row + label)
    apart = np.array([_pairs(row - column) - equal for column in columns])  # pairs that differ in that column alone
    apart_alike = np.array([_pairs(row - column + label) - alike for column in columns])
    within, across = _independent(columns, label if classes else np.zeros_like(label))
    pairs = max(within + across, _from_one(columns, apart), _from_more(columns, row, equal, apart))
    clumping = _clumping(row, equal)
    disagreement = 1 - apart_alike.sum() / apart.sum() if apart.sum() else 0.0
    return Coincidences(pairs, max(across, disagreement * min(equal, _most(pairs, clumping))), clumping)


def _most(expected: float, clumping: float) -> float:
    """The number that chance exceeds with a probability of LEVEL: Poisson's, stretched to the variance.

    Wedderburn 1974, Biometrika 61:439, quasi-likelihood.
    """
    from scipy.stats import poisson

    return clumping * float(poisson.isf(LEVEL, expected / clumping))


def _codes(column: pd.Series) -> Codes:
    """A random 64-bit number for each value: sums of them tell combinations of values apart."""
    places = pd.factorize(column, use_na_sentinel=False)[0]
    seed = np.random.default_rng(pd.util.hash_array(np.array([str(column.name)], dtype=object)))
    return seed.integers(0, 2**64, places.max() + 1, dtype=np.uint64)[places]


def _pairs(codes: Codes) -> float:
    """How many pairs have equal codes."""
    counts = np.unique(codes, return_counts=True)[1].astype(float)
    return float((counts * (counts - 1)).sum() / 2)


def _independent(columns: list[Codes], label: Codes) -> tuple[float, float]:
    """Equal pairs within classes, and across them, were the columns independent in each class."""
    from scipy.sparse import csr_array

    classes, own = np.unique(label, return_inverse=True)
    sizes = np.bincount(own).astype(float)
    all_pairs = np.outer(sizes, sizes) - np.diag(sizes)
    share = np.ones((len(classes), len(classes)))
    for column in columns:
        values, place = np.unique(column, return_inverse=True)
        table = csr_array((np.ones(len(place)), (own, place)), shape=(len(classes), len(values)))
        share *= ((table @ table.T).toarray() - np.diag(sizes)) / np.maximum(all_pairs, 1)
    expected = share * all_pairs / 2
    return float(np.trace(expected)), float(expected.sum() - np.trace(expected))


def _from_one(columns: list[Codes], apart: NDArray[np.float64]) -> float:
    """The most equal pairs that those differing in one column alone let expect."""
    meet = np.array([_pairs(column) for column in columns]) / (len(columns[0]) * (len(columns[0]) - 1) / 2)
    odds = np.divide(meet, 1 - meet, out=np.zeros_like(meet), where=meet < 1)
    return float((apart * odds).max())


def _from_more(columns: list[Codes], row: Codes, equal: float, apart: NDArray[np.float64]) -> float:
    """The most equal pairs that those differing in two or three columns, or in some of them, let expect."""
    top = np.argsort(-apart, kind="stable")[:CROSSED].tolist()
    two = {}
    for i, j in combinations(top, 2):
        two[i, j] = _pairs(row - columns[i] - columns[j]) - equal - apart[i] - apart[j]
    of_two = [apart[i] * apart[j] / both for (i, j), both in two.items() if both > 0]
    of_three = []
    for i, j, k in combinations(top, 3):
        pairs = two[i, j], two[i, k], two[j, k]
        alone = apart[[i, j, k]]
        three = _pairs(row - columns[i] - columns[j] - columns[k]) - equal - alone.sum() - sum(pairs)
        if min(pairs) > 0:
            of_three.append(alone.prod() * three / math.prod(pairs))
    return float(max([0.0, *of_two, np.median(of_three) if of_three else 0.0]))


def _clumping(row: Codes, equal: float) -> float:
    """The variance of the number of equal pairs over that number, as of a U-statistic (Hoeffding 1948), at least 1."""
    count = float(len(row))
    sizes = np.unique(row, return_counts=True)[1].astype(float)
    pair = equal / (count * (count - 1) / 2)
    triple = (sizes * (sizes - 1) * (sizes - 2)).sum() / max(count * (count - 1) * (count - 2), 1)
    return max(1.0, 1 - pair + 2 * (count - 2) * (triple - pair**2) / pair) if pair else 1.0
