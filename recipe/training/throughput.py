"""How many examples a second predictors answer here, timed in turn so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

REPEATS = 9  # their median passes over a repeat that something else interrupted
MOST_EXAMPLES = 512  # in a batch: see recipe/training/evaluation.py


def examples_per_second(predictors: Mapping[str, Callable[[Tensor], Tensor]], inputs: Tensor) -> dict[str, float]:
    """By predictor, the examples of one batch of `inputs` (N, ...) over the median seconds that it takes.

    Each answers once before the clock runs. An accelerator is waited for: the answers are fetched.
    """
    batch = inputs[:MOST_EXAMPLES]
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    with torch.inference_mode():
        for repeat in range(1 + REPEATS):
            for name, predictor in predictors.items():
                began = time.perf_counter()
                predictor(batch).cpu()
                if repeat:
                    seconds[name].append(time.perf_counter() - began)
    return {name: len(batch) / statistics.median(times) for name, times in seconds.items()}
