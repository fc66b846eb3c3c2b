"""Tables as files: CSV in the encodings and separators that people use, and Parquet, read without guessing silently."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, AnyStr, TextIO

import numpy as np
import pandas as pd

from recipe.dataset.manifest import Rejected
from recipe.errors import DataError

if TYPE_CHECKING:
    import pyarrow

PARQUET_MAGIC = b"PAR1"
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
PARQUET_SUFFIXES = (".parquet", ".pq")
SEPARATORS = ",;\t|"
SNIFFED_RECORDS = 50
SNIFFED_BYTES = 65_536
READ_AT_ONCE = 2**20  # characters of a file
LONGEST_ROW = 2**22  # bytes: 400,000 cells of ten characters
UTF_8 = "utf-8-sig"  # with a mark at its beginning or without
LONGEST_QUOTE = 200  # lines; a quoted cell that runs on for longer was never closed
MALFORMED_SHARE = 0.5  # more rows than this with another number of cells: it is no table
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
NOT_TEXT = "\uffff"  # no character of Unicode, ever; stands for each byte that is none
NO_TEXT = "\0" + NOT_TEXT  # what no text has
MARKS = NO_TEXT + '"'  # rows are searched for what these may do to them, where the file has any


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return NOT_TEXT * (error.end - error.start), error.end


codecs.register_error("marked", _marked)


@dataclass(frozen=True)
class Table:
    """The rows of a file that could be read. `frame.index` holds their 0-based numbers among the file's data rows.

    Every cell of a CSV is text as it stands in the file; a Parquet file has types of its own.
    """

    frame: pd.DataFrame
    malformed: list[Rejected]


def read_table(path: Path) -> Table:
    """The table in a CSV or Parquet file.

    Raises:
        DataError: it is missing, a folder, empty or binary, has a single column or one twice, or does not parse.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder where a CSV or Parquet file is due: set data.path to the file.")
    if not path.exists():
        raise DataError(f"{path} does not exist: set data.path to a CSV or Parquet file.")
    try:
        table = _read_parquet(path) if is_parquet(path) else _read_csv(path)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    if table.frame.empty and not table.malformed:
        raise DataError(f"{path} has a header but no rows: set data.path to a file with data.")
    return table


def is_parquet(path: Path) -> bool:
    """Whether `path` is a Parquet file, by its first bytes or its name."""
    with open(path, "rb") as file:
        return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC or path.suffix in PARQUET_SUFFIXES


@dataclass(frozen=True)
class Dialect:
    """How the CSV at `path` is written."""

    path: Path
    encoding: str
    separator: str
    header: list[str]


def csv_dialect(path: Path) -> Dialect:
    """How the CSV at `path` is written.

    Raises:
        DataError: it is none.
    """
    encoding = _encoding(path)
    separator = _separator(path, encoding)
    names, _ = next(_records(path, encoding, separator), ([], None))
    return Dialect(path, encoding, separator, _checked_header(names, path))


def _read_parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
        frame = table.to_pandas()
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path} is not a Parquet file that can be read ({reason}): write it again.") from error
    frame.columns = _checked_header([str(name) for name in frame.columns], path)
    for column in table.schema:
        if pyarrow.types.is_nested(column.type):
            raise DataError(
                f"{path} has lists or records in the column '{column.name}': give each of their parts a column, or "
                "write the file without it."
            )
    return Table(frame.reset_index(drop=True), [])


def _read_csv(path: Path) -> Table:
    """pyarrow cuts the rows into cells, and hands over each that has too few or too many of them."""
    dialect = csv_dialect(path)
    frame, faults, marks = _parsed(dialect)
    rows = len(frame) + len(faults)
    frame.index = pd.Index(np.delete(np.arange(rows), list(faults)))
    if not marks.isdisjoint(NO_TEXT):
        foreign = frame.apply(lambda cells: cells.str.contains(f"[{NO_TEXT}]")).any(axis=1)
        faults |= dict.fromkeys(frame.index[foreign], "the row holds bytes that are not text")
        frame = frame[~foreign]
    if len(faults) > MALFORMED_SHARE * rows:
        raise DataError(
            f"{path} is not a table: {len(faults)} of {rows} rows do not have the {len(dialect.header)} cells of its "
            "first line; set data.path to a CSV or Parquet file."
        )
    return Table(frame, [Rejected(f"row:{row}", faults[row], "malformed") for row in sorted(faults)])


