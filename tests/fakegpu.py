"""A pretend accelerator: tensors on `fakegpu` compute on the CPU, and refuse to meet tensors that are not there.

It errs where CUDA errs, so that a model on the device and data elsewhere show without hardware. Like CUDA it lets a
number (a tensor without dimensions) and an index of the CPU through, and shows NumPy nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "fakegpu"
aten = torch.ops.aten
BETWEEN_DEVICES = (aten.copy_.default, aten._to_copy.default)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)


class FakeGpuTensor(Tensor):
    """A tensor whose numbers are in `raw`, on the CPU, and whose device is the pretend one."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw: Tensor) -> FakeGpuTensor:
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            raw.shape,
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=f"{NAME}:0",
            requires_grad=False,
        )
        made.raw = raw
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return FakeGpuTensor(self.raw.clone()).requires_grad_(self.requires_grad)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func not in BETWEEN_DEVICES:
            _refuse_to_mix(func, args, kwargs)
        target = kwargs.get("device")
        stays = target is None or torch.device(target).type == NAME
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        result = func(*pytree.tree_map(_unwrapped, args), **pytree.tree_map(_unwrapped, kwargs))
        if not stays:
            return result
        wrapped = pytree.tree_map(lambda one: cls(one) if isinstance(one, Tensor) else one, result)
        return return_and_correct_aliasing(func, args, kwargs, wrapped)


def _unwrapped(value: Any) -> Any:
    return value.raw if isinstance(value, FakeGpuTensor) else value


def _refuse_to_mix(func: Any, args: Any, kwargs: Any) -> None:
    if func in INDEXING:
        args = (args[0], *args[2:])
    tensors = [one for one in pytree.tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    elsewhere = [one for one in tensors if not isinstance(one, FakeGpuTensor) and one.dim()]
    if elsewhere:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and cpu! "
            f"(when checking arguments in {func})"
        )


_registered: list[torch.library.Library] = []


def register() -> None:
    """Let torch know the device, once a process; it stays until the process ends."""
    if _registered:
        return
    _setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty.memory_format", _empty, "PrivateUse1")
    library.impl("empty_strided", _empty_strided, "PrivateUse1")
    library.impl("_to_copy", _to_copy, "PrivateUse1")
    _registered.append(library)


def _empty(size: Any, *, dtype: Any = None, **_: Any) -> Tensor:
    return FakeGpuTensor(torch.empty(size, dtype=dtype))


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> Tensor:
    return FakeGpuTensor(torch.empty_strided(size, stride, dtype=dtype))


def _to_copy(values: Tensor, *, dtype: Any = None, device: Any = None, **_: Any) -> Tensor:
    copied = torch.empty_like(_unwrapped(values), dtype=dtype, device="cpu").copy_(_unwrapped(values))
    return copied if device is not None and torch.device(device).type == "cpu" else FakeGpuTensor(copied)
