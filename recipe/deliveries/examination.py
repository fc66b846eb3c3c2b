"""What becomes of each example of a delivery: it is new, it is in the data set already, or it is set aside."""

import io
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from recipe.dataset.kind import kind_of
from recipe.dataset.splits import TRAIN
from recipe.dataset.stored import Dataset, load_dataset
from recipe.dataset.tables import content_ids
from recipe.deliveries.reading import Delivered, read_delivery
from recipe.inspection.columns import known_by
from recipe.inspection.duplicates import coincidences, compared_columns, near_pairs
from recipe.runtime.workspace import write_whole
from recipe.settings import Settings

NEW, KNOWN, ASIDE = "new", "known", "aside"
BLANK, CONFLICT, NEAR_TEST = "blank", "conflict", "leakage"
FATES, ROWS = "fates.parquet", "rows.parquet"
NO_TWIN = -1

Value = TypeVar("Value")

COMPARED = 5_000  # examples of the data set that blank ones are judged beside: medians over them are known to a percent


@dataclass(frozen=True)
class Examined:
    """A delivery, and what becomes of each example of it that could be read.

    `fates` has a row for each of `delivered.dataset`: fate (new, known, aside), kind and reason (empty unless aside),
    and `twin`, the row of the example of equal or nearly equal content: of the reference, or, counted on behind its
    last, of the delivery itself; -1 where there is none.
    """

    delivered: Delivered
    fates: pd.DataFrame

    @property
    def reference(self) -> Dataset:
        return self.delivered.reference

    @property
    def dataset(self) -> Dataset:
        return self.delivered.dataset

    def rows(self, fate: str) -> np.ndarray:
        """The rows of the delivery with this fate, int64 in order."""
        return np.flatnonzero((self.fates["fate"] == fate).to_numpy())

    @property
    def counts(self) -> dict[str, int]:
        """How many examples are new, known and set aside."""
        return {NEW: len(self.rows(NEW)), KNOWN: len(self.rows(KNOWN)), ASIDE: len(self.set_aside)}

    @property
    def total(self) -> int:
        """All examples that the delivery names, readable or not."""
        return len(self.fates) + len(self.dataset.quarantine)

    @cached_property
    def set_aside(self) -> pd.DataFrame:
        """What was not taken for a fault of its own: id, path, label, reason, kind."""
        rows = self.rows(ASIDE)
        known = self.dataset.manifest[["id", "path", "label"]].iloc[rows].reset_index(drop=True)
        reasons = self.fates[["reason", "kind"]].iloc[rows].reset_index(drop=True)
        return pd.concat([self.dataset.quarantine, pd.concat([known, reasons], axis=1)], ignore_index=True)

    @property
    def new_rows(self) -> np.ndarray:
        """The rows of the delivery that would be taken, int64 in order."""
        return self.rows(NEW)

    @property
    def known(self) -> pd.DataFrame:
        """The rows of `fates` of what is in already, or came before in the delivery."""
        return self.fates[self.fates["fate"] == KNOWN]

    @property
    def conflicting(self) -> pd.DataFrame:
        """The rows of `fates` of what is known under another label."""
        return self.fates[self.fates["kind"] == CONFLICT]

    @property
    def near_held_out(self) -> pd.DataFrame:
        """The rows of `fates` of near copies of validation and test examples."""
        return self.fates[self.fates["kind"] == NEAR_TEST]

    @property
    def blank(self) -> pd.DataFrame:
        """What was set aside for holding nothing, as `set_aside` has it."""
        return self.set_aside[self.set_aside["kind"] == BLANK]

    @property
    def unlabelled(self) -> pd.DataFrame:
        """What was set aside for its label, as `set_aside` has it."""
        return self.set_aside[self.set_aside["kind"] == "label"]

    @cached_property
    def new(self) -> Dataset:
        """The examples that would be taken."""
        return self.dataset.at(self.rows(NEW))


def examined_delivery(workspace: Path, settings: Settings) -> Examined:
    """The delivery that `settings` name, examined beside the prepared data of `workspace`.

    Raises:
        DataError: it is not readable as this data set, with the sentence that tells the sender why.
    """
    reference, path = load_dataset(workspace, settings), Path(settings.data.delivery or "")
    return examine(read_delivery(path, reference, settings, workspace / "data" / "delivery"))


def examine(delivered: Delivered) -> Examined:
    """Decide on each example: blank and contradictory ones are set aside, as are near copies of held-out ones."""
    fates = _blank(delivered)
    fates |= _known(delivered, set(fates))
    fates |= _near_held_out(delivered, set(fates))
    count = len(delivered.dataset.manifest)
    return Examined(delivered, pd.DataFrame([vars(fates.get(row, TAKEN)) for row in range(count)]))


@dataclass(frozen=True)
class Fate:
    """What becomes of one example: see `Examined.fates`."""

    fate: str
    kind: str = ""
    reason: str = ""
    twin: int = NO_TWIN


TAKEN = Fate(NEW)
Fates = dict[int, Fate]  # by row of the delivery; a row without one is new


