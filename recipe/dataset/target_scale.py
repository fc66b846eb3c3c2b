"""The scale that a quantity is learnt on: its own or its logarithm, standardised by training statistics."""

from collections.abc import Mapping
from typing import Any

import numpy as np

LOG = "log"

Target = Mapping[str, Any]  # of preparation.json: mean, std, names; `scale` where it is not the label's own


def describe(numbers: np.ndarray, name: str, scale: str | None) -> dict[str, Any]:
    """What preparation.json keeps of the target `name`, whose training labels are `numbers` (N,)."""
    asked = {"scale": scale} if scale else {}
    learnt = on_scale(numbers, asked)
    return {"mean": [float(learnt.mean())], "std": [float(learnt.std())], "names": [name], **asked}


def standardised(numbers: np.ndarray, target: Target) -> np.ndarray:
    """Labels (N,) as the net learns them, float32 (N, 1)."""
    standard = (on_scale(numbers, target) - target["mean"][0]) / target["std"][0]
    return standard.astype(np.float32)[:, np.newaxis]


def in_own_units(standard: np.ndarray, target: Target) -> np.ndarray:
    """The inverse of `standardised`, for values (N,)."""
    learnt = standard * target["std"][0] + target["mean"][0]
    return np.exp(learnt) if target.get("scale") == LOG else learnt


def on_scale(numbers: np.ndarray, target: Target) -> np.ndarray:
    """Numbers in the label's own units on the scale that is learnt; NaN where it has no place for one."""
    if target.get("scale") != LOG:
        return numbers
    return np.log(numbers, where=numbers > 0, out=np.full(np.shape(numbers), np.nan))
