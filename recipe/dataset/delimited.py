"""Tables as files: CSV in the encodings and separators that people use, and Parquet, read without guessing silently."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from recipe.dataset.manifest import Rejected
from recipe.errors import DataError

PARQUET_MAGIC = b"PAR1"
PARQUET_SUFFIXES = (".parquet", ".pq")
SEPARATORS = ",;\t|"
SNIFFED_RECORDS = 50
SNIFFED_BYTES = 65_536
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
class Dialect:
    """How a CSV is written; `appendable` says whether UTF-8 may be added behind its bytes as they are."""

    separator: str
    line_end: str
    header: list[str]
    text: str
    appendable: bool


def csv_dialect(path: Path) -> Dialect:
    """How the CSV at `path` is written, for who adds rows to it.

    Raises:
        DataError: it is none.
    """
    data = path.read_bytes()
    text = _decoded(data, path)
    separator = _separator(text)
    header = _checked_header(next(_records(text, separator, path)).cells, path)
    first_line = text[: text.find("\n") + 1]
    line_end = "\r\n" if first_line.endswith("\r\n") else "\n"
    appendable = text == data.decode("utf-8-sig", errors="surrogateescape")
    return Dialect(separator, line_end, header, text, appendable)


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
    """Every record is counted and measured by Python's csv module; pandas then reads the good ones at its own speed."""
    text = _decoded(path.read_bytes(), path)
    separator = _separator(text)
    records = _records(text, separator, path)
    header = _checked_header(next(records).cells, path)
    numbers, malformed, good = [], [], io.StringIO(newline="")
    writer = csv.writer(good)
    suspicious = "\0" in text or SURROGATE.search(text) is not None
    for number, record in enumerate(records):
        fault = _fault(record, len(header), suspicious)
        if fault:
            malformed.append(Rejected(f"row:{number}", fault, "malformed"))
        else:
            numbers.append(number)
            writer.writerow(record.cells)
    if len(malformed) > MALFORMED_SHARE * (len(malformed) + len(numbers)):
        raise DataError(
            f"{path} is not a table: {len(malformed)} of {len(malformed) + len(numbers)} rows do not have "
            f"the {len(header)} cells of its first line; set data.path to a CSV or Parquet file."
        )
    good.seek(0)
    frame = pd.read_csv(good, header=None, names=header, dtype="str", keep_default_na=False, skip_blank_lines=False)
    frame.index = pd.Index(numbers, dtype="int64")
    return Table(frame, malformed)


def _decoded(data: bytes, path: Path) -> str:
    """Text from UTF-8, UTF-16 with its mark, or Latin-1; in UTF-8 with a few broken bytes these become surrogates."""
    if not data.strip():
        raise DataError(f"{path} is empty: set data.path to a file with data.")
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:SNIFFED_BYTES]:
        raise DataError(f"{path} is a binary file, not a CSV: set data.path to a CSV or Parquet file.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", errors="surrogateescape")
        broken, foreign = len(SURROGATE.findall(text)), len(NOT_ASCII.findall(text))
        return text if broken <= foreign - broken else data.decode("latin-1")


def _separator(text: str) -> str:
    """The separator that cuts the first records into the most cells, the same number in nearly all of them."""

    def agreement(separator: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(text[:SNIFFED_BYTES], newline=""), delimiter=separator)
        widths = [len(record) for record in islice(filter(None, reader), SNIFFED_RECORDS)]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    return max(SEPARATORS, key=agreement)


@dataclass(frozen=True)
class _Record:
    cells: list[str]
    first_line: int
    last_line: int


def _records(text: str, separator: str, path: Path) -> Iterator[_Record]:
    """The records of a CSV, blank lines left out.

    Raises:
        DataError: a quote is not closed.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
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
    return names


def _fault(record: _Record, width: int, suspicious: bool) -> str:
    if len(record.cells) != width:
        lines = f" (lines {record.first_line} to {record.last_line} run together: is a quote not closed?)"
        count = f"the row has {len(record.cells)} cells where the header has {width}"
        return count + (lines if record.last_line > record.first_line else "")
    if suspicious and any("\0" in cell or SURROGATE.search(cell) for cell in record.cells):
        return "the row holds bytes that are not text"
    return ""
