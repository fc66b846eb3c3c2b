"""The prepared data set as every stage after ingest reads it."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.manifest import DECIDED
from recipe.errors import DataError
from recipe.settings import Settings

PREPARED = Path("data") / "prepared"
MANIFEST = "manifest.parquet"
QUARANTINE = "quarantine.parquet"
ROWS = "rows.parquet"
INPUTS = "inputs.npy"
TARGETS = "targets.npy"
PREPARATION = "preparation.json"
FACTS = "facts.json"
TRAINED_ON = ("id", "content_id", "split", "group")  # of the manifest


@dataclass(frozen=True, eq=False)  # what is measured of it is kept by identity
class Dataset:
    """The examples that were kept, in the order of `inputs`, and those that were not.

    Attributes:
        manifest: one row an example: id, content_id, bytes_id, path, label as given, split, group, source, measured
            columns of images, the user's own, of a split by time the time, and, where a person decided on some,
            `decided`: relabel, keep or group.
        quarantine: id, path, label, reason and kind of what was left out.
        inputs: memory-mapped; uint8 images (N, C, H, W) or float32 rows (N, F).
        targets: int64 (N,) for classes; float32 (N, k), standardised by training statistics, for a regression.
        rows: the raw columns of a table; none of a folder, and where they were not asked for.
        preparation: how raw inputs are prepared; see recipe/dataset/preparation.py.
        split_given: whether the user gave the split.
        user_columns: what the manifest holds of the user's own columns.
        time_column: what a split by time goes by; None where the split is by chance, or given.
        taken: what was read and for what it was taken, in a line.
        notes: what ingest saw and a person should know, a sentence each.
        workspace: where it was prepared, and where pages about it go; default the current folder.
    """

    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    inputs: np.ndarray
    targets: np.ndarray
    rows: pd.DataFrame
    preparation: dict[str, Any]
    split_given: bool
    settings: Settings
    user_columns: tuple[str, ...] = ()
    time_column: str | None = None
    taken: str = ""
    notes: tuple[str, ...] = ()
    workspace: Path = Path()

    def where(self, split: str) -> np.ndarray:
        """The rows, int64 in order, of "train", "validation" or "test"."""
        return np.flatnonzero(self._splits == split)

    def raw_column(self, name: str) -> pd.Series:
        """One of a table's raw columns, (N,); read from disk where they were left there."""
        if name in self.rows:
            return self.rows[name]
        return pd.read_parquet(self.workspace / PREPARED / ROWS, columns=[name])[name]

    def at(self, rows: np.ndarray) -> "Dataset":
        """The examples in `rows` (n,)."""
        return replace(
            self,
            manifest=self.manifest.iloc[rows].reset_index(drop=True),
            inputs=self.inputs[rows],
            targets=self.targets[rows],
            rows=self.rows.iloc[rows].reset_index(drop=True),
        )

    def followed_by(self, other: "Dataset") -> "Dataset":
        """The examples, and behind them those of `other`, which are prepared alike."""
        return replace(
            self,
            manifest=pd.concat([self.manifest, other.manifest], ignore_index=True),
            inputs=np.concatenate([self.inputs, other.inputs]),
            targets=np.concatenate([self.targets, other.targets]),
            rows=pd.concat([self.rows, other.rows], ignore_index=True),
        )

    @cached_property
    def kept(self) -> np.ndarray:
        """Which examples, bool (N,), a person has looked at and found fine: none of them is to be doubted again."""
        if DECIDED not in self.manifest:
            return np.zeros(len(self.manifest), dtype=bool)
        return self.manifest[DECIDED].eq("keep").to_numpy(dtype=bool)

    @cached_property
    def _splits(self) -> np.ndarray:
        return self.manifest["split"].to_numpy(dtype=object)


def load_dataset(workspace: Path, settings: Settings, folder: Path = PREPARED, whole: bool = True) -> Dataset:
    """The data set that ingest prepared in `folder` of the workspace.

    Args:
        whole: with what no training looks at: a table's raw columns, and of the manifest the measured ones. They may
            take more memory than all else.

    Raises:
        DataError: it is not there, or not whole.
    """
    folder = workspace / folder
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        manifest = pd.read_parquet(folder / MANIFEST, columns=None if whole else list(TRAINED_ON))
        rows = folder / ROWS
        return Dataset(
            manifest=manifest,
            quarantine=pd.read_parquet(folder / QUARANTINE),
            inputs=np.load(folder / INPUTS, mmap_mode="r", allow_pickle=False),
            targets=np.load(folder / TARGETS, allow_pickle=False),
            rows=pd.read_parquet(rows) if whole and rows.exists() else pd.DataFrame(index=manifest.index),
            preparation=json.loads((folder / PREPARATION).read_text(encoding="utf-8")),
            split_given=facts["split_given"],
            settings=settings,
            user_columns=tuple(facts["user_columns"]),
            time_column=facts.get("time_column"),
            taken=facts["taken"],
            notes=tuple(facts["notes"]),
            workspace=workspace,
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"The prepared data in {folder} cannot be read ({error}): prepare it with `recipe run --until ingest`."
        ) from error
