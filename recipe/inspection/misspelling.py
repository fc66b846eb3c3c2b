"""Labels that only a slip of the pen made: variants of another class, and strays among the classes."""

import re
import unicodedata

import numpy as np
import pandas as pd
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract_iter

SHORTEST_WORD = 4  # of shorter words one letter makes another: cat, car, cap
SECOND_SLIP = 8  # letters from which two slips are still the same word
MOST_SLIPS = 2  # in one word
NUMERIC_SHARE = 0.95  # of labels that are numbers, from which the others are mistakes
FEWEST_CLASSES = 2  # ordinary ones that a stray stands out from
FEW_NUMBERS = 0.05  # more than these are no exceptions
GAP_IN_RANGES = 2.0  # of a Pareto tail's largest values one in ten leaves such a gap, of a normal one's none
MOST_STRAYS = 2  # examples in a class that is taken for a slip although its name is plausible


def faulty_classes(counts: pd.Series, misspelt_share: float, stray_share: float) -> dict[str, tuple[str, str]]:
    """The classes that are no classes: name to reason and the class that was probably meant (or nothing).

    `counts` holds the number of examples by class, as given, spaces and all.
    """
    counts = counts.sort_values(ascending=False, kind="stable")
    faulty = {name: ("a case or space variant", other) for name, other in _variants(counts).items()}
    faulty |= {
        name: ("a misspelling", other)
        for name, other in _misspellings(counts, misspelt_share).items()
        if name not in faulty
    }
    rest = counts[[name for name in counts.index if name not in faulty]]
    return faulty | {name: (reason, "") for name, reason in _strays(rest, stray_share).items()}


def outlying_numbers(numbers: np.ndarray) -> np.ndarray:
    """Which numbers `(N,)` are few and lie beyond a gap of more than twice the range of the rest: bool `(N,)`.

    That is how a placeholder such as -999 or a slipped decimal point lies; a long tail gets there by degrees.
    """
    return _above_gap(numbers) | _above_gap(-numbers)


def _above_gap(numbers: np.ndarray) -> np.ndarray:
    few = int(FEW_NUMBERS * len(numbers))
    if few == 0:
        return np.zeros(len(numbers), dtype=bool)
    ordered = np.sort(numbers)
    gaps = ordered[-few:] - ordered[-few - 1 : -1]
    ranges = ordered[-few - 1 : -1] - ordered[few]  # the same few may lie outside at the other end
    beyond = np.flatnonzero(gaps > GAP_IN_RANGES * ranges)
    return numbers >= ordered[-few:][beyond[0]] if len(beyond) else np.zeros(len(numbers), dtype=bool)


def _variants(counts: pd.Series) -> dict[str, str]:
    """Classes equal but for case, spaces, punctuation between words or the way a number is written; largest first."""
    first: dict[str, str] = {}
    variants = {}
    for name in counts.index:
        key = _folded(name)
        if key in first:
            variants[name] = first[key]
        else:
            first[key] = name
    return variants


def _folded(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).strip()
    if re.fullmatch(r"[-+]?\d+(\.0*)?", text):
        return str(int(float(text)))
    return re.sub(r"[\s_\-]+", " ", text).casefold()


def _misspellings(counts: pd.Series, share: float) -> dict[str, str]:
    """Classes a slip away from a far larger one; `counts` is sorted, largest first."""
    sizes = counts.to_numpy()
    words = [_folded(name) for name in counts.index]
    misspelt = {}
    for name, word, size in zip(counts.index, words, sizes, strict=True):
        larger = words[: np.count_nonzero(size <= share * sizes)]
        for meant, slips, place in extract_iter(word, larger, scorer=OSA.distance, score_cutoff=MOST_SLIPS):
            if _is_slip(word, meant, slips):
                misspelt[name] = counts.index[place]
                break
    return misspelt


def _is_slip(word: str, meant: str, slips: float) -> bool:
    """Whether `word` is `meant` written with so many slips.

    Args:
        slips: between them: a letter more, less or other, or two neighbours swapped (optimal string alignment).
    """
    if any(map(str.isdigit, word + meant)):
        return False  # class_1 and class_2 are two classes
    if sorted(word) == sorted(meant):
        return slips == 1
    allowed = MOST_SLIPS if len(meant) >= SECOND_SLIP else 1
    return len(meant) >= SHORTEST_WORD and slips <= allowed


def _strays(counts: pd.Series, share: float) -> dict[str, str]:
    """Classes far smaller than the smallest ordinary one, below the first such drop in size, whose names do not fit."""
    numbers = pd.to_numeric(pd.Series(counts.index, index=counts.index), errors="coerce")
    strays = {}
    if counts[numbers.notna()].sum() >= NUMERIC_SHARE * counts.sum():
        strays = dict.fromkeys(counts.index[numbers.isna()], "not a number")
    counts = counts[[name for name in counts.index if name not in strays]]
    drops = np.flatnonzero(counts.to_numpy()[1:] < share * counts.to_numpy()[:-1])
    if not len(drops) or drops[0] + 1 < FEWEST_CLASSES:
        return strays
    ordinary, small = counts.index[: drops[0] + 1], counts.index[drops[0] + 1 :]
    for name in small:
        if numbers[ordinary].isna().any():
            if counts[name] <= MOST_STRAYS:
                strays[name] = "unknown"
        elif _out_of_range(float(numbers[name]), numbers[ordinary].to_numpy(), int(counts[name])):
            strays[name] = "out of range"
    return strays


def _out_of_range(number: float, ordinary: np.ndarray, count: int) -> bool:
    """A rare number beyond the others: next to them only with hardly an example, else with a gap or a lone minus."""
    low, high = float(ordinary.min()), float(ordinary.max())
    if low <= number <= high:
        return number % 1 != 0 and bool((ordinary % 1 == 0).all())
    gap = low - number if number < low else number - high
    lone_minus = number < 0 <= low and len(ordinary) > FEWEST_CLASSES
    return gap > 1 or lone_minus or count <= MOST_STRAYS
