"""CSV in the encodings, separators and packings that people use, read without guessing silently."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, AnyStr

import numpy as np
import pandas as pd

from recipe.dataset.manifest import Rejected
from recipe.errors import DataError

if TYPE_CHECKING:
    import pyarrow

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SNIFFED_RECORDS = 50
SNIFFED_BYTES = 65_536
READ_AT_ONCE = 2**20  # characters of a file
LONGEST_ROW = 2**22  # bytes: 400,000 cells of ten characters
UTF_8 = "utf-8-sig"  # with a mark at its beginning or without
WINDOWS = "cp1252"  # what browsers take Latin-1 for: with the euro, and the quotes and dashes of word processors
ENCODINGS = {UTF_8: "UTF-8", WINDOWS: "Windows-1252", "utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}
CONTROLS = bytes({*range(9), *range(14, 32)} - {27})  # bytes that no text has, in any encoding but UTF-16
MOST_NULS = 0.01  # of the bytes, and of all controls: more are no text with a slip in it
UTF_16_NULS = 0.3  # of every second byte: where letters are Latin, UTF-16 has a NUL beside nearly each
NAMELESS = "column 0"  # the first, where the header has no name for it
ONLY_NUMBERS = "The first column has no name and only counts the rows: it is left out."
LONGEST_QUOTE = 200  # lines; a quoted cell that runs on for longer was never closed
MALFORMED_SHARE = 0.5  # more rows than this with another number of cells: it is no table
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
NOT_TEXT = "\uffff"  # no character of Unicode, ever; stands for each byte that is none
NO_TEXT = "\0" + NOT_TEXT  # what no text has
MARKS = NO_TEXT + '"'  # rows are searched for what these may do to them, where the file has any
PACKED = {b"\x1f\x8b": gzip.GzipFile, b"BZh": bz2.BZ2File, b"\xfd7zXZ\0": lzma.LZMAFile}  # by a file's first bytes


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding == "charmap":  # five bytes that Windows-1252 does not define: browsers take them as they are
        return error.object[error.start : error.end].decode("latin-1"), error.end
    return NOT_TEXT * (error.end - error.start), error.end


codecs.register_error("marked", _marked)


@dataclass(frozen=True)
class Table:
    """The rows of a file that could be read. `frame.index` holds their 0-based numbers among the file's data rows.

    Every cell of a CSV is text as it stands in the file; other files have types of their own.

    Attributes:
        written: how the file is written, in a few words.
        empty: how many rows hold nothing in any cell; they are left out.
        not_values: what columns of something else than values hold, by their names: bytes, lists or records.
        left_out: what of the file was not read, a sentence each.
    """

    frame: pd.DataFrame
    malformed: list[Rejected]
    written: str = ""
    empty: int = 0
    not_values: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


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
    return Dialect(path, encoding, separator, checked_header(names, path))


def read_csv(path: Path) -> Table:
    """The rows of a CSV. pyarrow cuts them into cells, and hands over each that has too few or too many.

    Raises:
        DataError: it is no table.
        OSError: it cannot be opened.
    """
    dialect = csv_dialect(path)
    frame, faults, blank, marks = _parsed(dialect)
    rows = len(frame) + len(faults) + len(blank)
    frame.index = pd.Index(np.delete(np.arange(rows), [*faults, *blank]))
    if not marks.isdisjoint(NO_TEXT):
        foreign = frame.apply(lambda cells: cells.str.contains(f"[{NO_TEXT}]")).any(axis=1)
        faults |= dict.fromkeys(frame.index[foreign], "the row holds bytes that are not text")
        frame = frame[~foreign]
    if len(faults) > MALFORMED_SHARE * rows:
        raise DataError(
            f"{path} is not a table: {len(faults)} of {rows} rows do not have the {len(dialect.header)} cells of its "
            "first line; set data.path to a CSV or Parquet file."
        )
    empty = _empty_rows(frame)
    malformed = [Rejected(f"row:{row}", faults[row], "malformed") for row in sorted(faults)]
    written = f"{ENCODINGS[dialect.encoding]}, separated by {SEPARATORS[dialect.separator]}"
    frame = frame[~empty] if empty.any() else frame
    left_out: tuple[str, ...] = ()
    if dialect.header[0] == NAMELESS and _only_numbers(frame[NAMELESS]):
        frame, left_out = frame.drop(columns=NAMELESS), (ONLY_NUMBERS,)
    return Table(frame, malformed, written, int(empty.sum()) + len(blank), left_out=left_out)


def _only_numbers(column: pd.Series) -> bool:
    """Whether a column counts the rows, as far as it is filled in."""
    numbers = pd.to_numeric(column.str.strip(), errors="coerce").dropna()
    return len(numbers) > len(column) / 2 and bool((numbers.diff().dropna() == 1).all())


def _empty_rows(frame: pd.DataFrame) -> pd.Series:
    """Which rows have nothing in any cell, as spreadsheets leave below their last one."""
    empty = frame.iloc[:, 0].str.strip() == ""
    if empty.any():
        rest = frame[empty].apply(lambda cells: cells.str.strip() == "").all(axis=1)
        empty = empty & rest.reindex(frame.index, fill_value=False)
    return empty


def _parsed(dialect: Dialect) -> tuple[pd.DataFrame, dict[int, str], list[int], set[str]]:
    """The rows with as many cells as the header, all text; by their numbers, what is wrong with the others; the numbers
    of those that are blank; and which of `MARKS` the file has.
    """
    import pyarrow
    from pyarrow.csv import ConvertOptions, InvalidRow, ParseOptions, ReadOptions, read_csv

    faults: dict[int, str] = {}
    blank: list[int] = []
    joined: list[int] = []
    marks: set[str] = set()
    decoder = codecs.getincrementaldecoder(dialect.encoding)("marked")

    def as_utf_8(block: pyarrow.Buffer) -> bytes:
        text = decoder.decode(block, final=not len(block))
        marks.update(mark for mark in MARKS if mark in text)
        return text.encode()

    def set_aside(row: InvalidRow) -> str:
        number = row.number - 2  # they count from 1, and the header is one
        if not row.text.strip():
            blank.append(number)
            return "skip"
        faults[number] = f"the row has {row.actual_columns} cells where the header has {row.expected_columns}"
        if re.search(r"[\r\n]", row.text):
            joined.append(number)
        return "skip"

    try:
        table = read_csv(
            pyarrow.TransformInputStream(pyarrow.PythonFile(opened(dialect.path), "r"), as_utf_8),
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
    return frame, faults, blank, marks


def _spans(dialect: Dialect) -> list[tuple[int, int]]:
    """The first and the last line of each row.

    Raises:
        DataError: a quote is never closed.
    """
    records = _records(dialect.path, dialect.encoding, dialect.separator)
    return [lines for _, lines in islice(records, 1, None)]


def _encoding(path: Path) -> str:
    """UTF-8, also with a few broken bytes, UTF-16 with its mark or without, or Windows-1252.

    Raises:
        DataError: the file is empty, or binary.
    """
    with opened(path) as file:
        head = file.read(SNIFFED_BYTES)
        if not head.strip() and not any(part.strip() for part in _blocks(file)):
            raise DataError(f"{path} is empty: set data.path to a file with data.")
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    for first, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        nuls = [head[place::2].count(0) / max(len(head) // 2, 1) for place in (first, 1 - first)]
        has_lines = "\n" in head.decode(encoding, "replace")
        if nuls[0] >= UTF_16_NULS > MOST_NULS >= nuls[1] and has_lines:
            return encoding
    if len(head) - len(head.translate(None, CONTROLS)) > MOST_NULS * len(head):
        raise DataError(f"{path} is a binary file, not a CSV: set data.path to a CSV or Parquet file.")
    broken = foreign = 0
    with _as_text(path, UTF_8) as text:
        for block in _blocks(text):
            if not block.isascii():
                broken += block.count(NOT_TEXT)
                foreign += len(NOT_ASCII.findall(block))
    return UTF_8 if broken <= foreign - broken else WINDOWS


def _blocks(file: IO[AnyStr]) -> Iterator[AnyStr]:
    return iter(lambda: file.read(READ_AT_ONCE), file.read(0))


def opened(path: Path) -> IO[bytes]:
    """The content of `path`, unpacked where it is packed by gzip, bzip2 or xz."""
    with open(path, "rb") as file:
        head = file.read(max(map(len, PACKED)))
    for mark, unpacked in PACKED.items():
        if head.startswith(mark):
            return unpacked(path)
    return open(path, "rb")


def _as_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """The text of `path`, its line ends as they are."""
    return io.TextIOWrapper(opened(path), encoding=encoding, errors="marked", newline="")


def _separator(path: Path, encoding: str) -> str:
    """The separator that cuts the first records into the most cells, the same number in nearly all of them."""
    with _as_text(path, encoding) as file:
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
    with _as_text(path, encoding) as file:
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


def checked_header(names: list[str], path: Path) -> list[str]:
    """The names of the columns without spaces around them, in Unicode's composed form; a number where there is none.

    Raises:
        DataError: there are fewer than two, one is there twice, or is no text.
    """
    names = [unicodedata.normalize("NFC", name).strip() or f"column {place}" for place, name in enumerate(names)]
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
