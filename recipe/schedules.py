"""Schedules of the learning rate that torch lacks: shapes over all the steps of a training, whatever its rate.

Each is called with the optimizer and `total_steps`, counts in steps, and takes the optimizer's own rate for its peak.
"""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR


def warmup_cosine(optimizer: Optimizer, total_steps: int, warmup: float = 0.05) -> LambdaLR:
    """Up to the peak evenly over the share `warmup` of the steps (Goyal et al. 2017, 2.2), then a cosine to zero."""
    first = max(1, round(total_steps * warmup))

    def factor(step: int) -> float:
        if step < first:
            return (step + 1) / first
        return (1 + math.cos(math.pi * min(1.0, (step - first) / max(1, total_steps - first)))) / 2

    return LambdaLR(optimizer, factor)


def one_cycle(optimizer: Optimizer, total_steps: int, warmup: float = 0.3) -> OneCycleLR:
    """From a 25th of the peak up over the share `warmup` of the steps, and down to nearly zero (Smith and Topin 2019).

    As torch has it, the momentum moves the other way, where the optimizer has one.
    """
    peaks = [group["lr"] for group in optimizer.param_groups]
    moves = bool({"momentum", "betas"} & set(optimizer.defaults))
    return OneCycleLR(optimizer, max_lr=peaks, total_steps=max(2, total_steps), pct_start=warmup, cycle_momentum=moves)
