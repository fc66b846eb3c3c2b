"""Ingest: read the source, leave out what cannot be used, split, and prepare once for every stage that follows."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.builtin import builtin_kind, read_builtin
from recipe.dataset.clusters import equal_by_chance, equal_pairs
from recipe.dataset.decided import Decisions, carried_out, gathered, grouped
from recipe.dataset.kind import Kind, kind_named
from recipe.dataset.labels import class_names, coded, label_numbers
from recipe.dataset.manifest import COLUMNS, Examples, numbered, quarantine_of
from recipe.dataset.roles import content_columns
from recipe.dataset.splits import SPLITS, TRAIN, split_examples
from recipe.dataset.store import whole_folder
from recipe.dataset.stored import FACTS, INPUTS, MANIFEST, PREPARATION, PREPARED, QUARANTINE, ROWS, TARGETS
from recipe.dataset.taken import line
from recipe.dataset.target_scale import describe, standardised
from recipe.dataset.time_split import notes_on_time_split, split_by_time, time_splits_taken
from recipe.errors import DataError
from recipe.runtime.workspace import fingerprint, private_folder, write_json
from recipe.settings import Data, Settings
from recipe.settings.kinds import BUILTIN

UNDECIDED = Decisions()
MOST_BY_CHANCE = 2.0  # times the equal pairs that chance makes of independent columns: more of them are copies
NO_PARTS = {"pixels": None, "features": None, "columns": None}  # of preparation.json, which not every kind has


@dataclass(frozen=True)
class Ingested:
    """What ingest made: how many examples each split has, how many were left out, what was taken of the source, in a
    line, and what a person should know, a sentence each.
    """

    splits: dict[str, int]
    quarantined: int
    taken: str
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        return sum(self.splits.values())

    @property
    def quarantined_share(self) -> float:
        """Of all examples that were found, 0 to 1."""
        return self.quarantined / (self.kept + self.quarantined)


def ingest(
    workspace: Path,
    settings: Settings,
    folder: Path = PREPARED,
    home: Path | None = None,
    decisions: Decisions = UNDECIDED,
) -> Ingested:
    """Prepare the data set of `settings` in `folder` of the workspace, whole or not at all.

    Args:
        home: the workspace whose ledger of splits holds, where this one is a scratch beside it; by default this one.
        decisions: what a person has decided about single examples.

    Raises:
        DataError: it cannot be read as the settings describe it, or a decision cannot be carried out.
        WorkspaceError: the workspace cannot be written.
    """
    data = settings.data
    path = (workspace / data.path).resolve()
    packaged = data.kind == BUILTIN
    where = data.name if packaged else path
    kind = kind_named(builtin_kind(data.name) if packaged else data.kind)
    with whole_folder(workspace / folder) as out:
        examples = (read_builtin if packaged else kind.read)(path, data, out / INPUTS)
        if data.target is not None and examples.task == "classification":
            raise DataError(
                f"data.target={data.target} is for a quantity, and the label of {where} is taken for classes: set "
                "data.task=regression as well, or leave it out."
            )
        given = examples.manifest["label"]
        classes = class_names(given, where) if examples.task == "classification" else None
        split_given = bool(examples.manifest["split"].notna().any())
        examples = grouped(examples, decisions)
        splits = _split(examples, classes, data, where, ledger_of(home or workspace, path, data, split_given))
        if data.split.by == "chance" and not split_given:
            splits = gathered(splits, examples.manifest, decisions)
        corrected = carried_out(examples, splits, decisions, data, out / INPUTS, where)
        examples, splits, labels = corrected.examples, corrected.splits, corrected.examples.manifest["label"]
        if classes and corrected.notes:
            classes = class_names(labels, where)
        training = np.flatnonzero(splits == "train")
        preparation: dict[str, Any] = {"kind": kind.name, **NO_PARTS}
        preparation |= kind.prepare(examples, training, data, where, out / INPUTS)
        readings = {name: reading.as_json() for name, reading in examples.readings.items()}
        preparation |= {"label": examples.label_reading, "readings": readings}
        preparation["input_shape"] = list(np.load(out / INPUTS, mmap_mode="r", allow_pickle=False).shape[1:])
        preparation |= _prepare_targets(labels, classes, training, data, where, out)
        taken = line([*examples.taken, _splits_taken(examples, splits, split_given)])
        notes = [*examples.notes, *corrected.notes, *(_thin_classes(labels, splits) if classes else ())]
        notes += notes_on_time_split(examples.manifest, splits) if examples.time_column else ()
        _write_tables(kind, examples, splits, out)
        write_json(out / PREPARATION, preparation | {"task": examples.task})
        facts = {"split_given": split_given, "user_columns": examples.user_columns, "taken": taken, "notes": notes}
        facts |= {"time_column": examples.time_column}
        write_json(out / FACTS, facts | {"content": _content(out)})
    counts = {name: int((splits == name).sum()) for name in SPLITS}
    return Ingested(counts, len(examples.rejected), taken, tuple(notes))


def _split(examples: Examples, classes: list[str] | None, data: Data, where: object, ledger: Path) -> pd.Series:
    """The split of each example.

    Raises:
        DataError: the settings ask for one that the source cannot have.
    """
    if data.split.by == "chance":
        labels = examples.manifest["label"]
        strata = labels if classes else pd.Series("", index=labels.index, dtype="str")
        return split_examples(_told_apart(examples, data), strata, data.split, ledger, where)
    if examples.manifest["split"].notna().any():
        raise DataError(
            f"{where} has a split of its own, and data.split.by=time would make another: leave data.split.by=time out, "
            "or give the data without their split."
        )
    if examples.time_column is None:
        raise DataError(
            f"{where} has no column of dates for data.split.by=time: leave it out, or add a labels.csv with one."
        )
    splits = split_by_time(examples.manifest, data.split, examples.time_column, where)
    training = examples.manifest["label"][splits == TRAIN]
    if classes and training.nunique() == 1:
        raise DataError(
            f"All {len(training)} training examples of {where} are of the class '{training.iloc[0]}', since others "
            f"come later by '{examples.time_column}': leave data.split.by=time out, or bring more from before."
        )
    return splits


def _told_apart(examples: Examples, data: Data) -> pd.DataFrame:
    """The manifest, with a content for each row of a table so coarse that chance alone makes equal ones.

    Those are no copies: kept together they would leave a split with a few kinds of rows, all of each.
    """
    manifest = examples.manifest
    if manifest["content_id"].is_unique:
        return manifest
    columns = (examples.rows[name] for name in content_columns(examples.rows.columns, data))
    by_chance, found = equal_by_chance(columns, len(manifest)), equal_pairs(manifest["content_id"])
    if by_chance < 1 or found > MOST_BY_CHANCE * by_chance:
        return manifest
    return manifest.assign(content_id=numbered(manifest["content_id"]))


def ledger_of(workspace: Path, path: Path, data: Data, split_given: bool) -> Path:
    """Where assignments by chance are kept: other data, or other settings of the split, keep theirs elsewhere."""
    inside = path.is_relative_to(workspace.resolve())
    key = fingerprint(
        {
            "data": [data.kind, os.path.relpath(path, workspace) if inside else str(path), data.label, data.task],
            "split": [
                data.split.model_dump(exclude={"by", "column"}),  # so that a ledger of before is found again
                split_given and data.split_column,
                data.group_column,
            ],
        }
    )
    return private_folder(workspace) / "splits" / f"{re.sub(r'[^-.0-9A-Za-z]', '_', data.name)}-{key}.parquet"


def _prepare_targets(
    labels: pd.Series, classes: list[str] | None, training: np.ndarray, data: Data, where: object, out: Path
) -> dict[str, Any]:
    """Write the targets, and give their part of preparation.json.

    Raises:
        DataError: every number to learn is the same.
    """
    if classes:
        np.save(out / TARGETS, coded(labels, classes), allow_pickle=False)
        return {"classes": classes, "target": None}
    numbers = label_numbers(labels)
    if np.ptp(numbers[training]) == 0:
        raise DataError(
            f"All {len(training)} training labels of {where} are {numbers[training][0]:g}, so there is nothing to "
            "learn: name another column with data.label."
        )
    target = describe(numbers[training], data.label, data.target)
    np.save(out / TARGETS, standardised(numbers, target), allow_pickle=False)
    return {"classes": None, "target": target}


def _content(folder: Path) -> dict[str, str]:
    """The hash of each file in `folder`: what was made from these data is made from them alone."""
    hashes = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "blake2b").hexdigest()
    return hashes


def _splits_taken(examples: Examples, splits: pd.Series, are_given: bool) -> str:
    if examples.time_column is not None:
        return time_splits_taken(examples.manifest, splits, examples.time_column)
    counts = ", ".join(f"{(splits == name).sum():,} {name}" for name in SPLITS)
    return f"{counts}{', as given' if are_given else ''}"


def _thin_classes(labels: pd.Series, splits: pd.Series) -> list[str]:
    """A sentence for each class that is missing from a split."""
    counts = pd.crosstab(labels, splits).reindex(columns=list(SPLITS), fill_value=0)
    notes = []
    for label, row in counts.iterrows():
        absent = [name for name in SPLITS if row[name] == 0]
        if absent:
            size = "1 example" if row.sum() == 1 else f"{row.sum()} examples"
            notes.append(f"The class '{label}' has {size} and none in {' and '.join(absent)}.")
    return notes


def _write_tables(kind: Kind, examples: Examples, splits: pd.Series, out: Path) -> None:
    manifest = examples.manifest.assign(split=splits)
    order = [name for name in (*COLUMNS, *kind.measured) if name in manifest.columns]
    manifest = manifest[[*order, *(name for name in manifest.columns if name not in order)]]
    manifest.to_parquet(out / MANIFEST, index=False)
    quarantine_of(examples.rejected).to_parquet(out / QUARANTINE, index=False)
    if len(examples.rows.columns):
        examples.rows.to_parquet(out / ROWS, index=False)
