"""A split of the data as the training loop sees it: tensors with names, a batch is an index."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

View = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Split:
    """Inputs (N, ...) and targets, int64 (N,) for classes or float32 (N, k) for regression.

    `view` turns stored inputs into what the net receives, batch by batch; None where they are stored so already.
    `ids` name the examples, for tables and pictures. `rows` are set where the inputs stay memory-mapped: they are those
    of the whole data set in `file` (.npy), and `rows` (N,) the places of this split's examples in it.
    """

    inputs: Tensor
    targets: Tensor
    view: View | None = None
    ids: tuple[str, ...] = field(default=(), repr=False)
    rows: Tensor | None = None
    file: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What travels to a worker: of memory-mapped inputs where they are, not what they hold."""
        state = dict(self.__dict__)
        if self.file is not None and self.rows is not None:
            state["inputs"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["inputs"] is None:
            state["inputs"] = memory_mapped(state["file"])
        self.__dict__.update(state)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def device(self) -> torch.device:
        return self.targets.device

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The examples at `index` (n,) as the net receives them, and their targets."""
        inputs = self.inputs[index if self.rows is None else self.rows[index.cpu()]]
        return (inputs if self.view is None else self.view(inputs)), self.targets[index]

    def head(self, count: int) -> Split:
        """The first `count` examples."""
        return self.at(torch.arange(min(count, len(self))))

    def at(self, index: Tensor) -> Split:
        """The examples at `index` (n,)."""
        ids = tuple(self.ids[i] for i in index.tolist()) if self.ids else ()
        if self.rows is not None:
            return replace(self, rows=self.rows[index], targets=self.targets[index], ids=ids)
        return replace(self, inputs=self.inputs[index], targets=self.targets[index], ids=ids)

    def to(self, device: torch.device) -> Split:
        """The same on `device`; memory-mapped inputs stay where they are and travel batch by batch."""
        if self.rows is not None:
            view = self.view or (lambda batch: batch)
            return replace(self, targets=self.targets.to(device), view=lambda batch: view(batch.to(device)))
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))

    def materialised(self, batch_size: int = 1024) -> Split:
        """The same with `view` applied once to every example; only where it acts on each example alone."""
        if self.view is None:
            return self
        inputs = torch.cat([self.view(part) for part in self.inputs.split(batch_size)])
        return replace(self, inputs=inputs, view=None)


def memory_mapped(file: str) -> Tensor:
    """The array in `file` (.npy), read from disk where it is used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch knows no read-only tensors; nothing here writes into inputs
        return torch.from_numpy(np.load(file, mmap_mode="r", allow_pickle=False))


def acts_alone(view: View, inputs: Tensor) -> bool:
    """Whether `view` gives each example the same whatever its batch, and without chance: tried on `inputs` (n, ...)."""
    together, again = view(inputs), view(inputs)
    if len(together) != len(inputs) or not torch.equal(together, again):
        return False
    alone = torch.cat([view(inputs[i : i + 1]) for i in range(len(inputs))])
    reverse = view(inputs.flip(0)).flip(0)
    return torch.equal(together, alone) and torch.equal(together, reverse)
