"""A delivery read as the data set that it is to join: the same columns, classes and preparation."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from recipe.dataset.kind import kind_of
from recipe.dataset.stored import INPUTS, Dataset
from recipe.dataset.table_files import PARQUET_MAGIC, TABLE_SUFFIXES, is_packed
from recipe.errors import DataError, reworded
from recipe.settings import Settings

MB = 2**20
BYTES_A_CELL = 8  # of a table in memory, at least


@dataclass(frozen=True)
class Delivered:
    """A delivery as examples beside those that are there.

    `dataset` holds what can be read and has a usable label, prepared as `reference` is; its quarantine holds the rest.
    `cells` are its rows as they would be written behind the data set's own; see `Beside`.
    """

    path: Path
    reference: Dataset
    dataset: Dataset
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)


def read_delivery(path: Path, reference: Dataset, settings: Settings, out: Path) -> Delivered:
    """What `path` holds, as examples of the data set of `settings`; their inputs may be written to `out`.

    Raises:
        DataError: it is not readable as this data set, with the sentence that tells the sender why.
    """
    data = settings.data.model_copy(update={"task": reference.preparation["task"]})
    settings = settings.model_copy(update={"data": data})
    if path.is_symlink():
        raise DataError(f"{path.name} is a link: deliver the files themselves.")
    if not path.exists():
        raise DataError(f"data.delivery={path} is not there: name what was delivered, data.delivery=...")
    if not path.is_dir() and not path.is_file():  # a pipe would be waited on for ever
        raise DataError(f"{path.name} is neither a file nor a folder: deliver one of them.")
    _refuse_packed(path)
    _refuse_oversized(path, settings.watch.max_mb)
    try:
        kind = kind_of(reference.preparation)
        read = kind.read_beside(path, replace(reference, settings=settings), True, out / INPUTS)
        return Delivered(path, reference, read.dataset, read.cells)
    except DataError as error:
        raise DataError(_for_the_sender(str(error), path)) from error


def _for_the_sender(sentence: str, path: Path) -> str:
    """The same without where it lies here, and without our own settings, which a sender does not have."""
    named = sentence.replace(f"{path.resolve()}/", f"{path.name}/").replace(str(path.resolve()), path.name)
    return reworded(named, "send")


def _refuse_packed(path: Path) -> None:
    """Refuse what may hold any amount in a few bytes: a packed table, or a workbook, which is packed too.

    Raises:
        DataError: `path`, or a file in it, is so.
    """
    for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
        if file.suffix.lower() in TABLE_SUFFIXES and is_packed(file):
            raise DataError(f"{file.name} is packed: send its rows as CSV or Parquet.")


def _refuse_oversized(path: Path, max_mb: float) -> None:
    """Refuse, before it is read, what would fill the memory or the disk.

    Raises:
        DataError: the files, or what a Parquet file says that it unpacks to, are larger than `max_mb`.
    """
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    size = sum(max(file.stat().st_size, _unpacked_bytes(file)) for file in files) / MB
    if size > max_mb:
        raise DataError(
            f"{path.name} holds {size:,.0f} MB, more than watch.max_mb={max_mb:,.0f} allows: send it in parts."
        )


def _unpacked_bytes(file: Path) -> int:
    """What a Parquet file holds by its own account, which a few bytes may make large; 0 for any other."""
    with open(file, "rb") as handle:
        if handle.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
            return 0
    import pyarrow
    import pyarrow.parquet

    try:
        held = pyarrow.parquet.read_metadata(file)
    except (pyarrow.ArrowException, OSError):
        return 0  # what is wrong with it is told when it is read
    stated = sum(held.row_group(place).total_byte_size for place in range(held.num_row_groups))
    return int(max(stated, held.num_rows * held.num_columns * BYTES_A_CELL))
