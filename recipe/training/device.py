"""Where a model trains: on torch's own terms in full precision, by Lightning Fabric in every other."""

from __future__ import annotations

import copy
import functools
import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from recipe.errors import SettingsError

FULL_PRECISION = "32-true"
OTHER_PRECISIONS = {  # what Lightning Fabric 2.6 carries out where; on a CPU it turns 16-mixed into bf16-mixed
    "cpu": ("bf16-mixed", "bf16-true", "64-true"),
    "cuda": ("16-mixed", "bf16-mixed", "bf16-true", "64-true"),
    "mps": ("16-mixed", "bf16-mixed", "bf16-true"),
}


@dataclass(frozen=True)
class Device:
    """A torch device and a precision, as Lightning Fabric names them (32-true, bf16-mixed, 16-mixed, ...).

    Without an index in its name it stands for any one of its kind: `claimed` makes it one in particular.
    """

    name: str = "cpu"
    precision: str = FULL_PRECISION

    @property
    def torch(self) -> torch.device:
        return torch.device(self.name)

    @property
    def count(self) -> int:
        """How many of them there are to train on side by side: 1 for a CPU, and where one is named by its index."""
        return torch.accelerator.device_count() if self.torch.type != "cpu" and self.torch.index is None else 1

    def settle(self) -> None:
        """Set this process up so that the same seed gives the same bits on this device.

        One thread: two gain nothing on small nets, and one adds numbers up in one order everywhere. Numbers too small
        for their type's exponent count as 0: Adam's averages of weights without a gradient end among them, and a
        processor takes a quarter longer for a step that meets them. On CUDA the kernels that torch knows to be
        deterministic; one that has no such twin only warns.
        """
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        if self.torch.type == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS manual, results reproducibility
            torch.use_deterministic_algorithms(True, warn_only=True)

    def claimed(self, workers: int) -> Device:
        """One in particular for this process, the same each time: `workers` beside each other share them evenly."""
        count = self.count
        return replace(self, name=f"{self.name}:{_claimed_place(os.getppid(), workers) % count}") if count > 1 else self

    def place(self, model: nn.Module, optimizer: Any) -> tuple[nn.Module, Any, Callable[[Tensor], None] | None]:
        """The model, the optimizer and, where losses are scaled, what computes gradients from a loss.

        `optimizer` must hold parameters of `model` that already live on the device.
        """
        if self.precision == FULL_PRECISION:
            return model, optimizer, None
        from lightning_fabric import Fabric

        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells each training its precision
        devices = 1 if self.torch.index is None else [self.torch.index]
        # Fabric lists its precisions in a private type; settings let no other through.
        fabric = Fabric(accelerator=self.torch.type, devices=devices, precision=self.precision)  # type: ignore[arg-type]
        wrapped_model, wrapped_optimizer = fabric.setup(model, optimizer)
        return wrapped_model, wrapped_optimizer, fabric.backward


def choose_device(name: str, precision: str) -> Device:
    """`auto` is the accelerator that torch finds here (CUDA, Apple's MPS, ...), else the CPU.

    Raises:
        SettingsError: the device that is asked for is not there, or does not know the precision.
    """
    here = torch.accelerator.current_accelerator(check_available=True)
    kind = here.type if here else "cpu"
    asked = torch.device(kind if name == "auto" else name)
    if asked.type not in (kind, "cpu") or (asked.index or 0) >= Device(kind).count:
        raise SettingsError(f"The setting device={name} asks for a device that is not here: use device=auto or cpu.")
    known = (FULL_PRECISION, *OTHER_PRECISIONS.get(asked.type, ()))
    if precision not in known:
        raise SettingsError(
            f"The setting precision={precision} does not go with the device {asked.type}: use {' or '.join(known)}."
        )
    return Device(str(asked), precision)


@functools.cache
def _claimed_place(parent: int, workers: int) -> int:
    """The first of `workers` places that no other child of `parent` holds; it is held until this process ends.

    A name in Linux's abstract namespace is bound by one process at a time, and let go by the system when that ends.
    """
    for place in range(workers):
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0training-recipe-{parent}-{place}")
        except OSError:
            held.close()
        else:
            _HELD.append(held)
            return place
    return os.getpid()  # more processes than were told of: any place will do


_HELD: list[socket.socket] = []


def on_any_device(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, a part of the user's, with the tensors that it holds wherever the batch is that it gets.

    Only what holds tensors is wrapped: class weights in a buffer of a loss, the mean in an attribute of a transform.
    """
    return _OnAnyDevice(call) if any(_holders(call)) else call


def part_on(part: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """The part itself behind what `on_any_device` gave, with its tensors on `device`."""
    return part.on(device) if isinstance(part, _OnAnyDevice) else part


class _OnAnyDevice:
    """Calls the part itself for batches on the device where its tensors are, and a copy of it on each other."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.home = next(value.device for holder in _holders(call) for value in _tensors(holder))
        self.copies: dict[torch.device, Callable[..., Any]] = {}

    def __call__(self, batch: Tensor, *more: Any) -> Any:
        return self.on(batch.device)(batch, *more)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "copies": {}}

    def on(self, device: torch.device) -> Callable[..., Any]:
        """The part with its tensors there."""
        if device == self.home:
            return self.call
        if device not in self.copies:
            self.copies[device] = _moved(copy.deepcopy(self.call), device)
        return self.copies[device]


def _moved(part: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    if isinstance(part, nn.Module):
        part.to(device)
    for holder in _holders(part):
        for name, value in vars(holder).items():
            if isinstance(value, Tensor):
                setattr(holder, name, value.to(device))
    return part


def _holders(part: Any) -> Iterator[Any]:
    """The objects of `part`, itself and the modules in it, that hold tensors."""
    objects = part.modules() if isinstance(part, nn.Module) else [part]
    return (one for one in objects if any(True for _ in _tensors(one)))


def _tensors(holder: Any) -> Iterator[Tensor]:
    attributes = getattr(holder, "__dict__", {})
    for kind in (attributes, attributes.get("_buffers", {}), attributes.get("_parameters", {})):
        yield from (value for value in kind.values() if isinstance(value, Tensor))
