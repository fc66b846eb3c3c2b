"""Whether two samples of categories are from one distribution."""

import numpy as np
from numpy.typing import NDArray

from recipe.statistics.multiple_testing import bonferroni

Counts = NDArray[np.int64]  # (2, V): how often each sample has each of V values, none of which both lack

FEWEST_EXPECTED = 5.0  # in a cell, for chi-square's own distribution (Cochran 1954); below, permutations
PERMUTATIONS = 10_000  # the smallest p-value is 1e-4; where Holm asks for less, single values have it
ROUNDING = 1e-9


def homogeneity(counts: Counts) -> float:
    """The p-value of both samples having the same distribution, by two tests.

    Pearson's chi-square sees many values move a little, Fisher's exact test of each value alone sees one move far.
    """
    return bonferroni([_of_all_values(counts), _of_single_values(counts)])


def _of_all_values(counts: Counts) -> float:
    """Pearson's chi-square test, by its own distribution where that holds, else over permuted samples."""
    from scipy.stats import chi2_contingency

    test = chi2_contingency(counts, correction=False)
    if test.expected_freq.min() >= FEWEST_EXPECTED:
        return float(test.pvalue)
    small = int(counts.sum(1).argmin())
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        counts.sum(0), int(counts[small].sum()), size=PERMUTATIONS, method="marginals"
    )
    weights = (1 / test.expected_freq).sum(0)  # what one sample has more of a value, the other has less
    statistics = ((drawn - test.expected_freq[small]) ** 2) @ weights
    reached = int((statistics >= test.statistic * (1 - ROUNDING)).sum())
    return (reached + 1) / (PERMUTATIONS + 1)


def _of_single_values(counts: Counts) -> float:
    """Fisher's exact test, two-sided, of each value against all others, corrected for how many there are."""
    from scipy.stats import hypergeom

    small = counts[int(counts.sum(1).argmin())]
    drawn_from = (int(counts.sum()), counts.sum(0), int(small.sum()))
    ends = np.minimum(hypergeom.cdf(small, *drawn_from), hypergeom.sf(small - 1, *drawn_from))
    tests = counts.shape[1] if counts.shape[1] > 2 else 1  # of two values one says it all
    return min(1.0, tests * 2 * float(ends.min()))
