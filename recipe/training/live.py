"""The curves of a training that still runs, a point now and then, in a file for whoever shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe.runtime.live import LIVE

if TYPE_CHECKING:
    from torch import Tensor

SECONDS = 5.0  # between two points: only then is the device waited for


class Live:
    """Notes points of the curves of one training; a file that cannot be written costs the curve and nothing else."""

    def __init__(self, path: Path, head: Mapping[str, Any], seconds: float = SECONDS) -> None:
        self.path, self.head, self.seconds = path, head, seconds
        self.steps, self.written = 0, False
        self.due = time.monotonic() + seconds

    def after_step(self, loss: Tensor) -> None:
        """Count a step, and note its loss where a point is due."""
        self.steps += 1
        if time.monotonic() >= self.due:
            self._note({"train_loss": float(loss)})

    def after_epoch(self, loss: float, metric: float) -> None:
        """Note the figures on validation, where something has been noted of the epochs' steps."""
        if self.written:
            self._note({"validation_loss": loss, "validation_metric": metric})

    def ended(self) -> None:
        """Say that no point follows."""
        if self.written:
            self._write({"ended": True})

    def _note(self, values: Mapping[str, float]) -> None:
        if not self.written:
            self._write(self.head)
            self.written = True
        self._write({"step": self.steps, "when": int(1000 * time.time()), "values": values})
        self.due = time.monotonic() + self.seconds

    def _write(self, line: Mapping[str, Any]) -> None:
        with suppress(OSError), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")


@contextmanager
def live_curves(trainings: str | None, key: str, head: Callable[[], Mapping[str, Any]]) -> Iterator[Live | None]:
    """What notes the curves of the training `key` until the block ends; None where somebody looks at no file.

    Args:
        trainings: where finished trainings are kept, beside which the workspace's live ones are.
        head: what the training is called, and its parameters.
    """
    folder = Path(trainings).with_name(LIVE) if trainings else None
    if folder is None or not folder.is_dir():
        yield None
        return
    live = Live(folder / f"{key}.jsonl", {"key": key, **head()})
    try:
        yield live
    finally:
        live.ended()