def _parsed(dialect: Dialect) -> tuple[pd.DataFrame, dict[int, str], set[str]]:
    """The rows with as many cells as the header, all text; by their numbers, what is wrong with the others; and which
    of `MARKS` the file has.
    """
    import pyarrow
    from pyarrow.csv import ConvertOptions, InvalidRow, ParseOptions, ReadOptions, read_csv

    faults: dict[int, str] = {}
    joined: list[int] = []
    marks: set[str] = set()
    decoder = codecs.getincrementaldecoder(dialect.encoding)("marked")

    def as_utf_8(block: pyarrow.Buffer) -> bytes:
        text = decoder.decode(block, final=not len(block))
        marks.update(mark for mark in MARKS if mark in text)
        return text.encode()

    def set_aside(row: InvalidRow) -> str:
        number = row.number - 2  # they count from 1, and the header is one
        faults[number] = f"the row has {row.actual_columns} cells where the header has {row.expected_columns}"
        if re.search(r"[\r\n]", row.text):
            joined.append(number)
        return "skip"

    try:
        table = read_csv(
            pyarrow.TransformInputStream(pyarrow.OSFile(str(dialect.path)), as_utf_8),
            ReadOptions(column_names=dialect.header, block_size=LONGEST_ROW, use_threads=False),  # one numbers the rows
            ParseOptions(delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=set_aside),
            ConvertOptions(column_types=dict.fromkeys(dialect.header, pyarrow.large_string())),
        )
    except pyarrow.ArrowInvalid as error:
        _spans(dialect)
        told = f"{dialect.path} has a row of more than {LONGEST_ROW // 2**20} MB: is a quote there never closed?"
        raise DataError(told) from error
    frame = table.slice(1).to_pandas()
    if joined or ('"' in marks and any(frame.apply(lambda cells: cells.str.count("\n")).max() > LONGEST_QUOTE)):
        spans = _spans(dialect)
        for number in joined:
            faults[number] += " (lines {} to {} run together: is a quote not closed?)".format(*spans[number])
    return frame, faults, marks


def _spans(dialect: Dialect) -> list[tuple[int, int]]:
    """The first and the last line of each row.

    Raises:
        DataError: a quote is never closed.
    """
    records = _records(dialect.path, dialect.encoding, dialect.separator)
    return [lines for _, lines in islice(records, 1, None)]


def _encoding(path: Path) -> str:
    """UTF-8, also with a few broken bytes, UTF-16 with its mark, or Latin-1.

    Raises:
        DataError: the file is empty, or binary.
    """
    with open(path, "rb") as file:
        head = file.read(SNIFFED_BYTES)
        if not head.strip() and not any(part.strip() for part in _blocks(file)):
            raise DataError(f"{path} is empty: set data.path to a file with data.")
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if b"\0" in head:
        raise DataError(f"{path} is a binary file, not a CSV: set data.path to a CSV or Parquet file.")
    broken = foreign = 0
    with _opened(path, UTF_8) as text:
        for block in _blocks(text):
            if not block.isascii():
                broken += block.count(NOT_TEXT)
                foreign += len(NOT_ASCII.findall(block))
    return UTF_8 if broken <= foreign - broken else "latin-1"


def _blocks(file: IO[AnyStr]) -> Iterator[AnyStr]:
    return iter(lambda: file.read(READ_AT_ONCE), file.read(0))


def _opened(path: Path, encoding: str) -> TextIO:
    """The text of `path`, its line ends as they are."""
    return open(path, encoding=encoding, errors="marked", newline="")


def _separator(path: Path, encoding: str) -> str:
    """The separator that cuts the first records into the most cells, the same number in nearly all of them."""
    with _opened(path, encoding) as file:
        head = file.read(SNIFFED_BYTES)

    def agreement(separator: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
        widths = [len(record) for record in islice(filter(None, reader), SNIFFED_RECORDS)]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    return max(SEPARATORS, key=agreement)


def _records(path: Path, encoding: str, separator: str) -> Iterator[tuple[list[str], tuple[int, int]]]:
    """The cells of each record of a CSV, and its first and last line; blank ones are left out.

    Raises:
        DataError: a quote is not closed.
    """
    line = 1
    with _opened(path, encoding) as file:
        reader = csv.reader(file, delimiter=separator)
        try:
            for cells in reader:
                if reader.line_num - line > LONGEST_QUOTE:
                    raise DataError(f"{path} has a quote in line {line} that is never closed: close it or remove it.")
                if cells:
                    yield cells, (line, reader.line_num)
                line = reader.line_num + 1
        except csv.Error as error:
            told = f"{path} cannot be read at line {line} ({error}): is a quote there never closed?"
            raise DataError(told) from error


def _checked_header(names: list[str], path: Path) -> list[str]:
    names = [name.strip() or f"column {place}" for place, name in enumerate(names)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"{path} has more than one column named '{twice[0]}': give each column a name of its own.")
    if len(names) < 2:
        raise DataError(
            f"{path} has a single column, '{names[0][:40] if names else ''}', and needs a label and at least one more: "
            "set data.path to a table whose cells are separated by comma, semicolon, tab or bar."
        )
    if any(NOT_TEXT in name for name in names):
        raise DataError(f"{path} has bytes that are not text in its first line: write its names in UTF-8.")
    return names
