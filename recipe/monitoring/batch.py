"""A batch from production, read and prepared as the training data were; labels are taken where there are any."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recipe.dataset.kind import kind_of
from recipe.dataset.manifest import digest
from recipe.dataset.stored import INPUTS, Dataset
from recipe.errors import DataError, reworded
from recipe.inspection.drift import observed


@dataclass(frozen=True)
class Batch:
    """The inputs that could be read, as a data set beside the one that the model was trained on.

    Attributes:
        path: the file or folder, as it was given.
        dataset: the inputs, and in its quarantine what could not be read.
        columns: raw and measured columns (N, C), as far as the training data have them too.
        labels: the label of each input as text, missing where it has none; None where none has.
        content: names the inputs without their labels: the same batch, labelled later, has the same one.
    """

    path: Path
    dataset: Dataset
    columns: pd.DataFrame
    labels: pd.Series | None
    content: str

    def __len__(self) -> int:
        return len(self.dataset.manifest)


@contextmanager
def opened(path: Path, reference: Dataset) -> Iterator[Batch]:
    """The batch at `path`, of the same kind as `reference`; what was stored of its inputs goes with the block.

    Raises:
        DataError: it is missing, empty, of another kind, lacks a column that the model needs, or nothing can be read.
    """
    with tempfile.TemporaryDirectory(prefix="recipe-monitor-") as folder:
        try:
            dataset = kind_of(reference.preparation).read_beside(path, reference, False, Path(folder) / INPUTS).dataset
        except DataError as error:
            raise DataError(reworded(str(error), "name")) from error
        columns, labels = observed(dataset), dataset.manifest["label"]
        yield Batch(
            path=path,
            dataset=dataset,
            columns=columns[[name for name in observed(reference).columns if name in columns]],
            labels=labels if labels.notna().any() else None,
            content=digest(*(name.encode() for name in sorted(dataset.manifest["content_id"]))),
        )