def _blank(delivered: Delivered) -> Fates:
    """What is blank is judged beside examples of the data set: noise is where other images are smooth."""
    reference, dataset = delivered.reference, delivered.dataset
    count = len(reference.manifest)
    beside = np.unique(np.linspace(0, count - 1, min(count, COMPARED)).astype(np.int64))  # of all classes alike
    both = reference.at(beside).followed_by(dataset)
    found = kind_of(both.preparation).blank(both, dataset.settings.stages.data.blank, len(beside))
    places = found["row"].to_numpy() - len(beside)
    return {
        int(row): Fate(ASIDE, BLANK, str(reason))
        for row, reason in zip(places, found["reason"], strict=True)
        if row >= 0
    }


def _known(delivered: Delivered, decided: set[int]) -> Fates:
    """Content that is in already, or came before in the delivery, counts once; under another label it is a conflict.

    Where the columns are so coarse that chance makes equal rows, an equal row of another label is an example of its
    own.
    """
    held, new = _contents(delivered)
    pending = {row: one for row, one in enumerate(new) if row not in decided}
    same_in_data, same_before = _first_rows(dict(enumerate(held))), _first_rows(pending)
    in_data = _first_rows({row: content for row, (content, _) in enumerate(held)})
    labels: dict[str, list[str]] = defaultdict(list)  # that the delivery gives each content
    for content, label in sorted(same_before):
        labels[content].append(label)
    coarse = coincidences(delivered.reference) >= 1
    fates: Fates = {}
    for row, (content, label) in pending.items():
        if (content, label) in same_in_data:
            fates[row] = Fate(KNOWN, twin=same_in_data[content, label])
        elif content in in_data and not coarse:
            twin = in_data[content]
            reason = f"the data set holds it as '{held[twin][1]}': {delivered.reference.manifest['path'].iat[twin]}"
            fates[row] = Fate(ASIDE, CONFLICT, reason, twin)
        elif content not in in_data and len(labels[content]) > 1 and not coarse:
            names = ", ".join(f"'{name}'" for name in labels[content])
            fates[row] = Fate(ASIDE, CONFLICT, f"it is delivered as {names}")
        elif same_before[content, label] != row:
            fates[row] = Fate(KNOWN, twin=len(held) + same_before[content, label])
    return fates


def _contents(delivered: Delivered) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Content and label of each example of the data set, and of the delivery; what only numbers rows is no content."""
    both = (delivered.reference, delivered.dataset)
    compared = list(compared_columns(delivered.reference).columns)
    contents = [one.manifest["content_id"] for one in both]
    if compared and len(compared) < len(known_by(delivered.reference).columns):
        contents = [content_ids(known_by(one)[compared]) for one in both]
    held, new = (
        list(zip(content, map(str, one.manifest["label"]), strict=True))
        for content, one in zip(contents, both, strict=True)
    )
    return held, new


def _first_rows(rows: dict[int, Value]) -> dict[Value, int]:
    """Where each value of `rows` comes first."""
    return {value: row for row, value in reversed(rows.items())}


def _near_held_out(delivered: Delivered, decided: set[int]) -> Fates:
    """A near copy of a validation or test example would teach the net what it is to be judged by.

    A split by time holds no example out for good: what comes later is tested, and its near copies are trained on then.
    """
    if delivered.reference.time_column is not None:
        return {}
    reference, dataset = delivered.reference, delivered.dataset
    limit = kind_of(reference.preparation).near_limit(dataset.settings.stages.data.leakage)
    fresh = np.array([row for row in range(len(dataset.manifest)) if row not in decided], dtype=np.int64)
    held_out = np.flatnonzero((reference.manifest["split"] != TRAIN).to_numpy())
    start = len(held_out)
    both = reference.at(held_out).followed_by(dataset.at(fresh))
    pairs = near_pairs(both, start + np.arange(len(fresh)), np.arange(start), limit)
    fates: Fates = {}
    for a, b in zip(pairs["a"].tolist(), pairs["b"].tolist(), strict=True):
        twin = int(held_out[b])
        split, path = reference.manifest["split"].iat[twin], reference.manifest["path"].iat[twin]
        reason = f"it is nearly equal to {path}, an example of the {split} split"
        fates[int(fresh[a - start])] = Fate(ASIDE, NEAR_TEST, reason, twin)
    return fates


def write_fates(folder: Path, examined: Examined) -> None:
    """Keep what becomes of each example, for whoever takes the delivery in: path, label, content_id, fate."""
    listed = examined.dataset.manifest[["path", "label", "content_id"]].assign(fate=examined.fates["fate"])
    refused = examined.dataset.quarantine[["path", "label"]].assign(content_id="", fate=ASIDE)
    _write(folder / FATES, pd.concat([listed, refused], ignore_index=True))
    if len(examined.delivered.cells.columns):
        _write(folder / ROWS, examined.delivered.cells)


def _write(path: Path, table: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    write_whole(path, buffer.getvalue())


def read_fates(folder: Path) -> pd.DataFrame:
    """What `write_fates` wrote of the examples."""
    return pd.read_parquet(folder / FATES)


def read_rows(folder: Path) -> pd.DataFrame:
    """The rows of a file as they were examined, by their numbers in it; without columns for a folder."""
    return pd.read_parquet(folder / ROWS) if (folder / ROWS).is_file() else pd.DataFrame()
