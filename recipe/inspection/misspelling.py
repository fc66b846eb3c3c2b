"""Labels that only a slip of the pen made: variants of another class, and strays among the classes."""

import re
import unicodedata
from collections import defaultdict

import numpy as np
import pandas as pd

SHORTEST_WORD = 4  # of shorter words one letter makes another: cat, car, cap
SECOND_SLIP = 8  # letters from which two slips are still the same word
LONGEST_WORD = 30  # letters; in longer names one slip is looked for
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


def distance(a: str, b: str) -> int:
    """Slips between two words: a letter more, less or other, or two neighbours swapped (optimal string alignment)."""
    rows = [list(range(len(b) + 1))]
    for i, letter in enumerate(a, start=1):
        row = [i]
        for j, other in enumerate(b, start=1):
            slips = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                slips = min(slips, rows[-2][j - 2] + 1)
            row.append(slips)
        rows.append(row)
    return rows[-1][-1]


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
    """Classes a slip away from a far larger one; `counts` is sorted, largest first.

    Two words within n slips share what is left of each after at most n letters are struck out, so only those are
    compared.
    """
    sizes = counts.to_numpy()
    words = [_folded(name) for name in counts.index]
    by_remainder: dict[str, list[int]] = defaultdict(list)
    misspelt = {}
    for place, name in enumerate(counts.index):
        remainders = _remainders(words[place])
        similar = {other for remainder in remainders for other in by_remainder[remainder]}
        larger = sorted(other for other in similar if sizes[place] <= share * sizes[other])
        meant = next((other for other in larger if _is_slip(words[place], words[other])), None)
        if meant is not None:
            misspelt[name] = counts.index[meant]
        for remainder in remainders:
            by_remainder[remainder].append(place)
    return misspelt


def _remainders(word: str) -> set[str]:
    """The word, and what is left when one letter, or two of a word long enough for two slips, are struck out."""
    one = {word[:place] + word[place + 1 :] for place in range(len(word))}
    two = {short[:place] + short[place + 1 :] for short in one for place in range(len(short))}
    return {word} | one | (two if SECOND_SLIP - 2 <= len(word) <= LONGEST_WORD else set())


def _is_slip(word: str, meant: str) -> bool:
    if any(map(str.isdigit, word + meant)) or abs(len(word) - len(meant)) > 2:
        return False  # class_1 and class_2 are two classes
    if sorted(word) == sorted(meant):
        return distance(word, meant) == 1
    allowed = 2 if len(meant) >= SECOND_SLIP else 1
    return len(meant) >= SHORTEST_WORD and distance(word, meant) <= allowed


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
