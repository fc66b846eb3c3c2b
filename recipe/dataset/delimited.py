"""Tables as files: CSV in the encodings and separators that people use, and Parquet, read without guessing silently."""

import codecs
import csv
import io
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import pandas as pd

from recipe.dataset.manifest import Rejected
from recipe.errors import DataError

PARQUET_MAGIC = b"PAR1"
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
PARQUET_SUFFIXES = (".parquet", ".pq")
SEPARATORS = ",;\t|"
SNIFFED_RECORDS = 50
SNIFFED_BYTES = 65_536
READ_BYTES = 2**20  # of a file at a time
RECORDS_AT_ONCE = 16_384  # become columns together: a cell in Python's hands takes six times its bytes
UTF_8 = "utf-8-sig"  # with a mark at its beginning or without
LONGEST_QUOTE = 200  # lines; a quoted cell that runs on for longer was never closed
MALFORMED_SHARE = 0.5  # more rows than this with another number of cells: it is no table
SURROGATE = re.compile("[\udc80-\udcff]")  # what a byte that is no UTF-8 decodes to
NOT_ASCII = re.compile(r"[^\x00-\x7f]")


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
class Encoding:
    """How the bytes of a CSV stand for text; `suspicious` says whether some of them may not."""

    name: str
    errors: str
    suspicious: bool

    def open(self, path: Path, newline: str = "") -> TextIO:
        """The text of `path`, its line ends as they are; `newline` says which of them end a line, by default any."""
        return open(path, encoding=self.name, errors=self.errors, newline=newline)


@dataclass(frozen=True)
class Dialect:
    """How the CSV at `path` is written; `appendable` says whether UTF-8 may be added behind its bytes as they are."""

    path: Path
    encoding: Encoding
    separator: str
    line_end: str
    header: list[str]

    @property
    def appendable(self) -> bool:
        return self.encoding.name == UTF_8

    @property
    def text(self) -> str:
        """All of it."""
        with self.encoding.open(self.path) as file:
            return file.read()


def csv_dialect(path: Path) -> Dialect:
    """How the CSV at `path` is written, for who adds rows to it.

    Raises:
        DataError: it is none.
    """
    encoding = _encoding(path)
    separator = _separator(path, encoding)
    header = _header(path, encoding, separator)
    with encoding.open(path, newline="\n") as file:
        line_end = "\r\n" if file.readline().endswith("\r\n") else "\n"
    return Dialect(path, encoding, separator, line_end, header)


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
    """Every record is counted and measured by Python's csv module; the good ones become columns, so many at a time."""
    encoding = _encoding(path)
    separator = _separator(path, encoding)
    header = _header(path, encoding, separator)
    parts: list[pd.DataFrame] = []
    numbers, malformed, good = array("q"), [], []
    with encoding.open(path) as file:
        for number, record in enumerate(islice(_records(file, separator, path), 1, None)):
            fault = _fault(record, len(header), encoding.suspicious)
            if fault:
                malformed.append(Rejected(f"row:{number}", fault, "malformed"))
                continue
            numbers.append(number)
            good.append(record.cells)
            if len(good) == RECORDS_AT_ONCE:
                parts.append(_columns(good, header))
                good.clear()
    if len(malformed) > MALFORMED_SHARE * (len(malformed) + len(numbers)):
        raise DataError(
            f"{path} is not a table: {len(malformed)} of {len(malformed) + len(numbers)} rows do not have "
            f"the {len(header)} cells of its first line; set data.path to a CSV or Parquet file."
        )
    frame = pd.concat([*parts, _columns(good, header)], ignore_index=True)
    frame.index = pd.Index(np.array(numbers, dtype=np.int64))
    return Table(frame, malformed)


def _columns(records: list[list[str]], header: list[str]) -> pd.DataFrame:
    columns = zip(*records, strict=True) if records else [()] * len(header)
    return pd.DataFrame({name: pd.array(list(cells), dtype="str") for name, cells in zip(header, columns, strict=True)})


