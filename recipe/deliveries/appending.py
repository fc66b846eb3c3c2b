"""How the data set grows by the good examples of a delivery: all prepared beside it, then put in place by renames."""

import hashlib
import io
import re
import shutil
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path, PurePosixPath

import pandas as pd

from recipe.dataset.delimited import UTF_8, csv_dialect
from recipe.dataset.image_listing import LABELS, list_images, located_files
from recipe.dataset.splits import SPLIT_NAMES, TRAIN
from recipe.dataset.table_files import is_delimited, is_parquet, read_table
from recipe.deliveries.moving import move
from recipe.errors import DataError, WorkspaceError
from recipe.runtime.workspace import write_whole
from recipe.settings import Data

STAGED = "staged"  # in a claimed folder: what is to be put in place
STEM_LENGTH, SUFFIX_LENGTH = 100, 20  # of a file's own name: with the delivery's id it stays below the 255 of disks
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


def stage_growth(
    claimed: Path, delivered: Path, fates: pd.DataFrame, rows: pd.DataFrame, target: Path, data: Data
) -> Growth:
    """Prepare in `claimed` what makes the data set `target` hold the new examples of `delivered` as well.

    Args:
        fates: the examples that are taken: path and label.
        rows: of a file, as they were examined, by their numbers in it.

    Raises:
        DataError: the rows do not fit into the table's own format.
    """
    staged = claimed / STAGED
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    if not target.is_dir():
        return _next_table(claimed, target, rows.loc[[int(path.removeprefix("row:")) for path in fates["path"]]])
    files = _stage_images(claimed, delivered, fates, target, data)
    if not (target / LABELS).is_file():
        return Growth(files)
    listed = _listed(delivered, fates, list(files.values()), data)
    # A split of the sender's is left out: new examples are assigned as the data set's own ledger has it.
    growth = _next_table(claimed, target / LABELS, listed.drop(columns=data.split_column, errors="ignore"))
    return replace(growth, files=files)


def is_based_on(growth: Growth, target: Path) -> bool:
    """Whether the data set's table is still what the growth was prepared for, or what it makes of it."""
    return not growth.table or _digest_of(_table_of(target)) in (growth.before, growth.after)


def put_in_place(claimed: Path, growth: Growth, target: Path) -> None:
    """Carry out a growth; what an earlier, killed call has done already stays done.

    The table comes last: images that no labels.csv names are no part of the data set yet.
    """
    for name, place in growth.files.items():
        staged, path = claimed / name, target / place
        if staged.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            move(staged, path)
        elif not path.exists():
            raise WorkspaceError(f"{staged} is gone before it was put in {path}: restore it, or remove {claimed}.")
    if growth.table and (claimed / growth.table).exists():
        move(claimed / growth.table, _table_of(target))


def _digest_of(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# Tables


def _table_of(target: Path) -> Path:
    return target / LABELS if target.is_dir() else target


def _next_table(claimed: Path, table: Path, rows: pd.DataFrame) -> Growth:
    """The table with `rows` behind its own, in its own format; what it holds already keeps every byte."""
    if not is_parquet(table) and not is_delimited(table):
        raise DataError(
            f"The data set {table.name} is neither CSV nor Parquet, so no rows can be written behind its own: save it "
            "as one of them, and set data.path to that."
        )
    name = f"{STAGED}/{table.name}"
    before = _digest_of(table)
    grown = _with_parquet_rows(table, rows) if is_parquet(table) else _with_csv_rows(table, rows)
    write_whole(claimed / name, grown)
    return Growth({}, name, before, _digest_of(claimed / name))


def _with_csv_rows(table: Path, rows: pd.DataFrame) -> bytes:
    dialect = csv_dialect(table)
    content = table.read_bytes()
    if dialect.encoding != UTF_8:  # into which UTF-8 cannot be mixed
        content = content.decode(dialect.encoding, "replace").encode()
    line_end = "\r\n" if content.partition(b"\n")[0].endswith(b"\r") else "\n"
    added = rows.reindex(columns=dialect.header).to_csv(
        sep=dialect.separator, lineterminator=line_end, header=False, index=False
    )
    ended = b"" if content.endswith((b"\n", b"\r")) else line_end.encode()
    return content + ended + added.encode("utf-8", "surrogateescape")


def _with_parquet_rows(table: Path, rows: pd.DataFrame) -> bytes:
    import pyarrow
    import pyarrow.parquet

    held, buffer = pyarrow.parquet.read_table(table), io.BytesIO()
    try:
        typed = []
        for one in held.schema:
            values = rows[one.name] if one.name in rows else pd.Series([None] * len(rows))
            typed.append(pyarrow.array(_typed(values, one.type), type=one.type, from_pandas=True))
        pyarrow.parquet.write_table(pyarrow.concat_tables([held, pyarrow.table(typed, schema=held.schema)]), buffer)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"The rows do not fit the types of {table.name} ({reason}): send Parquet of the same."
        ) from error
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


def _stage_images(claimed: Path, delivered: Path, fates: pd.DataFrame, target: Path, data: Data) -> dict[str, str]:
    """A copy in `claimed` of each image that is taken, and its place in the data set."""
    folders = None if (target / LABELS).is_file() else _class_folders(target, data)
    located = located_files(delivered)
    taken: set[str] = set()
    files = {}
    for number, (path, label) in enumerate(zip(fates["path"], fates["label"], strict=True)):
        folder = f"{DELIVERIES}/{claimed.name}" if folders is None else folders[str(label)]
        place = _free_place(folder, f"{claimed.name}--{_plain(str(path))}", target, taken)
        name = f"{STAGED}/{number}"
        shutil.copy2(located.get(str(path), delivered / str(path)), claimed / name)
        files[name] = place
        taken.add(place)
    return files


DELIVERIES = "deliveries"  # in a data set with a labels.csv: where delivered images go


def _class_folders(target: Path, data: Data) -> dict[str, str]:
    """The folder of each class: of a data set in train, validation and test folders the one for training."""
    listed = list_images(target, data)
    folders = {file.label: PurePosixPath(file.name).parts[0] for file in listed.files}
    if listed.table["split"].isna().all():
        return folders
    top = {PurePosixPath(file.name).parts[0] for file in listed.files}
    training = next((name for name in sorted(top) if SPLIT_NAMES[name.lower()] == TRAIN), min(top))
    return {label: f"{training}/{label}" for label in folders}


def _plain(path: str) -> str:
    """The file's own name without its folders and without what a file system may not like."""
    name = PurePosixPath(PLAIN_NAME.sub("_", PurePosixPath(path).name) or "image")
    return f"{name.stem[:STEM_LENGTH]}{name.suffix[:SUFFIX_LENGTH]}"


def _free_place(folder: str, name: str, target: Path, taken: set[str]) -> str:
    path = PurePosixPath(folder, name)
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    places = (place.as_posix() for place in chain([path], numbered))
    return next(place for place in places if place not in taken and not (target / place).exists())


def _listed(delivered: Path, fates: pd.DataFrame, places: list[str], data: Data) -> pd.DataFrame:
    """The lines that labels.csv gets: what the delivery's own labels.csv says of each image, under its new path."""
    lines = pd.DataFrame({"path": places, data.label: fates["label"].to_numpy()}, dtype="str")
    own = delivered / LABELS
    if not own.is_file():
        return lines
    told = read_table(own).frame
    told = told.assign(path=told["path"].str.strip().str.replace("\\", "/")).drop_duplicates("path").set_index("path")
    more = told.reindex(fates["path"]).reset_index(drop=True).drop(columns=[data.label], errors="ignore")
    return pd.concat([lines, more], axis=1)
