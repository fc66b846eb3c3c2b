"""One person's pass through the examples: what is shown, what may be answered, and what has been."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from recipe.annotation.answers import Answer, add_answer, read_answers
from recipe.annotation.sample import drawn
from recipe.dataset.kind import kind_of
from recipe.dataset.labels import label_numbers
from recipe.dataset.preparation import as_text
from recipe.dataset.splits import SPLITS
from recipe.dataset.stored import Dataset
from recipe.errors import DataError, SettingsError
from recipe.settings import nearest

SIDE = 320  # pixels that the longer side of a picture has at least on the page
LEAST_SCALE = 4
LONGEST_NAME = 80
MOST_SECONDS = 3600.0  # for one label: who comes back after a night has not looked at it all that time


class AnswerError(ValueError):
    """What the page may not ask for; a sentence."""


@dataclass
class Session:
    """The examples `rows` of a data set in the order in which they are shown, and the labels given so far, by id.

    Attributes:
        ids: those of the examples, in the same order.
        who, turn: whose labels they are, and in which pass.
        path: the file that every label is added to at once.
    """

    dataset: Dataset
    rows: Sequence[int]
    ids: Sequence[str]
    who: str
    turn: int
    path: Path
    given: dict[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def state(self) -> dict[str, Any]:
        """What the page begins with."""
        preparation = self.dataset.preparation
        return {
            "classes": preparation["classes"],
            "asked": self.dataset.settings.data.label,
            "who": self.who,
            "turn": self.turn,
            "total": len(self.rows),
            "next": self.next_place(-1),
            **self.progress(),
        }

    def progress(self) -> dict[str, Any]:
        """How many are labelled."""
        return {"answered": len(self.given)}

    def next_place(self, after: int) -> int | None:
        """The first place behind `after`, and then from the beginning, that has no label; None: all have."""
        places = chain(range(after + 1, len(self.ids)), range(after + 1))
        return next((place for place in places if self.ids[place] not in self.given), None)

    def example(self, place: int) -> dict[str, Any]:
        """What the page shows of the example at a `place`: no label, and no path, which may hold one.

        Raises:
            AnswerError: there is no such place.
        """
        if not 0 <= place < len(self.rows):
            raise AnswerError("There is no such example.")
        return {"place": place, "given": self.given.get(self.ids[place], ""), **_shown(self.dataset, self.rows[place])}

    def answer(self, place: int, label: str, seconds: float) -> dict[str, Any]:
        """Keep a label of the example at a `place`, on the disk when this returns; an empty one takes it back.

        Raises:
            AnswerError: there is no such place or label.
            WorkspaceError: it cannot be written.
        """
        if not 0 <= place < len(self.rows):
            raise AnswerError("There is no such example.")
        label = label if label == "" else self._label(label)
        seconds = min(max(seconds, 0.0), MOST_SECONDS) if math.isfinite(seconds) else 0.0
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self.lock:
            add_answer(self.path, Answer(self.ids[place], self.who, label, seconds, now, self.turn))
            self.given.pop(self.ids[place], None)
            if label:
                self.given[self.ids[place]] = label
            return {"next": self.next_place(place), **self.progress()}

    def _label(self, label: str) -> str:
        classes = self.dataset.preparation["classes"]
        if classes is not None:
            if label not in classes:
                raise AnswerError("There is no such class.")
            return label
        import pandas as pd

        number = label_numbers(pd.Series([label], dtype="str"))
        if np.isnan(number[0]):
            raise AnswerError(f"{label[:LONGEST_NAME]} is no number such as 12.5.")
        return str(as_text(pd.Series(number)).iloc[0])


def begin(dataset: Dataset, path: Path, who: str, split: str, count: int | None, turn: int) -> Session:
    """A session on `count` examples of a split (all: None), with the labels that `who` gave in this pass before.

    Raises:
        SettingsError: there is no such split, no such count, or no such name.
        DataError: its examples cannot be shown, or the file of annotations cannot be read.
    """
    who = who.strip()
    if not who or len(who) > LONGEST_NAME or not who.isprintable():
        raise SettingsError(f"--who takes a name of 1 to {LONGEST_NAME} characters.")
    if split not in SPLITS:
        raise SettingsError(
            f"--split {split} is no split{nearest(split, list(SPLITS))}: name one of {', '.join(SPLITS)}."
        )
    if count is not None and count < 1:
        raise SettingsError(f"--sample {count} is less than one example: give 1 or more.")
    classes = dataset.preparation["classes"]
    if any(not name.isprintable() for name in classes or ()):
        raise DataError("A class has a line break or a control character in its name: rename it to annotate by it.")
    rows = drawn(dataset.manifest, split, count, strata=classes is not None)
    _shown(dataset, rows[0])
    ids = dataset.manifest["id"].iloc[rows].astype("str").tolist()
    answers, asked = read_answers(path, dataset.settings.data.annotations), set(ids)
    given = {one.id: one.label for one in answers if (one.who, one.turn) == (who, turn) and one.id in asked}
    return Session(dataset, rows, ids, who, turn, path, given)


def _shown(dataset: Dataset, row: int) -> dict[str, Any]:
    """A row of a table as its raw cells, a picture as a PNG that a page can hold.

    Raises:
        DataError: it is neither.
    """
    cells = kind_of(dataset.preparation).columns(dataset.at(np.array([row])))
    if len(cells.columns):
        values = [(str(name), cells[name].iloc[0]) for name in cells]
        return {"cells": [[name, "" if value is None or value != value else str(value)] for name, value in values]}
    pixels = dataset.inputs[row]
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
        raise DataError(f"Examples of the kind {dataset.preparation['kind']} cannot be shown to be annotated.")
    return {"picture": f"data:image/png;base64,{base64.b64encode(_png(pixels)).decode()}"}


def _png(pixels: np.ndarray) -> bytes:
    """A picture (C, H, W) as PNG, each of its pixels a square."""
    from PIL import Image

    height, width = pixels.shape[1:]
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    scale = max(LEAST_SCALE, math.ceil(SIDE / max(height, width)))
    content = io.BytesIO()
    image.resize((width * scale, height * scale), Image.Resampling.NEAREST).save(content, "PNG")
    return content.getvalue()
