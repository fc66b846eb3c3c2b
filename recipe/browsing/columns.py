"""The columns by which a page searches, filters and sorts examples, as plain JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from recipe.browsing.listed import Listed, found_by, suspicion
from recipe.dataset.kind import kind_of
from recipe.dataset.roles import roles_in
from recipe.dataset.stored import Dataset

PLACES = ("path", "label", "split", "group", "source")  # of the manifest, in the order that a person asks in
MOST_COLUMNS = 60  # of the user's own; a grid of more is not read, and scrolls no longer smoothly
MOST_CELLS = 4_000_000  # of the user's own: 60,000 rows of 60 columns, 25 MB; a browser opens it in 2 seconds
LONGEST_CELL = 200  # characters; what is longer is text to read elsewhere
DIGITS = 6  # significant, of measured columns; a user's own are kept as they are


@dataclass(frozen=True)
class Shown:
    """The columns of a page, and how many of the user's own are left out."""

    columns: list[dict[str, Any]]
    left_out: int


def shown_columns(dataset: Dataset, rows: np.ndarray, listed: Sequence[Listed]) -> Shown:
    """The columns of the examples `rows` (n,): places, scores, what was measured, and the user's own cells.

    Each is `{"name", "role"}` with `values` (n,) of numbers or null, or with `words` and, of each example, `codes`.
    """
    own = list(_own(dataset))
    kept = own[: max(1, min(MOST_COLUMNS, MOST_CELLS // max(len(rows), 1)))]
    columns = [
        *_placed(dataset, rows),
        *_judged(listed, rows, len(dataset.manifest)),
        *_measured(dataset, rows),
        *(_column(name, "own", cells.iloc[rows]) for name, cells in kept),
        _words("id", "place", dataset.manifest["id"].iloc[rows]),
    ]
    return Shown([column for column in columns if column is not None], len(own) - len(kept))


def _placed(dataset: Dataset, rows: np.ndarray) -> Iterator[dict[str, Any] | None]:
    for name in PLACES:
        cells = dataset.manifest[name].iloc[rows] if name in dataset.manifest else pd.Series([], dtype="str")
        if name == "label" or cells.nunique() > 1:
            yield _words(name, "place", cells.astype("object"))


def _judged(listed: Sequence[Listed], rows: np.ndarray, count: int) -> Iterator[dict[str, Any]]:
    """Suspicion, what found it, and each practice's own score."""
    scored = [one for one in listed if one.has_scores]
    if listed:
        yield _words("found by", "found", pd.Series(found_by(listed, count)).iloc[rows])
    if scored:
        yield _numbers("suspicion", "score", suspicion(scored, count)[rows])
    if len(scored) > 1:
        for one in scored:
            yield _numbers(one.practice, "score", one.scores[rows])


def _measured(dataset: Dataset, rows: np.ndarray) -> Iterator[dict[str, Any] | None]:
    for name in kind_of(dataset.preparation).measured:
        if name in dataset.manifest and dataset.manifest[name].nunique() > 1:
            column = _column(name, "measured", dataset.manifest[name].iloc[rows])
            yield column


def _own(dataset: Dataset) -> Iterator[tuple[str, pd.Series]]:
    """The user's own columns: the raw ones of a table but for those that the page has, and those of the manifest."""
    taken = set(roles_in(map(str, dataset.rows.columns), dataset.settings.data).names)
    for place, name in enumerate(dataset.rows.columns):
        if str(name) not in taken:
            yield str(name), dataset.rows.iloc[:, place]
    for name in dataset.user_columns:
        if name in dataset.manifest and name not in dataset.rows.columns:
            yield name, dataset.manifest[name]


def _column(name: str, role: str, cells: pd.Series) -> dict[str, Any] | None:
    """A column of numbers or of words; None where it is wholly empty."""
    if cells.isna().all():
        return None
    if is_numeric_dtype(cells) and not is_bool_dtype(cells):
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        return _numbers(name, role, numbers, exact=role == "own")
    return _words(name, role, cells)


def _numbers(name: str, role: str, numbers: np.ndarray, exact: bool = False) -> dict[str, Any]:
    """Numbers, null where there is none; whole ones without a decimal point."""
    finite = np.isfinite(numbers)
    if (numbers[finite] == np.rint(numbers[finite])).all() and (np.abs(numbers[finite]) < 2**53).all():
        values = np.where(finite, numbers, 0).astype(np.int64).astype(object)
    else:
        values = (numbers if exact else _rounded(numbers)).astype(object)
    values[~finite] = None
    return {"name": name, "role": role, "values": values.tolist()}


def _rounded(numbers: np.ndarray) -> np.ndarray:
    """To so many digits that the largest has six significant ones."""
    largest = np.nanmax(np.abs(numbers), initial=0.0, where=np.isfinite(numbers))
    return np.round(numbers, DIGITS - max(0, int(np.log10(largest)) if largest > 0 else 0))


def _words(name: str, role: str, cells: pd.Series) -> dict[str, Any]:
    """Words once each, in the order of their first cell, and of each example the number of its word; -1: none."""
    codes, words = pd.factorize(cells.to_numpy(dtype=object))
    return {"name": name, "role": role, "words": [_short(str(word)) for word in words], "codes": codes.tolist()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
