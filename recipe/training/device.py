"""Where a model trains: plain torch on a CPU in full precision, Lightning Fabric for everything else."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from recipe.errors import SettingsError

FULL_PRECISION = "32-true"


@dataclass(frozen=True)
class Device:
    """A torch device and a precision, as Lightning Fabric names them (32-true, bf16-mixed, 16-mixed, ...)."""

    name: str = "cpu"
    precision: str = FULL_PRECISION

    @property
    def torch(self) -> torch.device:
        return torch.device(self.name)

    def settle(self) -> None:
        """Set this process up so that the same seed gives the same bits on this device.

        One thread: two gain nothing on small nets, and one adds numbers up in one order everywhere. On CUDA the kernels
        that torch knows to be deterministic; one that has no such twin only warns.
        """
        torch.set_num_threads(1)
        if self.torch.type == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS manual, results reproducibility
            torch.use_deterministic_algorithms(True, warn_only=True)

    def place(self, model: nn.Module, optimizer: Any) -> tuple[nn.Module, Any, Callable[[Tensor], None] | None]:
        """The model, the optimizer and, where losses are scaled, what computes gradients from a loss.

        `optimizer` must hold parameters of `model` that already live on the device.
        """
        if self.name == "cpu" and self.precision == FULL_PRECISION:
            return model, optimizer, None
        from lightning_fabric import Fabric

        accelerator, _, index = self.name.partition(":")
        devices = [int(index)] if index else 1
        # Fabric lists its precisions in a private type; settings let no other through.
        fabric = Fabric(accelerator=accelerator, devices=devices, precision=self.precision)  # type: ignore[arg-type]
        wrapped_model, wrapped_optimizer = fabric.setup(model, optimizer)
        return wrapped_model, wrapped_optimizer, fabric.backward


def choose_device(name: str, precision: str) -> Device:
    """`auto` is the best there is: CUDA, then Apple's MPS, then the CPU.

    Raises:
        SettingsError: the device that is asked for is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available[name.partition(":")[0]]:
        raise SettingsError(f"The setting device={name} asks for a device that is not here: use device=auto or cpu.")
    return Device(name, precision)
