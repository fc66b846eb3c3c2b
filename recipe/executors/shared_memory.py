"""An experiment on its way to worker processes of this machine: its data and weights lie in files that all of them map,
once.

joblib writes each large array once, maps it into every worker, and removes it when the work is done; where this process
is killed with all that it started, the next run removes it (recipe/versioning/leftovers.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipe.runtime.workspace import SHARED
from recipe.training.split import Split

if TYPE_CHECKING:
    from recipe.training.experiment import Experiment
    from recipe.training.weights import Weights

FROM_BYTES = 2**16  # smaller arrays travel with each task, which costs less than a file
PRIVATE_COPY = "c"  # how numpy maps a file: what a worker writes, by mistake, nobody else sees


@dataclass(frozen=True)
class Block:
    """A tensor as an array of bytes, which joblib shares, whatever numpy thinks of its type."""

    content: NDArray[np.uint8]
    dtype: torch.dtype
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Block:
        flat = tensor.detach().cpu().contiguous().view(-1)
        return cls(flat.view(torch.uint8).numpy(), tensor.dtype, tuple(tensor.shape))

    def tensor(self) -> Tensor:
        if not self.content.size:
            return torch.empty(self.shape, dtype=self.dtype)
        return torch.from_numpy(self.content).view(self.dtype).view(self.shape)


@dataclass(frozen=True)
class Shared:
    """An experiment without its data and pretrained weights, and those, by split and name."""

    experiment: Experiment
    train: dict[str, Block]
    validation: dict[str, Block]
    pretrained: dict[str, Block]

    def whole(self) -> Experiment:
        """The experiment as a worker trains it."""
        return replace(
            self.experiment,
            train=_filled(self.experiment.train, self.train),
            validation=_filled(self.experiment.validation, self.validation),
            pretrained=_with_state(self.experiment, {name: block.tensor() for name, block in self.pretrained.items()}),
        )


def share(experiment: Experiment) -> Shared:
    """`experiment` with its data and weights apart."""
    bare = for_training(experiment)
    weights = {} if bare.pretrained is None else {name: Block.of(one) for name, one in bare.pretrained.state.items()}
    empty = replace(
        bare,
        train=_emptied(bare.train),
        validation=_emptied(bare.validation),
        pretrained=_with_state(bare, {}),
    )
    return Shared(empty, _blocks(bare.train), _blocks(bare.validation), weights)


def for_training(experiment: Experiment) -> Experiment:
    """`experiment` without what no training needs: names, groups, pictures, what is tried, test split and delivery."""
    return replace(
        experiment,
        train=replace(experiment.train, ids=(), groups=None),
        validation=replace(experiment.validation, ids=(), groups=None),
        decode=None,
        executor=None,
        test=None,
        delivery=None,
        replicates=(),
        tried=(),
    )


@contextmanager
def shared_folder(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """joblib's settings for how `experiment` is shared: in a folder beside its trainings, else in the system's own."""
    settings = {"max_nbytes": FROM_BYTES, "mmap_mode": PRIVATE_COPY}
    if experiment.folder is None:
        yield settings
        return
    folder = Path(experiment.folder) / f"{SHARED}{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield {**settings, "temp_folder": str(folder)}
    finally:
        with suppress(OSError):  # joblib may still be at it, and clears it at the end
            folder.rmdir()


def _with_state(experiment: Experiment, state: Mapping[str, Tensor]) -> Weights | None:
    weights = experiment.pretrained
    return None if weights is None else replace(weights, state=state)


def _blocks(split: Split) -> dict[str, Block]:
    return {name: Block.of(tensor) for name, tensor in _tensors(split).items()}


def _emptied(split: Split) -> Split:
    nothing: dict[str, Any] = dict.fromkeys(_tensors(split), torch.empty(0))
    return replace(split, **nothing)


def _filled(split: Split, blocks: Mapping[str, Block]) -> Split:
    tensors: dict[str, Any] = {name: block.tensor() for name, block in blocks.items()}
    return replace(split, **tensors)


def _tensors(split: Split) -> dict[str, Tensor]:
    """What of `split` is data; memory-mapped inputs are in a file already."""
    if split.file is not None and split.rows is not None:
        return {"targets": split.targets, "rows": split.rows}
    ready = {} if split.ready is None else {"ready": split.ready}
    return {"inputs": split.inputs, "targets": split.targets, **ready}
