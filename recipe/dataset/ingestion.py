"""Ingest: read the source, leave out what cannot be used, split, and prepare once for every stage that follows."""

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.builtin import Pictures, load_builtin
from recipe.dataset.images import Stored, decode_images, pixel_statistics, store_pictures
from recipe.dataset.labels import class_names, coded, label_numbers
from recipe.dataset.listing import list_images
from recipe.dataset.manifest import COLUMNS, MEASURED, Examples, quarantine_of
from recipe.dataset.preparation import prepare_rows
from recipe.dataset.splits import SPLITS, split_examples
from recipe.dataset.store import RowWriter, whole_folder
from recipe.dataset.stored import FACTS, INPUTS, MANIFEST, PREPARATION, PREPARED, QUARANTINE, ROWS, TARGETS
from recipe.dataset.tables import fit_rows, read_table_file, table_examples
from recipe.errors import DataError
from recipe.runtime.workspace import fingerprint, private_folder, write_json
from recipe.settings import Data, Settings

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 65_536  # of a table prepared at a time, so that its float64 copy stays small


@dataclass(frozen=True)
class Ingested:
    """What ingest made: how many examples each split has, how many were left out, and what a person should know."""

    splits: dict[str, int]
    quarantined: int
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        return sum(self.splits.values())

    @property
    def quarantined_share(self) -> float:
        """Of all examples that were found, 0 to 1."""
        return self.quarantined / (self.kept + self.quarantined)


def ingest(workspace: Path, settings: Settings, folder: Path = PREPARED, home: Path | None = None) -> Ingested:
    """Prepare the data set of `settings` in `folder` of the workspace, whole or not at all.

    Args:
        home: the workspace whose ledger of splits holds, where this one is a scratch beside it; by default this one.

    Raises:
        DataError: it cannot be read as the settings describe it.
        WorkspaceError: the workspace cannot be written.
    """
    data = settings.data
    path = (workspace / data.path).resolve()
    where = path if data.kind != "builtin" else data.name
    with whole_folder(workspace / folder) as out:
        examples, stored = _read(path, data, out / INPUTS)
        labels = examples.manifest["label"]
        classes = class_names(labels, where) if examples.task == "classification" else None
        strata = labels if classes else pd.Series("", index=labels.index, dtype="str")
        split_given = bool(examples.manifest["split"].notna().any())
        splits = split_examples(
            examples.manifest, strata, data.split, _ledger(home or workspace, path, data, split_given), where
        )
        training = np.flatnonzero(splits == "train")
        preparation = _prepare_inputs(examples, stored, training, data, where, out)
        preparation |= _prepare_targets(labels, classes, training, data, where, out)
        notes = [*examples.notes, *_thin_classes(strata, splits)] if classes else examples.notes
        _write_tables(examples, splits, out)
        write_json(out / PREPARATION, preparation | {"task": examples.task})
        facts = {"split_given": split_given, "user_columns": examples.user_columns, "notes": notes}
        write_json(out / FACTS, facts | {"content": _content(out)})
    for note in notes:
        logger.warning("%s", note)
    counts = {name: int((splits == name).sum()) for name in SPLITS}
    return Ingested(counts, len(examples.rejected), tuple(notes))


def _read(path: Path, data: Data, inputs: Path) -> tuple[Examples, Stored | None]:
    """The labelled examples of the source; images are written to `inputs` as they are decoded."""
    if data.kind == "table":
        return read_table_file(path, data), None
    if data.kind == "image_folder":
        return decode_images(list_images(path, data), data.image, data.name, inputs)
    source = load_builtin(data.name)
    if isinstance(source, Pictures):
        return store_pictures(source, data.name, inputs)
    return table_examples(source, data.name, data), None


def _ledger(workspace: Path, path: Path, data: Data, split_given: bool) -> Path:
    """Where assignments are kept: other data, or other settings of the split, keep theirs elsewhere."""
    inside = path.is_relative_to(workspace.resolve())
    key = fingerprint(
        {
            "data": [data.kind, os.path.relpath(path, workspace) if inside else str(path), data.label, data.task],
            "split": [data.split.model_dump(), split_given and data.split_column, data.group_column],
        }
    )
    return private_folder(workspace) / "splits" / f"{re.sub(r'[^-.0-9A-Za-z]', '_', data.name)}-{key}.parquet"


def _prepare_inputs(
    examples: Examples, stored: Stored | None, training: np.ndarray, data: Data, where: object, out: Path
) -> dict[str, Any]:
    """The inputs' part of preparation.json, by training statistics; a table's inputs are written here."""
    if stored is not None:
        inputs = np.load(out / INPUTS, mmap_mode="r", allow_pickle=False)
        size = {"channels": stored.channels, "height": stored.height, "width": stored.width}
        pixels = pixel_statistics(inputs, training) | size
        return {
            "kind": "images",
            "input_shape": list(stored.shape),
            "pixels": pixels,
            "features": None,
            "columns": None,
        }
    assert examples.rows is not None, "a source gives images or rows"
    preparation = fit_rows(examples.rows, training, data, where)
    with RowWriter(out / INPUTS, (len(preparation["features"]),), np.float32) as writer:
        for start in range(0, len(examples.rows), ROWS_AT_ONCE):
            writer.append(prepare_rows(examples.rows.iloc[start : start + ROWS_AT_ONCE], preparation))
    return preparation


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
    mean, std = float(numbers[training].mean()), float(numbers[training].std())
    if np.ptp(numbers[training]) == 0:
        raise DataError(
            f"All {len(training)} training labels of {where} are {mean:g}, so there is nothing to learn: "
            "name another column with data.label."
        )
    np.save(out / TARGETS, ((numbers - mean) / std).astype(np.float32)[:, np.newaxis], allow_pickle=False)
    return {"classes": None, "target": {"mean": [mean], "std": [std], "names": [data.label]}}


def _content(folder: Path) -> dict[str, str]:
    """The hash of each file in `folder`: what was made from these data is made from them alone."""
    hashes = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "blake2b").hexdigest()
    return hashes


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


def _write_tables(examples: Examples, splits: pd.Series, out: Path) -> None:
    manifest = examples.manifest.assign(split=splits)
    order = [name for name in (*COLUMNS, *MEASURED) if name in manifest.columns]
    manifest = manifest[[*order, *(name for name in manifest.columns if name not in order)]]
    manifest.to_parquet(out / MANIFEST, index=False)
    quarantine_of(examples.rejected).to_parquet(out / QUARANTINE, index=False)
    if examples.rows is not None:
        examples.rows.to_parquet(out / ROWS, index=False)
