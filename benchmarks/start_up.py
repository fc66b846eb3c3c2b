"""How long each process takes before it does anything: the command, the stages, the gate."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

REPEATS = 3
COMMANDS = {
    "recipe --help": ("-m", "recipe.cli", "--help"),
    "gate, imported": ("-c", "import recipe.pipeline.gate"),
    **{
        f"stage {stage}, imported": ("-c", f"import tasks.{stage}")
        for stage in ("ingest", "data", "baseline", "overfit", "regularize", "tune", "squeeze")
    },
}


def start_up() -> dict[str, float]:
    """Seconds of each, the median of a few after one that warms the disk's cache."""
    return {name: round(_median_seconds(command), 2) for name, command in COMMANDS.items()}


def _median_seconds(command: Sequence[str]) -> float:
    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    for name, seconds in start_up().items():
        print(f"{seconds:6.2f} s  {name}")
