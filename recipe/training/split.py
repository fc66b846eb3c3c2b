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

    On its way into the net a batch goes through three things, in this order, and each may be None: `view` turns what is
    stored into what the user's parts are promised (bytes into 0..1), an augmentation changes training batches, and
    `transform` gives what the net receives. `ready` (N, ...) holds what the net receives without an augmentation, where
    that is computed once.

    `ids` name the examples, for tables and pictures. `rows` are set where the inputs stay memory-mapped: they are those
    of the whole data set in `file` (.npy), and `rows` (N,) the places of this split's examples in it. `groups` (N,),
    int64 and on the CPU, number the clusters that examples come in, groups or copies; None where each is one alone.
    """

    inputs: Tensor
    targets: Tensor
    view: View | None = None
    transform: View | None = None
    ready: Tensor | None = None
    ids: tuple[str, ...] = field(default=(), repr=False)
    rows: Tensor | None = None
    file: str | None = None
    groups: Tensor | None = field(default=None, repr=False)

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

    def batch(self, index: Tensor, augment: View | None = None) -> tuple[Tensor, Tensor]:
        """The examples at `index` (n,) as the net receives them, and their targets.

        Args:
            augment: what changes them before the transform.
        """
        if augment is None and self.ready is not None:
            return self.ready[index], self.targets[index]
        inputs = self.untransformed(index)
        if augment is not None:
            inputs = augment(inputs)
        return (inputs if self.transform is None else self.transform(inputs)), self.targets[index]

    def untransformed(self, index: Tensor) -> Tensor:
        """The inputs at `index` (n,) as an augmentation gets them: images (n, C, H, W) in 0..1, or rows (n, F)."""
        if self.rows is None:
            inputs = self.inputs[index]
        else:
            inputs = self.inputs[self.rows[index.cpu()]].to(self.device)
        return inputs if self.view is None else self.view(inputs)

    def head(self, count: int) -> Split:
        """The first `count` examples."""
        return self.at(torch.arange(min(count, len(self))))

    def at(self, index: Tensor) -> Split:
        """The examples at `index` (n,)."""
        ids = tuple(self.ids[i] for i in index.tolist()) if self.ids else ()
        ready = None if self.ready is None else self.ready[index]
        groups = None if self.groups is None else self.groups[index.cpu()]
        part = replace(self, targets=self.targets[index], ready=ready, ids=ids, groups=groups)
        if self.rows is not None:
            return replace(part, rows=self.rows[index])
        return replace(part, inputs=self.inputs[index])

    def to(self, device: torch.device) -> Split:
        """The same on `device`; memory-mapped inputs stay where they are and travel batch by batch."""
        ready = None if self.ready is None else self.ready.to(device)
        inputs = self.inputs if self.rows is not None else self.inputs.to(device)
        return replace(self, inputs=inputs, targets=self.targets.to(device), ready=ready)

    def computed_once(self, batch_size: int = 1024) -> Split:
        """The same with what the net receives computed for every example; only where the view and the transform act on
        each example alone, without chance.
        """
        if self.view is None and self.transform is None:
            return self
        index = torch.arange(len(self), device=self.device)
        return replace(self, ready=torch.cat([self.batch(part)[0] for part in index.split(batch_size)]))


def memory_mapped(file: str) -> Tensor:
    """The array in `file` (.npy), read from disk where it is used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch knows no read-only tensors; nothing here writes into inputs
        return torch.from_numpy(np.load(file, mmap_mode="r", allow_pickle=False))


def acts_alone(split: Split) -> bool:
    """Whether each example of a small `split` enters the net the same whatever its batch, and without chance."""
    index = torch.arange(len(split), device=split.device)
    together, again = split.batch(index)[0], split.batch(index)[0]
    if len(together) != len(split) or not torch.equal(together, again):
        return False
    alone = torch.cat([split.batch(one)[0] for one in index.split(1)])
    reverse = split.batch(index.flip(0))[0].flip(0)
    return torch.equal(together, alone) and torch.equal(together, reverse)
