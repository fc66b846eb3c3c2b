"""The labels that people gave, beside those of the prepared data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recipe.annotation.answers import read_answers
from recipe.dataset.clusters import tied_together
from recipe.dataset.splits import SPLITS, TEST
from recipe.dataset.stored import MANIFEST, PREPARED, load_dataset
from recipe.dataset.test_ledger import record_reading
from recipe.runtime.workspace import fingerprint
from recipe.settings import Settings

READER = "baseline/human"


@dataclass(frozen=True)
class Annotated:
    """What people said of examples of one split, and how those are labelled.

    Attributes:
        answers: a row for each label that counts: id, who, turn (the pass), label, seconds, given (that of the data
            set), unit (a number that copies and groups share), in the order in which they were given.
        split: that of all these examples: of those that people labelled the first of test, validation and train.
        classes: the classes of the data set; None where it is a regression.
        note: keeps in the ledger that the test labels were read for a figure on so many examples, by whose answers.
    """

    answers: pd.DataFrame
    split: str
    classes: list[str] | None
    note: Callable[[int, float, str], None] = lambda examples, figure, whose: None


def annotated(workspace: Path, settings: Settings, home: Path) -> Annotated:
    """What was annotated of the data set that is prepared in `workspace`; ids of other data sets are passed over.

    Args:
        home: the workspace whose ledger of test readings it is.

    Raises:
        DataError: the file of annotations or the prepared data cannot be read.
    """
    name = settings.data.annotations
    given = read_answers(workspace / name, name)
    answers = pd.DataFrame(
        [(one.id, one.who, one.turn, one.label, one.seconds) for one in given],
        columns=["id", "who", "turn", "label", "seconds"],
    )
    dataset = load_dataset(workspace, settings)
    manifest = dataset.manifest.assign(unit=tied_together(dataset.manifest)).set_index("id")
    answers = answers[answers["id"].isin(manifest.index)]
    held = manifest.loc[answers["id"], ["label", "split", "unit"]].set_axis(answers.index)
    answers = answers.assign(given=held["label"].astype("str"), split=held["split"], unit=held["unit"])
    split = next((one for one in reversed(SPLITS) if (answers["split"] == one).any()), TEST)
    answers = answers[answers["split"] == split].drop(columns="split").reset_index(drop=True)
    version = hashlib.sha256((workspace / PREPARED / MANIFEST).read_bytes()).hexdigest()

    def note(examples: int, figure: float, whose: str) -> None:
        if split == TEST:
            record_reading(home, READER, fingerprint(version), examples, figure, settings.data.name, fingerprint(whose))

    return Annotated(answers, split, dataset.preparation["classes"], note)
