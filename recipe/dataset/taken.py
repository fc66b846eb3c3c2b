"""What was taken of a source, and for what, in the words that a person reads first."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.counted import counted
from recipe.dataset.date_formats import exchanged
from recipe.dataset.delimited import Table
from recipe.dataset.labels import MOST_CLASSES_OF_A_NUMBER, Labels, label_numbers
from recipe.dataset.number_styles import other_style
from recipe.dataset.preparation import CENTURY, as_dates, as_text
from recipe.dataset.readings import CELL_SHOWN, Reading
from recipe.dataset.roles import Roles
from recipe.dataset.target_scale import LOG
from recipe.settings import Data

HARDLY_YET = 2050  # a year in which few rows of today were written: of two digits, the last century was meant
NAMED = 6  # of columns, in a line
COMMA = "decimal commas"
KINDS = {"number": ("number", "numbers"), "date": ("date", "dates"), "category": ("category", "categories")}
SKEWED = 1.0  # highly skewed, by the rule of thumb of Bulmer 1979, Principles of Statistics, section 4
FEWEST_FOR_SKEW = 50  # labels; of fewer the skewness says little: its standard error is sqrt(6 / N), 0.35 here
MOST_IN_OTHER = 0.5  # of the rows: the column says little about most of them
TASKS = {"classification": "classes", "regression": "a quantity"}
OTHER_TASK = {"classification": "regression", "regression": "classification"}


def line(taken: Sequence[str]) -> str:
    """What was taken, in one line."""
    return "; ".join(part for part in taken if part) + "."


def rows_taken(table: Table, where: object, sign: str | None) -> str:
    """How many rows a file has, and how it is written; `sign` stands before decimals, where a column settles it."""
    count = len(table.frame) + len(table.malformed)
    written = ", ".join(part for part in (table.written, COMMA if sign == "," else "") if part)
    return f"{_name(where)}: {counted(count, 'row', 'rows')}{f' ({written})' if written else ''}"


def labels_taken(labels: Labels, name: str, scale: str | None = None) -> str:
    """What the label is, what it is taken for, and the `scale` that it is learnt on where that is another."""
    return f"{_labels_taken(labels, name)}{', learnt by its logarithm' if scale == LOG else ''}"


def _labels_taken(labels: Labels, name: str) -> str:
    distinct = labels.text.nunique()
    if labels.why == "asked":
        return f"label {name}: {TASKS[labels.task]}, as data.task={labels.task} says"
    if labels.why == "words":
        return f"label {name}: {distinct} {'class' if distinct == 1 else 'classes'}"
    numbers = f"{distinct} different numbers"
    if labels.why == "few numbers":
        numbers += f", no more than {MOST_CLASSES_OF_A_NUMBER}"
    elif labels.why == "numbered classes":
        numbers += " without a gap, all common"
    otherwise = f"data.task={OTHER_TASK[labels.task]} otherwise"
    return f"label {name}: {numbers}, taken for {TASKS[labels.task]} ({otherwise})"


def inputs_taken(preparation: Mapping[str, Any]) -> str:
    """What the columns of a table are taken for, and which are left out."""
    parts = []
    for kind, words in KINDS.items():
        names = [_as_read(column) for column in preparation["columns"] if column["kind"] == kind]
        if names:
            parts.append(f"{len(names)} {words[len(names) > 1]} ({listed(names)})")
    dropped = [f"{name} ({why})" for name, why in preparation["dropped"].items()]
    left_out = f"; left out: {listed(dropped)}" if dropped else ""
    return f"inputs: {', '.join(parts)}{left_out}"


def groups_taken(manifest: pd.DataFrame, name: str | None) -> str:
    """How many groups stay together; nothing where there are none."""
    return f"{manifest['group'].nunique():,} groups by {name}" if name and manifest["group"].notna().any() else ""


def folders_left_out_taken(files: Mapping[str, int]) -> str:
    """Which class folders data.ignore leaves out, by how many files they have; nothing where there are none."""
    named = [f"{name} ({counted(count, 'file', 'files')})" for name, count in files.items()]
    return f"left out, as data.ignore says: {listed(named)}" if named else ""


def _as_read(column: Mapping[str, Any]) -> str:
    is_plain = column["kind"] != "date" or column["format"] == "ISO8601"
    return str(column["name"]) if is_plain else f"{column['name']} as {column['format']}"


def notes_on_file(table: Table, roles: Roles, data: Data) -> Iterator[str]:
    """What of a file is not there as someone may expect."""
    yield from table.left_out
    if table.empty:
        yield f"{counted(table.empty, 'row has', 'rows have')} nothing in any cell and {_is(table.empty)} left out."
    if roles.split is not None and roles.split != data.split_column:
        yield f"The column '{roles.split}' is taken for the split (data.split_column)."
    if roles.group is not None and roles.group != data.group_column:
        yield f"The column '{roles.group}' is taken for the group (data.group_column)."


def notes_on_labels(labels: Labels, name: str) -> Iterator[str]:
    """How labels were read, where they could be read otherwise."""
    for word, count in labels.words.items():
        yield (
            f"'{word}' is a class: {count:,} labels in '{name}' are so. Where it stands for a missing label, say so: "
            f"data.missing=['{word}']."
        )
    if labels.stripped:
        yield (
            f"{counted(labels.stripped, 'label has', 'labels have')} spaces around what others of the class have "
            "without: read as one class."
        )


def notes_on_target(labels: Labels, name: str, scale: str | None) -> Iterator[str]:
    """A quantity whose logarithm is far more even than it is itself."""
    numbers = label_numbers(labels.text[labels.faults.isna()], labels.style)
    if labels.task != "regression" or scale is not None or len(numbers) < FEWEST_FOR_SKEW or numbers.min() <= 0:
        return
    own, logarithm = _skewness(numbers), _skewness(np.log(numbers))
    if own > SKEWED and abs(logarithm) < own / 2:
        yield (
            f"The label '{name}' is skewed (skewness {own:.1f}; that of its logarithm is {logarithm:.1f}), so a few "
            "large ones decide the loss: data.target=log learns the logarithm."
        )


def _skewness(numbers: np.ndarray) -> float:
    """The third standardised moment; 0 where all are equal."""
    deviations = numbers - numbers.mean()
    spread = deviations.std()
    return float((deviations**3).mean() / spread**3) if spread > 0 else 0.0


def notes_on_columns(readings: Mapping[str, Reading], frame: pd.DataFrame) -> Iterator[str]:
    """How columns were read, where it is not plain from the file."""
    for name, reading in readings.items():
        yield from _notes_on_column(name, reading, frame[name])


def notes_on_inputs(preparation: Mapping[str, Any], rows: pd.DataFrame) -> Iterator[str]:
    """What the net sees little of."""
    for column in preparation["columns"]:
        if column["kind"] == "category" and column["other"]:
            text = as_text(rows[column["name"]])
            rest = text.notna() & ~text.isin(column["categories"])
            if rest.mean() > MOST_IN_OTHER:
                yield (
                    f"'{column['name']}' has {text.nunique():,} values, of which "
                    f"{counted(len(column['categories']), 'has a feature of its own', 'have a feature each')}: the "
                    f"others, {rest.mean():.0%} of the rows, share one."
                )


def listed(names: Sequence[str]) -> str:
    """The first few of `names`, and how many more."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _notes_on_column(name: str, reading: Reading, column: pd.Series) -> Iterator[str]:
    asked = f"data.read_as.{name}"
    if reading.codes:
        yield (
            f"'{name}' is read as codes, such as '{reading.example}': it has {reading.codes} "
            f"({asked}=number otherwise)."
        )
    if reading.odd:
        holds = f"number such as {reading.style}" if reading.kind == "number" else f"date as {reading.format}"
        yield (
            f"No {holds} is in {counted(reading.odd, 'cell', 'cells')} of '{name}', which "
            f"{'counts' if reading.odd == 1 else 'count'} as missing; the first is '{reading.first_odd[:CELL_SHOWN]}'."
        )
    if reading.counted:
        share = reading.counted / max(int(as_text(column, reading.missing).notna().sum()), 1)
        yield (
            f"{reading.counted:,} of the dates in '{name}' ({share:.0%}) are numbers, read as the days that Excel "
            "counts."
        )
    if reading.is_ambiguous and reading.kind == "date":
        example = as_text(column).dropna().iloc[0]
        yield (
            f"No row settles whether '{name}' has the day or the month first: '{example}' is read as {reading.format} "
            f"({asked}={exchanged(reading.format)} otherwise)."
        )
    if reading.kind == "date" and "%y" in reading.format and not CENTURY.search(reading.format):
        text = as_text(column, reading.missing)
        late = text[as_dates(text, reading.format).dt.year >= HARDLY_YET]
        if len(late):
            yield (
                f"'{name}' has two digits for the year, and {counted(len(late), 'date comes', 'dates come')} out after "
                f"{HARDLY_YET}, such as '{late.iloc[0]}' ({asked}={reading.format.replace('%y', '19%y')} puts all into "
                "the last century)."
            )
    if reading.is_ambiguous and reading.kind == "number":
        yield (
            f"No row settles whether '{name}' has thousands or decimals: it is read as numbers such as {reading.style} "
            f"({asked}={other_style(reading.style)} otherwise)."
        )
    if reading.beyond:
        yield (
            f"{counted(reading.beyond, 'number', 'numbers')} in '{name}' {_is(reading.beyond)} beyond single "
            "precision, in which the net computes: the column is standardised in double precision before."
        )


def _name(where: object) -> str:
    return where.name if isinstance(where, Path) else str(where)


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
