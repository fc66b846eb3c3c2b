"""How the data set grows by the good examples of a delivery: all prepared beside it, then put in place by renames."""

import csv
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from recipe.dataset.delimited import csv_dialect, is_parquet, read_table
from recipe.dataset.listing import LABELS, located_files
from recipe.deliveries.reading import table_in
from recipe.errors import DataError
from recipe.settings import Data
from recipe.workspace import write_whole

STAGED = "staged"  # in a claimed folder: what is to be put in place
PLAIN_NAME = re.compile(r"[^-.0-9A-Za-z_ ()]+")


@dataclass(frozen=True)
class Growth:
    """What is to be put in place.

    Attributes:
        files: new files, staged name to place, both relative: to the claimed folder, and to the data set.
        table: the staged name of the whole next table (or labels.csv); empty where there is none.
        before, after: the hashes of that table now and then; empty where there is none.
    """

    files: dict[str, str]
    table: str = ""
    before: str = ""
    after: str = ""


def stage_growth(claimed: Path, delivered: Path, fates: pd.DataFrame, target: Path, data: Data) -> Growth:
    """Prepare in `claimed` what makes the data set `target` hold the new examples of `delivered` as well.

    Args:
        fates: the examples that are taken: path and label.

    Raises:
        DataError: the rows do not fit into the table's own format.
    """
    staged = claimed / STAGED
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    if data.kind == "table":
        return _next_table(claimed, target, _unassigned(_rows(table_in(delivered), fates), data))
    files = _stage_images(claimed, delivered, fates, target)
    if not (target / LABELS).is_file():
        return Growth(files)
    listed = _unassigned(_listed(delivered, fates, files, data), data)
    growth = _next_table(claimed, target / LABELS, listed)
    return Growth(files, growth.table, growth.before, growth.after)


def is_based_on(growth: Growth, target: Path) -> bool:
    """Whether the data set's table is still what the growth was prepared for, or what it makes of it."""
    return not growth.table or digest_of(_table_of(target)) in (growth.before, growth.after)


def put_in_place(claimed: Path, growth: Growth, target: Path) -> None:
    """Carry out a growth; what an earlier, killed call has done already stays done.

    The table comes last: images that no labels.csv names are no part of the data set yet.
    """
    for name, place in growth.files.items():
        staged, path = claimed / name, target / place
        if staged.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, path)
    if growth.table and (claimed / growth.table).exists():
        os.replace(claimed / growth.table, _table_of(target))


def digest_of(path: Path) -> str:
    """The hash of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def copy_beside(source: Path, place: Path) -> None:
    """The same file at `place`: a second name of it where the disk allows, else a copy. Links are not followed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, place, follow_symlinks=False)


# Tables


def _table_of(target: Path) -> Path:
    return target / LABELS if target.is_dir() else target


def _rows(file: Path, fates: pd.DataFrame) -> pd.DataFrame:
    """The raw rows of `file` that are taken."""
    numbers = [int(path.removeprefix("row:")) for path in fates["path"]]
    return read_table(file).frame.loc[numbers]


def _unassigned(rows: pd.DataFrame, data: Data) -> pd.DataFrame:
    """`rows` without a split of the sender's: new examples are assigned as the data set's own ledger has it."""
    return rows.drop(columns=data.split_column, errors="ignore")


def _next_table(claimed: Path, table: Path, rows: pd.DataFrame) -> Growth:
    """The table with `rows` behind its own, in its own format; what it holds already keeps every byte."""
    name = f"{STAGED}/{table.name}"
    before = digest_of(table)
    grown = _with_parquet_rows(table, rows) if is_parquet(table) else _with_csv_rows(table, rows)
    write_whole(claimed / name, grown)
    return Growth({}, name, before, digest_of(claimed / name))


def _with_csv_rows(table: Path, rows: pd.DataFrame) -> bytes:
    dialect = csv_dialect(table)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=dialect.separator, lineterminator=dialect.line_end)
    cells = [_as_cells(rows[name]) if name in rows else [""] * len(rows) for name in dialect.header]
    writer.writerows(zip(*cells, strict=True))
    content = table.read_bytes() if dialect.appendable else dialect.text.encode("utf-8", "surrogateescape")
    ended = b"" if content.endswith((b"\n", b"\r")) else dialect.line_end.encode()
    return content + ended + text.getvalue().encode("utf-8", "surrogateescape")


