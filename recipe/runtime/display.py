"""What shows a run's place: bars on a terminal, lines in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

NAME_WIDTH, BAR_WIDTH = 28, 18  # so that a line fits a terminal of 80 columns
LEAST_LEFT = 0.1  # of what a stage was to take: what it is taken to need yet, however long it has taken
LONG = 60.0  # seconds: what takes longer is announced
ROUNDED_TO = 10  # seconds
SILENT_SECONDS = 30.0  # without a line in a log; then one tells how far the trainings are


@dataclass(frozen=True)
class Place:
    """How far a stage is: the practice at work after `done` of `due`, and `trained` of its `trainings`.

    `expected` are the seconds that this stage and those after it will take, where that is known.
    """

    stage: str
    practice: str = ""
    done: int = 0
    due: int = 0
    trained: int = 0
    trainings: int = 0
    expected: dict[str, float] = field(default_factory=dict)


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
    """Roughly how long a run will take yet, as its stages were expected to go and as those before went.

    How many of a stage's practices are done tells little of it: one may train for all, and others read what it has.
    """

    def __init__(self, stages: Sequence[str]) -> None:
        self.stages = list(stages)
        self.expected: dict[str, float] = {}  # by stage, as it was told last
        self.began: dict[str, float] = {}  # when each stage was first seen

    def at(self, place: Place) -> str:
        """In words; nothing where no stage has said yet how long it will take."""
        if place.stage not in self.stages:
            return ""
        now = time.monotonic()
        self.began.setdefault(place.stage, now)
        due = self.stages[self.stages.index(place.stage) :]
        self.expected |= {stage: place.expected[stage] for stage in due if stage in place.expected}
        if not self.expected:
            return ""
        foreseen, pace = [self.expected.get(stage, 0.0) for stage in due], self._pace(due)
        present, later = pace * foreseen[0], pace * sum(foreseen[1:])
        return _left(max(present - (now - self.began[place.stage]), LEAST_LEFT * present) + later)

    def _pace(self, due: Sequence[str]) -> float:
        """What a stage takes, of what it is expected to, as those before it did: the more they were, the more so."""
        begun = [stage for stage in self.stages if stage in self.began]
        over = [(stage, after) for stage, after in pairwise(begun) if stage in self.expected]
        took = sum(self.began[after] - self.began[stage] for stage, after in over)
        foreseen = sum(self.expected[stage] for stage, _ in over)
        ahead = sum(self.expected.get(stage, 0.0) for stage in due)
        return (ahead + took) / (ahead + foreseen) if ahead else 1.0

    def announced(self, place: Place) -> str:
        """What to expect of a long run, once, before it trains."""
        if not place.expected or self.expected or place.stage not in self.stages:
            return ""
        due = self.stages[self.stages.index(place.stage) :]
        seconds = sum(place.expected.get(stage, 0.0) for stage in due)
        if seconds < LONG:
            return ""
        names = due[0] if len(due) == 1 else f"{due[0]} to {due[-1]}"
        return f"{names}: about {_clock(_rounded(seconds))} on this machine, as fast as a few steps of the net went"


def _left(seconds: float) -> str:
    return f"about {_clock(_rounded(seconds))} left"


def _rounded(seconds: float) -> int:
    return math.ceil(seconds / ROUNDED_TO) * ROUNDED_TO


class _Lines:
    """A line for each practice that begins, and one now and then while it trains: what a log can hold."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.began = self.told = time.monotonic()
        self.left = _TimeLeft(stages)
        self.place = Place("")

    def show(self, place: Place) -> None:
        now = time.monotonic()
        if announced := self.left.announced(place):
            self._tell(now, announced, "")
        left = self.left.at(place)
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
        if announced := self.left.announced(place):
            self.progress.console.print(announced)
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
