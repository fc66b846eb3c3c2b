"""What the tables of practices say of single examples: a score, a flag, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.evidence import Finding
from recipe.report.spreadsheet import text_of

Rows = NDArray[np.int64]

NOWHERE = -1  # the row of what the data set does not hold, as a file that could not be read
ENDS = ("_a", "_b")  # of the two sides of a pair
COLUMN, FLAGGED = "column", "flagged"
KNOWN = ("id", "path", "score", "flagged")  # columns that the page has of its own, or that say the same


@dataclass(frozen=True)
class Listed:
    """One practice's table, seen from the examples (N,) of the data set.

    Attributes:
        scores: float64 (N,), the highest that the table gives each, NaN where it gives none.
        flagged: bool (N,).
        told: of each line on an example that is flagged its row, the row of the other one where the line is of a pair,
            and the cells that say why.
        table: as it was read, all of it text.
        columns: the names of columns that it flags, where it is about columns.
    """

    practice: str
    scores: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    told: pd.DataFrame
    table: pd.DataFrame
    columns: tuple[str, ...] = ()

    @property
    def has_scores(self) -> bool:
        return bool(np.isfinite(self.scores).any())


def listed_in(findings: Sequence[Finding], reports: Path, ids: pd.Series) -> list[Listed]:
    """Each table that lists examples, pairs of them, or columns, in the order of `findings`.

    Whichever practices there are: a table with a column `id`, or with `id_a` and `id_b`, lists examples; where it has
    no column `flagged`, whatever it lists is. One with `column` and `flagged` lists columns.

    Args:
        ids: (N,) of the data set's examples.
    """
    places = pd.Index(ids)
    tables = ((finding.practice, _read(reports / str(finding.table))) for finding in findings if finding.table)
    return [
        _listed(practice, table, places)
        for practice, table in tables
        if _sides(table) or {COLUMN, FLAGGED} <= set(table.columns)
    ]


def suspicion(listed: Sequence[Listed], count: int) -> NDArray[np.float64]:
    """The highest score that any table gives each example (N,), NaN where none does."""
    highest = np.full(count, np.nan)
    for one in listed:
        highest = np.fmax(highest, one.scores)
    return highest


def found_by(listed: Sequence[Listed], count: int) -> list[str]:
    """Of each example (N,) the practices that flag it, as one text."""
    names: list[list[str]] = [[] for _ in range(count)]
    for one in listed:
        for row in np.flatnonzero(one.flagged):
            names[row].append(one.practice)
    return [", ".join(practices) for practices in names]


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    return table.rename(columns=text_of)


def _sides(table: pd.DataFrame) -> list[str]:
    """The columns that name examples: one, or those of a pair; none where the table is of something else."""
    if "id" in table.columns:
        return ["id"]
    pair = [f"id{end}" for end in ENDS]
    return pair if set(pair) <= set(table.columns) else []


def _listed(practice: str, table: pd.DataFrame, places: pd.Index) -> Listed:
    rows = [places.get_indexer(pd.Index(table[side].map(text_of))) for side in _sides(table)]
    score = pd.to_numeric(table["score"], errors="coerce").clip(0, 1) if "score" in table.columns else None
    is_flagged = (table[FLAGGED] == "true").to_numpy() if FLAGGED in table.columns else np.ones(len(table), bool)
    scores, flagged = np.full(len(places), np.nan), np.zeros(len(places), bool)
    for side in rows:
        known = side != NOWHERE
        if score is not None:
            np.fmax.at(scores, side[known], score.to_numpy(dtype=np.float64)[known])
        flagged[side[known & is_flagged]] = True
    return Listed(practice, scores, flagged, _told(table, rows, is_flagged), table, _columns(table[is_flagged]))


def _columns(flagged: pd.DataFrame) -> tuple[str, ...]:
    """The columns that the lines name, each once."""
    if COLUMN not in flagged.columns:
        return ()
    return tuple(name for name in flagged[COLUMN].map(text_of).unique() if name)


def _told(table: pd.DataFrame, rows: list[Rows], is_flagged: NDArray[np.bool_]) -> pd.DataFrame:
    """The lines on flagged examples: `row`, `other`, and why; a pair is told of either side."""
    why = table[[name for name in table.columns if name not in KNOWN and not str(name).endswith(ENDS)]]
    nothing = pd.DataFrame({"row": pd.Series(dtype="int64"), "other": pd.Series(dtype="int64")})
    return pd.concat([*_seen_from(rows, why, is_flagged)] or [nothing], ignore_index=True)


def _seen_from(rows: list[Rows], why: pd.DataFrame, is_flagged: NDArray[np.bool_]) -> Iterator[pd.DataFrame]:
    for number, side in enumerate(rows):
        other = rows[1 - number] if len(rows) > 1 else np.full(len(side), NOWHERE)
        kept = is_flagged & (side != NOWHERE)
        lines = why[kept].apply(lambda column: column.map(text_of))
        lines.columns = pd.Index([f"why {name}" for name in why.columns])
        yield lines.assign(row=side[kept], other=other[kept])
