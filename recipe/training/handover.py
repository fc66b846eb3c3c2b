"""What the stage overfit leaves to the next: a training that memorises, and how many steps it took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipe.training.experiment import Training, training_from_json, training_to_json
from recipe.training.loop import steps_per_epoch

STEPS = "memorised_in_steps"


@dataclass(frozen=True)
class Memorised:
    """A training that memorises its examples after `steps`; None where none was found that does."""

    training: Training
    steps: int | None


def memorised_to_json(found: Memorised) -> dict[str, Any]:
    """`found` as plain JSON values.

    Raises:
        TargetError: a part is a function or class given as such, which no file can name.
    """
    return {**training_to_json(found.training), STEPS: found.steps}


def memorised_from_json(content: Mapping[str, Any]) -> Memorised:
    """What `memorised_to_json` wrote.

    Raises:
        SettingsError: it holds other names than a training has, or lacks one.
    """
    training = {name: value for name, value in content.items() if name != STEPS}
    return Memorised(training_from_json(training), content.get(STEPS))


def past_memorising(found: Memorised, examples: int, factor: float, most_steps: int) -> Training:
    """The training, so long that the validation loss can turn: `factor` times the steps that memorising took.

    No shorter than it is, and no longer than `most_steps` where it is not so long by itself.
    """
    if found.steps is None:
        return found.training
    each = steps_per_epoch(examples, found.training.batch_size)
    wanted = math.ceil(min(factor * found.steps, most_steps) / each)
    return found.training.having(epochs=max(found.training.epochs, wanted))
