"""Optimizers that do not wait for torch's compiler in a process that compiles nothing."""

import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import torch

COMPILER = "torch._dynamo"
WRAPPER = "_use_grad"  # what imports it, around a step; LBFGS, Adafactor, Muon and SparseAdam have another


@cache
def leave_compiler_out() -> None:
    """Let torch's own optimizers work without importing `torch._dynamo`, as long as nothing else imports it.

    torch 2.13 imports it at the first `step` and `add_param_group` of any optimizer, only to tell it, where it is at
    work, to stay away (torch/optim/optimizer.py, `_use_grad_for_differentiable`; torch/_compile.py). That takes as
    long as importing torch itself. Where torch is built otherwise, nothing is changed.
    """
    base = torch.optim.Optimizer
    for optimizer in vars(torch.optim).values():
        if isinstance(optimizer, type) and issubclass(optimizer, base):
            step: Any = vars(optimizer).get("step")
            wrapper = getattr(step, "__code__", None)
            if wrapper is not None and wrapper.co_name == WRAPPER:
                _replace_step(optimizer, _step_without(step))
    for method in (base.add_param_group, base.zero_grad, base.state_dict, base.load_state_dict):
        if hasattr(method, "__wrapped__"):
            method.__wrapped__.__dynamo_disable = method.__wrapped__


def _replace_step(optimizer: Any, step: Callable[..., Any]) -> None:
    optimizer.step = step


def _step_without(step: Any) -> Callable[..., Any]:
    plain: Callable[..., Any] = step.__wrapped__

    @wraps(plain)
    def stepped(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        if COMPILER in sys.modules:
            return step(self, *args, **kwargs)
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return plain(self, *args, **kwargs)

    return stepped
