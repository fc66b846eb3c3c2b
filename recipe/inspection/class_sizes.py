"""Which classes are far smaller than the others, and how much the examples of a class are worth."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

APART = 3.5  # robust standard deviations, from which Iglewicz and Hoaglin (1993) call a value an outlier
FEWEST_OTHERS = 3  # classes from which on their spread tells anything
MAD_OF_NORMAL = 1.4826  # standard deviations to one median absolute deviation, of a normal distribution
OVERLAP = 0.999  # beta of Cui et al. 2019 for iNaturalist and ImageNet: a class is worth 1,000 examples at most


def rare_classes(counts: Counts, least_ratio: float, alpha: float) -> NDArray[np.bool_]:
    """Which classes (K,) have far fewer examples than the others: apart from them, and beyond chance.

    Such a class has `least_ratio` times fewer than the median of the others, lies `APART` below them on the scale of
    logarithms, so that no class of a long tail is rare beside its neighbours, and would not be so small by chance in
    more than `alpha` of the sets whose classes are even (binomial test, Bonferroni over the classes). A class without
    examples is missing, not rare.
    """
    from scipy.stats import binom

    present = counts > 0
    usual, spread = usual_beside(counts)
    lag = np.log(np.maximum(usual, 1)) - np.log(np.maximum(counts, 1))
    by_chance = binom.cdf(counts, counts + np.ceil(usual), 0.5)
    apart = (lag >= np.log(least_ratio)) & (lag > APART * spread)
    return present & apart & (by_chance < alpha / max(int(present.sum()), 1))


def usual_beside(counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each class (K,) the median count of the other classes, and the robust spread of their logarithms.

    The spread is 0 where fewer than `FEWEST_OTHERS` others have examples; a median is 0 where none has.
    """
    sizes, first, size_of = np.unique(counts, return_index=True, return_inverse=True)
    usual, spread = np.zeros(len(sizes)), np.zeros(len(sizes))
    for place, one in enumerate(first):  # classes of one size have like others
        others = np.delete(counts, one)
        others = others[others > 0]
        if len(others):
            usual[place] = np.median(others)
        if len(others) >= FEWEST_OTHERS:
            logs = np.log(others)
            spread[place] = MAD_OF_NORMAL * np.median(np.abs(logs - np.median(logs)))
    return usual[size_of], spread[size_of]


def effective_examples(counts: Counts) -> NDArray[np.float64]:
    """How many examples without overlap those of each class (K,) are worth (Cui et al. 2019, equation 2)."""
    return (1 - OVERLAP ** counts.astype(np.float64)) / (1 - OVERLAP)


def effective_classes(counts: Counts) -> float:
    """How many classes of one size would be as hard to guess: the exponential of the entropy (Hill 1973, order 1)."""
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