def _as_cells(values: pd.Series) -> list[str]:
    return ["" if value is None or value != value else str(value) for value in values.astype(object)]


def _with_parquet_rows(table: Path, rows: pd.DataFrame) -> bytes:
    import pyarrow
    import pyarrow.parquet

    held = pyarrow.parquet.read_table(table)
    try:
        typed = {}
        for field in held.schema:
            values = rows[field.name] if field.name in rows else pd.Series([None] * len(rows), index=rows.index)
            typed[field.name] = pyarrow.array(_typed(values, field.type), type=field.type, from_pandas=True)
        grown = pyarrow.concat_tables([held, pyarrow.table(typed, schema=held.schema)])
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"The rows do not fit the types of {table.name} ({reason}): send Parquet of the same."
        ) from error
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(grown, buffer)
    return buffer.getvalue()


def _typed(values: pd.Series, kind: object) -> pd.Series:
    """Cells of a CSV as what a Parquet column holds."""
    import pyarrow.types as kinds

    if not isinstance(values.dtype, pd.StringDtype):
        return values
    if kinds.is_integer(kind) or kinds.is_floating(kind):
        return pd.to_numeric(values.str.strip().replace("", None)).astype(object)
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return pd.to_datetime(values.str.strip().replace("", None))
    if kinds.is_boolean(kind):
        return values.str.strip().str.lower().map({"true": True, "1": True, "false": False, "0": False})
    return values.astype(object)


# Images


def _stage_images(claimed: Path, delivered: Path, fates: pd.DataFrame, target: Path) -> dict[str, str]:
    """A second name in `claimed` for each image that is taken, and its place in the data set."""
    folders = None if (target / LABELS).is_file() else _class_folders(target)
    located = located_files(delivered)
    taken: set[str] = set()
    files = {}
    for number, (path, label) in enumerate(zip(fates["path"], fates["label"], strict=True)):
        folder = f"{DELIVERIES}/{claimed.name}" if folders is None else folders.get(str(label), str(label))
        place = _free_place(folder, f"{claimed.name}--{_plain(str(path))}", target, taken)
        name = f"{STAGED}/{number}"
        copy_beside(located.get(str(path), delivered / str(path)), claimed / name)
        files[name] = place
        taken.add(place)
    return files


DELIVERIES = "deliveries"  # in a data set with a labels.csv: where delivered images go


def _class_folders(target: Path) -> dict[str, str]:
    """The folder of each class: of a data set in train, validation and test folders the one for training."""
    from recipe.dataset.splits import SPLIT_NAMES, TRAIN

    top = sorted(entry.name for entry in os.scandir(target) if entry.is_dir() and not entry.name.startswith("."))
    if top and all(name.lower() in SPLIT_NAMES for name in top):
        training = next((name for name in top if SPLIT_NAMES[name.lower()] == TRAIN), top[0])
        return {entry.name: f"{training}/{entry.name}" for entry in os.scandir(target / training) if entry.is_dir()}
    return {name: name for name in top}


def _plain(path: str) -> str:
    """The file's own name without its folders and without what a file system may not like."""
    return PLAIN_NAME.sub("_", PurePosixPath(path).name) or "image"


def _free_place(folder: str, name: str, target: Path, taken: set[str]) -> str:
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    for place in _numbered(folder, stem, suffix):
        if place not in taken and not (target / place).exists():
            return place
    raise AssertionError("numbers do not end")


def _numbered(folder: str, stem: str, suffix: str) -> Iterator[str]:
    yield f"{folder}/{stem}{suffix}"
    number = 2
    while True:
        yield f"{folder}/{stem}-{number}{suffix}"
        number += 1


def _listed(delivered: Path, fates: pd.DataFrame, files: dict[str, str], data: Data) -> pd.DataFrame:
    """The lines that labels.csv gets: what the delivery's own labels.csv says of each image, under its new path."""
    places: Sequence[str] = list(files.values())
    lines = pd.DataFrame({"path": places, data.label: fates["label"].to_numpy()}, dtype="str")
    own = delivered / LABELS
    if not own.is_file():
        return lines
    told = read_table(own).frame
    told = told.assign(path=told["path"].str.strip().str.replace("\\", "/")).drop_duplicates("path").set_index("path")
    more = told.reindex(fates["path"]).reset_index(drop=True).drop(columns=[data.label], errors="ignore")
    return pd.concat([lines, more], axis=1)
