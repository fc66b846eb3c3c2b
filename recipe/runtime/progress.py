"""What a person sees while stages work: what runs, how far, and the time left.

A stage that the command line started notes its place in a file, which the command shows beside the whole run; a stage
started by hand shows its place itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from recipe.runtime.display import Place, on_terminal

PLACE = "progress.json"


_place = Place("")
_shown: list[Callable[[Place], None]] = []  # where this process tells its place: at most one


def practice(name: str, done: int, due: int) -> None:
    """Say that practice `name` begins after `done` of `due`."""
    _tell(Place(_place.stage, name, done, due, expected=_place.expected))


def expect(seconds: Mapping[str, float]) -> None:
    """Say how long this stage and those after it will take, by their names."""
    _tell(replace(_place, expected=dict(seconds)))


def present_practice() -> str:
    """The id of the practice at work; empty outside of a stage."""
    return _place.practice


def training(done: int, due: int) -> None:
    """Say that `done` of `due` trainings of the present practice are finished."""
    _tell(replace(_place, trained=done, trainings=due))


def _tell(place: Place) -> None:
    global _place
    _place = place
    for show in _shown:
        show(place)


@contextmanager
def displayed(stage: str, note: Path | None) -> Iterator[None]:
    """Tell the place of `stage` until the block ends: in the file `note`, else on the terminal's error stream."""
    with on_terminal() if note is None else _noted(note) as show:
        _shown.append(show)
        try:
            _tell(Place(stage))
            yield
        finally:
            _shown.clear()


@contextmanager
def watched(note: Path, stages: Sequence[str]) -> Iterator[Callable[[], None]]:
    """A display of the run through `stages`; what it gives is to be called now and then, and reads `note`."""
    note.unlink(missing_ok=True)
    with on_terminal(stages) as show:

        def refresh() -> None:
            with suppress(OSError, ValueError, TypeError):
                show(Place(**json.loads(note.read_text(encoding="utf-8"))))

        yield refresh


@contextmanager
def _noted(note: Path) -> Iterator[Callable[[Place], None]]:
    def show(place: Place) -> None:
        beside = note.with_suffix(".part")
        with suppress(OSError):  # a full disk is told by what must be written
            beside.write_text(json.dumps(asdict(place)), encoding="utf-8")
            os.replace(beside, note)

    yield show
