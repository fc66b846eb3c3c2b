"""The manifest: one row an example, and the quarantine: one row for each that was left out."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from recipe.dataset.preparation import as_text
from recipe.dataset.readings import Reading
from recipe.settings import nearest

Task = Literal["classification", "regression"]

COLUMNS = ("id", "content_id", "bytes_id", "path", "label", "split", "group", "source")
DECIDED = "decided"  # the column of what a person decided, where there is such; the kind of what was so dropped
QUARANTINE = ("id", "path", "label", "reason", "kind")
DIGEST_BYTES = 16
PLAIN_LABELS = {"style": "1234.5", "absent": None}  # how labels are read where nobody says otherwise
COLUMNS_NAMED = 20  # in a sentence that a person still reads


@dataclass(frozen=True)
class Rejected:
    """An example left out, and why; `kind` is unreadable, missing, outside, malformed, label or decided.

    Only what was decided on had an `id` by its content before.
    """

    path: str
    reason: str
    kind: str
    label: str = ""
    id: str | None = None


@dataclass(frozen=True)
class Examples:
    """What a source holds, in its own order, with a label each, before labels are coded and splits are drawn.

    `task` is what the labels ask for. `manifest` has `COLUMNS`, with `split` as the user gave it or missing, and `time`
    where the split is by time, which the user's `time_column` then says; `rows` are
    a table's raw columns in the same order, none for a folder. `user_columns` names what the manifest holds of the
    user's own columns. `notes` are what a person should know, a sentence each; `taken` says in a few words each what
    was read, and for what it was taken. `readings` say of a table how its columns are read, `label_reading` how its
    labels.
    """

    manifest: pd.DataFrame
    task: Task
    rejected: list[Rejected] = field(default_factory=list)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    user_columns: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    label_reading: dict[str, Any] = field(default_factory=lambda: dict(PLAIN_LABELS))
    time_column: str | None = None


def digest(*parts: bytes) -> str:
    """A 128-bit name of content: equal on every machine, and no two contents share it."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def numbered(names: pd.Series) -> pd.Series:
    """Unique ids: each name, and for its second, third, ... occurrence a number behind it."""
    occurrence = names.groupby(names, sort=False).cumcount()
    return names.where(occurrence == 0, names + "-" + occurrence.astype("str"))


def quarantine_of(rejected: Iterable[Rejected]) -> pd.DataFrame:
    """The quarantine as a table; an id of its own is kept, else it comes from the path, as there may be no content."""
    rejected = list(rejected)
    records = [(item.path, item.label, item.reason, item.kind) for item in rejected]
    table = pd.DataFrame(records, columns=["path", "label", "reason", "kind"], dtype="str")
    names = pd.Series([item.id or digest(item.path.encode("utf-8")) for item in rejected], dtype="str")
    return table.assign(id=numbered(names))[list(QUARANTINE)]


def user_column(name: str, taken: Iterable[str]) -> str:
    """The name that a user's own column has in the manifest: its own, unless the manifest has one of that name."""
    return f"user {name}" if name in taken else name


def optional(values: pd.Series | None, length: int) -> pd.Series:
    """A column as text, the same value written in two ways as one, with nothing where there is none or no value."""
    if values is None:
        return pd.Series([None] * length, dtype="str")
    return as_text(values).astype("str").reset_index(drop=True)


def no_column(where: object, role: str, name: str, columns: Iterable[str], remedy: str) -> str:
    """The sentence for a column that is not there, with the nearest one, all of them, and what to do."""
    names = [str(column) for column in columns]
    has = ", ".join(names[:COLUMNS_NAMED]) + (" and more" if len(names) > COLUMNS_NAMED else "")
    return f"{where} has no column '{name}' for the {role}{nearest(name, names)}; it has {has}: {remedy}."


def place_in_words(path: str) -> str:
    """The `path` of an example as whoever delivered it knows it: a row of a table is counted from one."""
    kind, _, number = path.partition(":")
    return f"row {int(number) + 1} below the header" if kind == "row" and number.isdecimal() else path
