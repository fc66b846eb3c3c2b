"""What shows a run's place: bars on a terminal, lines in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

NAME_WIDTH, BAR_WIDTH = 28, 18  # so that a line fits a terminal of 80 columns
# What each stage takes of a whole run's time, roughly: estimated from runs on digits and mnist5k
SHARES = {"ingest": 3, "data": 12, "baseline": 20, "overfit": 15, "regularize": 20, "tune": 20, "squeeze": 10}
LEAST_SEEN = 0.05  # of the time due: a guess from less is none
LEAST_SHARE = 1e-9  # what is divided by
LONG = 60.0  # seconds: what takes longer is announced
UP_FRONT = 0.9  # of a stage, the trainings that are spread before its practices ask for them
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
    """Roughly how long a run will take yet, as its stages have gone so far and as they were expected to go."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.stages = list(stages)
        self.expected: dict[str, float] = {}
        self.heard: dict[str, float] = {}  # what was expected last, by the stage that told
        self.first: tuple[float, float] | None = None  # when the first stage that works was seen, and its share
        self.within: dict[str, float] = {}  # how far each stage was seen to be
        self.moved = 0.0, 0.0  # when it was last seen to advance, and how far it had come

    def at(self, place: Place) -> str:
        """In words; nothing where too little of the run is seen to tell."""
        if place.stage not in self.stages:
            return ""
        done, now = self.stages.index(place.stage), time.monotonic()
        self.within[place.stage] = within = max(self.within.get(place.stage, 0.0), _within(place))
        if place.expected and place.expected != self.heard:
            self._expect(place.expected, done, within)
        shares, reached = self._shares(), self._reached(done, within)
        if self.first is None:
            self.first = self.moved = now, reached
        if reached > self.moved[1]:
            self.moved = now, reached
        began, before = self.first
        seen, ahead, since = reached - before, sum(shares) - reached, now - self.moved[0]
        if not self.expected and seen < LEAST_SEEN * sum(shares):
            return ""
        pace = (self.moved[0] - began) / max(seen, LEAST_SHARE)
        if self.expected:  # the pace that was seen counts for more, the more of the way it was seen on
            weight = seen / max(seen + ahead, LEAST_SHARE)
            pace = (1 - weight) + weight * pace
        due = shares[done] * max(0.0, _after_the_next(place) - within)  # of what is at work: it may be nearly done
        return _left(max(ahead * pace - since, (ahead - due) * pace))

    def _expect(self, expected: dict[str, float], done: int, within: float) -> None:
        """Take what a stage expects in place of what those before it did; the pace so far is kept, if one is known."""
        before, known = self._reached(done, within), bool(self.expected)
        self.heard, self.expected = expected, {**self.expected, **expected}
        if not known or self.first is None:
            self.first = None
            return
        moved_on = self._reached(done, within) - before
        self.first = self.first[0], self.first[1] + moved_on
        self.moved = self.moved[0], self.moved[1] + moved_on

    def _shares(self) -> list[float]:
        return [(self.expected or SHARES).get(stage, 0) for stage in self.stages]

    def _reached(self, done: int, within: float) -> float:
        """How far the run is: all of the stages that are `done`, and the next as far as it is."""
        shares = self._shares()
        return sum(shares[:done]) + shares[done] * within

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


def _within(place: Place) -> float:
    """How far a stage is, 0 to 1; trainings that come before any practice are most of their stage."""
    trained = place.trained / place.trainings if place.trainings else 0.0
    return (place.done + trained) / place.due if place.due else UP_FRONT * trained


def _after_the_next(place: Place) -> float:
    """How far the stage will be once one more training is finished, or one more practice where none are trained."""
    if place.trained < place.trainings:
        return _within(replace(place, trained=place.trained + 1))
    return _within(replace(place, done=min(place.due, place.done + 1), trained=0, trainings=0))


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
