"""The prepared data set as the training loop sees it: splits of tensors, and the way back to what a person looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipe.dataset.clusters import clusters_of
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import INPUTS, PREPARED, Dataset
from recipe.settings import Settings
from recipe.training.device import on_any_device
from recipe.training.experiment import component
from recipe.training.split import Split, View, acts_alone, memory_mapped

if TYPE_CHECKING:
    import pandas as pd

BYTES_PER_FLOAT = 4
TRIED = 16  # examples on which a transform is tried: does it act on each alone, without chance?


def split_of(dataset: Dataset, name: str, transform: View | None, settings: Settings) -> Split:
    """One split as the training loop takes it: resident, transformed once where that changes nothing."""
    rows = dataset.where(name)
    size = dataset.inputs.shape[0] * int(np.prod(dataset.inputs.shape[1:])) * BYTES_PER_FLOAT
    if size <= settings.data.memory_limit_mb * 2**20:
        return resident_split(dataset, rows, transform)
    file = str(dataset.workspace / PREPARED / INPUTS)
    inputs, mapped = memory_mapped(file), torch.from_numpy(rows)
    ids, targets, groups = _about(dataset, rows)
    return Split(inputs, targets, view_of(dataset), _anywhere(transform), None, ids, mapped, file, groups)


def resident_split(dataset: Dataset, rows: NDArray[np.int64], transform: View | None) -> Split:
    """The examples at `rows` of `dataset`, in memory, transformed once where that changes nothing."""
    inputs = torch.from_numpy(np.ascontiguousarray(dataset.inputs[rows]))
    ids, targets, groups = _about(dataset, rows)
    split = Split(inputs, targets, view_of(dataset), _anywhere(transform), ids=ids, groups=groups)
    return split.computed_once() if len(split) and acts_alone(split.head(TRIED)) else split


def _about(dataset: Dataset, rows: NDArray[np.int64]) -> tuple[tuple[str, ...], Tensor, Tensor | None]:
    """The ids, the targets and the clusters of the examples at `rows`."""
    ids = tuple(dataset.manifest["id"].to_numpy()[rows].tolist())
    return ids, torch.from_numpy(np.ascontiguousarray(dataset.targets[rows])), _clusters(dataset, rows)


def _anywhere(transform: View | None) -> View | None:
    return on_any_device(transform) if transform else None


def _clusters(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor | None:
    """The cluster of each of `rows`; None where no two of them share one."""
    clusters = clusters_of(dataset)[rows]
    return torch.from_numpy(clusters) if len(np.unique(clusters)) < len(rows) else None


def view_of(dataset: Dataset) -> View | None:
    """What makes float32 of stored inputs: of bytes 0..1, of all else the same numbers; None where they are float32."""
    return {np.dtype(np.uint8): to_unit, np.dtype(np.float32): None}.get(dataset.inputs.dtype, Tensor.float)


def to_unit(batch: Tensor) -> Tensor:
    """Bytes (N, ...) as float32 in 0..1."""
    return batch.float().div_(255)


def build_transform(dataset: Dataset, settings: Settings) -> View | None:
    """The data's transform, offered the training statistics of the pixels.

    Raises:
        TargetError: it cannot be built, or does not take a batch and give one.
    """
    part = component("data.transform", settings.data.transform)
    if part is None:
        return None
    pixels = dataset.preparation["pixels"] or {}
    return part.as_batch_function(first_examples(dataset, 2), mean=pixels.get("mean"), std=pixels.get("std"))


def first_examples(dataset: Dataset, count: int) -> Tensor:
    """The first training examples as a transform gets them: images in 0..1, rows as they are."""
    inputs = torch.from_numpy(np.ascontiguousarray(dataset.inputs[dataset.where("train")[:count]]))
    view = view_of(dataset)
    return view(inputs) if view else inputs


def decoder(dataset: Dataset, settings: Settings) -> Callable[[Tensor], Tensor | pd.DataFrame] | None:
    """What turns the net's inputs back into what a person looks at; not known behind a transform of the user's own."""
    preparation = dataset.preparation
    decode = kind_of(preparation).decode
    transform = settings.data.transform.target
    if decode is None or transform is None:
        return decode and (lambda batch: decode(batch, preparation))
    if transform != "recipe.transforms.Standardize" or not preparation["pixels"]:
        return None
    mean, std = (torch.tensor(preparation["pixels"][name]).view(-1, 1, 1) for name in ("mean", "std"))
    return lambda batch: decode(batch * std + mean, preparation)
