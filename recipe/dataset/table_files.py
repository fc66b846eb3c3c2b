"""Tables as files: CSV, Parquet, JSON Lines and Excel, told apart by what they hold rather than by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import pandas as pd

from recipe.dataset.delimited import PACKED, Table, checked_header, opened, read_csv
from recipe.dataset.manifest import Rejected
from recipe.errors import DataError
from recipe.settings import PACKED_SUFFIXES

if TYPE_CHECKING:
    import pyarrow

PARQUET_MAGIC, ZIP_MAGIC = b"PAR1", b"PK\x03\x04"
PARQUET_SUFFIXES = (".parquet", ".pq")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", *PARQUET_SUFFIXES, *JSON_SUFFIXES, *PACKED_SUFFIXES)
NAMELESS_INDEX = "__index_level_0__"  # what pandas calls the index of a frame whose rows were drawn or shuffled
HEAD = 16  # bytes: the longest mark below has 15
OTHERS = {  # by their first bytes
    b"\xd0\xcf\x11\xe0": "an Excel workbook of before 2007",
    b"ARROW1": "a Feather file",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"%PDF": "a PDF",
}


def read_table(path: Path) -> Table:
    """The table in a file.

    Raises:
        DataError: it is missing, a folder, empty or binary, has a single column or one twice, or does not parse.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder where a CSV or Parquet file is due: set data.path to the file.")
    if not path.exists():
        raise DataError(f"{path} does not exist: set data.path to a CSV or Parquet file.")
    try:
        table = _read(path)
    except (OSError, EOFError) as error:
        raise DataError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    if table.frame.empty and not table.malformed:
        raise DataError(f"{path} has a header but no rows: set data.path to a file with data.")
    return table


def is_parquet(path: Path) -> bool:
    """Whether `path` is a Parquet file, by its first bytes or its name."""
    return path.suffix in PARQUET_SUFFIXES or _head(path).startswith(PARQUET_MAGIC)


def is_delimited(path: Path) -> bool:
    """Whether `path` is a CSV as it lies on disk, behind whose rows others can be written."""
    return not is_parquet(path) and not is_packed(path) and path.suffix.lower() not in JSON_SUFFIXES


def is_packed(path: Path) -> bool:
    """Whether `path` holds its content packed: by gzip, bzip2 or xz, or as a workbook."""
    return _head(path).startswith((*PACKED, ZIP_MAGIC))


def _read(path: Path) -> Table:
    if is_parquet(path):
        return _read_parquet(path)
    head = _head(path)
    if head.startswith(ZIP_MAGIC):
        return _read_workbook(path)
    for mark, name in OTHERS.items():
        if head.startswith(mark):
            raise DataError(f"{path} is {name}: save its rows as CSV or Parquet, and set data.path to that.")
    inner = path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path
    return _read_json(path) if inner.suffix.lower() in JSON_SUFFIXES else read_csv(path)


def _head(path: Path) -> bytes:
    """The first bytes of a file, by which formats are told apart."""
    with open(path, "rb") as file:
        return file.read(HEAD)


# Parquet


def _read_parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
        frame = table.to_pandas(ignore_metadata=True)  # which would make an index of the columns that once were one
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path} is not a Parquet file that can be read ({reason}): write it again.") from error
    not_values = {}
    for place, column in enumerate(table.schema):
        if pyarrow.types.is_nested(column.type):
            not_values[column.name] = "lists or records"
        elif pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type):
            not_values[column.name] = "bytes"
        elif pyarrow.types.is_decimal(column.type):
            frame.isetitem(place, frame.iloc[:, place].astype("float64"))
        elif pyarrow.types.is_integer(column.type) and table.column(place).null_count:
            frame.isetitem(place, _whole_numbers(table.column(place)))
    left_out: tuple[str, ...] = ()
    if NAMELESS_INDEX in frame:
        frame = frame.drop(columns=NAMELESS_INDEX)
        left_out = ("The index that the file has without a name is left out.",)
    frame.columns = pd.Index(checked_header([str(name) for name in frame.columns], path))
    return Table(frame, [], "Parquet", not_values=not_values, left_out=left_out)


def _whole_numbers(column: pyarrow.ChunkedArray) -> pd.Series:
    """Integers with gaps, which float64 would not keep apart beyond 2^53."""
    import pyarrow

    return column.cast(pyarrow.int64()).to_pandas(types_mapper={pyarrow.int64(): pd.Int64Dtype()}.get)


# JSON


def _read_json(path: Path) -> Table:
    """A record a line, or a list of records."""
    records: dict[int, dict[str, Any]] = {}
    malformed = []
    for number, (text, record) in enumerate(_records(path)):
        if isinstance(record, dict):
            records[number] = record
        else:
            malformed.append(Rejected(f"row:{number}", f"the line is no JSON record: {text[:40]}", "malformed"))
    if not records:
        raise DataError(f'{path} holds no JSON records: write one a line, such as {{"size": 3, "label": "a"}}.')
    frame = pd.DataFrame.from_dict(records, orient="index")
    frame.columns = pd.Index(checked_header([str(name) for name in frame.columns], path))
    nested = {str(name): "lists or records" for name in frame if frame[name].map(_is_nested).any()}
    plain = {name: frame[name] if name in nested else _values(frame[name]) for name in frame}
    return Table(pd.DataFrame(plain, index=frame.index), malformed, "JSON", not_values=nested)


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    with opened(path) as file:
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
    with opened(path) as file:
        if first == b"[":
            try:
                whole = json.loads(file.read().decode("utf-8-sig", "replace"))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path} is no JSON ({error}): write it again, a record a line.") from error
            yield from (("", record) for record in whole)
            return
        for line in file:
            text = line.decode("utf-8-sig", "replace").strip()
            if text:
                try:
                    yield text, json.loads(text)
                except (ValueError, RecursionError):
                    yield text, None


def _is_nested(value: Any) -> bool:
    return isinstance(value, (list, dict, tuple))


def _values(column: pd.Series) -> pd.Series:
    """Numbers and truth values as such; what is of several types, or of one that pandas has no type for, as text."""
    inferred = column.map(lambda value: float(value) if isinstance(value, Decimal) else value).infer_objects()
    if inferred.dtype != object:
        return inferred
    return inferred.map(lambda value: None if value is None or value != value else str(value)).astype("str")


# Excel


def _read_workbook(path: Path) -> Table:
    """The first sheet of a workbook: its cells as values, the first row as names."""
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            frame = book.parse(sheets[0], dtype=object, na_values=[], keep_default_na=False)
    except (BadZipFile, KeyError, ValueError, InvalidFileException) as error:
        raise DataError(
            f"{path} is packed, and is no Excel workbook: unpack it, and set data.path to the file inside."
        ) from error
    names = ["" if str(name).startswith("Unnamed: ") else str(name) for name in frame.columns]
    frame.columns = pd.Index(checked_header(names, path))
    empty = frame.map(lambda value: value is None or value == "").all(axis=1)
    frame = frame[~empty]
    left_out: tuple[str, ...] = ()
    if len(sheets) > 1:
        left_out = (f"Of the workbook's {len(sheets)} sheets the first, '{sheets[0]}', is read.",)
    filled = {name: _values(frame[name].map(lambda value: None if value == "" else value)) for name in frame}
    table = pd.DataFrame(filled, index=frame.index)
    return Table(table, [], "Excel", empty=int(empty.sum()), left_out=left_out)
