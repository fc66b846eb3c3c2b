"""What shows a run's place: bars on a terminal, lines in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

NAME_WIDTH, BAR_WIDTH = 28, 18  # so that a line fits a terminal of 80 columns
# What each stage takes of a whole run's time, roughly: estimated from runs on digits and mnist5k
SHARES = {"ingest": 3, "data": 12, "baseline": 20, "overfit": 15, "regularize": 20, "tune": 20, "squeeze": 10}
LEAST_SEEN = 0.05  # of the time due: a guess from less is none
ROUNDED_TO = 10  # seconds
SILENT_SECONDS = 30.0  # without a line in a log; then one tells how far the trainings are


@dataclass(frozen=True)
class Place:
    """How far a stage is: the practice at work after `done` of `due`, and `trained` of its `trainings`."""

    stage: str
    practice: str = ""
    done: int = 0
    due: int = 0
    trained: int = 0
    trainings: int = 0


@contextmanager
def on_terminal(stages: Sequence[str] = ()) -> Iterator[Callable[[Place], None]]:
    """What shows a place on the error stream until the block ends, within the run of `stages` if they are given.

    Where the error stream is no terminal it gets a line for each practice, and one every half minute.
    """
    from rich.console import Console  # a stage that shows nothing need not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(stages).show
        return
    name = TextColumn(f"{{task.description:<{NAME_WIDTH}}}")
    left = TextColumn("[cyan]{task.fields[left]}")
    columns = (name, BarColumn(BAR_WIDTH), MofNCompleteColumn(), TimeElapsedColumn(), left)
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress, stages).show


class _TimeLeft:
    """Roughly how long a run will take yet, as the stages that worked so far have gone."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.stages = list(stages)
        self.first: tuple[float, float] | None = None  # when the first stage that works was seen, and its share

    def at(self, place: Place) -> str:
        """In words; nothing where too little of the run is seen to tell."""
        if place.stage not in self.stages:
            return ""
        done = self.stages.index(place.stage)
        shares = [SHARES.get(stage, 0) for stage in self.stages]
        within = place.done / place.due if place.due else 0.0
        reached = (sum(shares[:done]) + shares[done] * within) / max(1, sum(shares))
        now = time.monotonic()
        if self.first is None:
            self.first = now, reached
        began, before = self.first
        if reached - before < LEAST_SEEN:
            return ""
        seconds = (now - began) * (1 - reached) / (reached - before)
        return f"about {_clock(math.ceil(seconds / ROUNDED_TO) * ROUNDED_TO)} left"


class _Lines:
    """A line for each practice that begins, and one now and then while it trains: what a log can hold."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.began = self.told = time.monotonic()
        self.left = _TimeLeft(stages)
        self.place = Place("")

    def show(self, place: Place) -> None:
        left, now = self.left.at(place), time.monotonic()
        before, self.place = self.place, place
        if place.practice and place.practice != before.practice:
            self._tell(now, f"{place.practice} ({place.done + 1} of {place.due})", left)
        elif place.trainings > 1 and now - self.told >= SILENT_SECONDS:
            self._tell(now, f"{place.practice or place.stage}: {place.trained} of {place.trainings} trainings", left)

    def _tell(self, now: float, text: str, left: str) -> None:
        self.told = now
        line = "  ".join(part for part in (_clock(int(now - self.began)), text, left) if part)
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}:{rest:02}"


class _Bars:
    """A bar each for the run's stages, the stage's practices, and the practice's trainings."""

    def __init__(self, progress: Progress, stages: Sequence[str]) -> None:
        self.progress, self.stages, self.place = progress, list(stages), Place("")
        self.run = progress.add_task("what has changed?", total=len(stages) or None, visible=bool(stages), left="")
        self.practices = progress.add_task("", total=None, visible=False, left="")
        self.trainings = progress.add_task("  trainings", total=None, visible=False, left="")
        self.left = _TimeLeft(stages)

    def show(self, place: Place) -> None:
        before, self.place = self.place, place
        if place.stage in self.stages:
            done = self.stages.index(place.stage)
            self.progress.update(self.run, description=place.stage, completed=done, left=self.left.at(place))
        self._show_practices(place, anew=place.stage != before.stage)
        several = place.trainings > 1 and place.trained < place.trainings
        if (place.practice, place.trainings) != (before.practice, before.trainings) or place.trained < before.trained:
            self.progress.reset(self.trainings)
        self.progress.update(self.trainings, completed=place.trained, total=place.trainings or None, visible=several)

    def _show_practices(self, place: Place, anew: bool) -> None:
        if anew:
            self.progress.reset(self.practices)
        alone = not self.stages
        name = place.practice.rpartition("/")[2] or "the gate"
        self.progress.update(
            self.practices,
            description=(place.practice or place.stage) if alone else f"  {name}",
            completed=place.done,
            total=place.due or None,
            visible=alone or place.due > 0,
        )