def _encoding(path: Path) -> Encoding:
    """UTF-8, UTF-16 with its mark, or Latin-1; in UTF-8 with a few broken bytes these become surrogates.

    Raises:
        DataError: the file is empty, or binary.
    """
    with open(path, "rb") as file:
        head = file.read(SNIFFED_BYTES)
        if not head.strip() and not any(part.strip() for part in _blocks(file)):
            raise DataError(f"{path} is empty: set data.path to a file with data.")
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return Encoding("utf-16", "replace", suspicious=True)
    if b"\0" in head:
        raise DataError(f"{path} is a binary file, not a CSV: set data.path to a CSV or Parquet file.")
    try:
        suspicious = any("\0" in text for text in _texts(path, "strict"))
        return Encoding(UTF_8, "strict", suspicious)
    except UnicodeDecodeError:
        broken = foreign = 0
        for text in _texts(path, "surrogateescape"):
            broken += len(SURROGATE.findall(text))
            foreign += len(NOT_ASCII.findall(text))
        if broken <= foreign - broken:
            return Encoding(UTF_8, "surrogateescape", suspicious=True)
        return Encoding("latin-1", "strict", suspicious=True)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(READ_BYTES), b"")


def _texts(path: Path, errors: str) -> Iterator[str]:
    """The text of a file in UTF-8, a block at a time."""
    decoder = codecs.getincrementaldecoder(UTF_8)(errors)
    with open(path, "rb") as file:
        yield from map(decoder.decode, _blocks(file))
    yield decoder.decode(b"", final=True)


def _separator(path: Path, encoding: Encoding) -> str:
    """The separator that cuts the first records into the most cells, the same number in nearly all of them."""
    with encoding.open(path) as file:
        head = file.read(SNIFFED_BYTES)

    def agreement(separator: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
        widths = [len(record) for record in islice(filter(None, reader), SNIFFED_RECORDS)]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    return max(SEPARATORS, key=agreement)


def _header(path: Path, encoding: Encoding, separator: str) -> list[str]:
    with encoding.open(path) as file:
        first = next(_records(file, separator, path), None)
    return _checked_header(first.cells if first else [], path)


@dataclass(frozen=True)
class _Record:
    cells: list[str]
    first_line: int
    last_line: int


def _records(file: TextIO, separator: str, path: Path) -> Iterator[_Record]:
    """The records of a CSV, blank lines left out.

    Raises:
        DataError: a quote is not closed.
    """
    reader = csv.reader(file, delimiter=separator)
    line = 1
    try:
        for cells in reader:
            if reader.line_num - line > LONGEST_QUOTE:
                raise DataError(f"{path} has a quote in line {line} that is never closed: close it or remove it.")
            if cells:
                yield _Record(cells, line, reader.line_num)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path} cannot be read at line {line} ({error}): is a quote there never closed?") from error


def _checked_header(names: list[str], path: Path) -> list[str]:
    names = [name.strip() or f"column {place}" for place, name in enumerate(names)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has more than one column named '{twice[0]}': give each column a name of its own.")
    if len(names) < 2:
        raise DataError(
            f"{path} has a single column, '{names[0][:40] if names else ''}', and needs a label and at least one more: "
            "set data.path to a table whose cells are separated by comma, semicolon, tab or bar."
        )
    if any(SURROGATE.search(name) for name in names):
        raise DataError(f"{path} has bytes that are not text in its first line: write its names in UTF-8.")
    return names


def _fault(record: _Record, width: int, suspicious: bool) -> str:
    if len(record.cells) != width:
        lines = f" (lines {record.first_line} to {record.last_line} run together: is a quote not closed?)"
        count = f"the row has {len(record.cells)} cells where the header has {width}"
        return count + (lines if record.last_line > record.first_line else "")
    if suspicious and any("\0" in cell or SURROGATE.search(cell) for cell in record.cells):
        return "the row holds bytes that are not text"
    return ""
