"""How much memory a command takes, with all the processes that it starts."""

import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SECONDS = 0.2  # between two looks
MEGABYTE = 2**20


@dataclass
class Taken:
    """What a command took: megabytes at the most, over all its processes at one time, and seconds; and by stage.

    Memory is the proportional set size: pages that several processes map count once. Those of mapped files count as
    well, which the system may take back.
    """

    status: int = 0
    peak: float = 0.0
    seconds: float = 0.0
    peaks: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    times: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def lines(self) -> list[str]:
        """The figures, a line each."""
        stages = [f"{name}: {self.peaks[name]:.0f} MB, {self.times[name]:.0f} s" for name in self.peaks]
        return [f"in all: {self.peak:.0f} MB, {self.seconds:.0f} s", *stages]


def taken(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Taken:
    """Run `command` in `folder` to its end, and look at its processes meanwhile."""
    found, began = Taken(), time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=subprocess.DEVNULL) as process:
        last = began
        while process.poll() is None:
            time.sleep(SECONDS)
            now = time.monotonic()
            _look(psutil.Process(process.pid), found, now - last)
            last = now
    found.status, found.seconds = process.returncode, time.monotonic() - began
    return found


def _look(process: psutil.Process, found: Taken, seconds: float) -> None:
    total, stages = 0.0, set[str]()
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_full_info().pss / MEGABYTE
                stages |= {word for word in one.cmdline() if word.startswith("tasks.")}
    found.peak = max(found.peak, total)
    for name in stages:
        found.peaks[name] = max(found.peaks[name], total)
        found.times[name] += seconds
