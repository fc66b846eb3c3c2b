"""A batch from production, read and prepared as the training data were; labels are taken where there are any."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from recipe.dataset.delimited import read_table
from recipe.dataset.images import decode_images
from recipe.dataset.labels import label_text
from recipe.dataset.listing import LABELS, ImageFile, Listing, files_below, is_image_name, shown, stem
from recipe.dataset.manifest import COLUMNS, MEASURED, Rejected, digest, no_column, numbered, optional, user_column
from recipe.dataset.preparation import prepare_rows
from recipe.dataset.stored import Dataset
from recipe.dataset.tables import content_ids, typed
from recipe.errors import DataError, reworded
from recipe.inspection.columns import features
from recipe.settings import Image

INPUTS = "inputs.npy"


@dataclass(frozen=True)
class Batch:
    """The inputs that could be read, in the order of `inputs`.

    Attributes:
        path: the file or folder, as it was given.
        known: id and path of each input (N,).
        columns: raw columns (N, C), as far as the reference has them too.
        inputs: prepared as training's: images uint8 (N, C, H, W), memory-mapped, or rows float32 (N, F).
        rows: a table's raw columns; None for images.
        labels: the label of each input as text, missing where it has none; None where none has.
        unreadable: what could not be read, and why.
        content: names the inputs without their labels: the same batch, labelled later, has the same one.
    """

    path: Path
    known: pd.DataFrame
    columns: pd.DataFrame
    inputs: np.ndarray
    rows: pd.DataFrame | None
    labels: pd.Series | None
    unreadable: list[Rejected]
    content: str

    def __len__(self) -> int:
        return len(self.known)


@contextmanager
def opened(path: Path, dataset: Dataset) -> Iterator[Batch]:
    """The batch at `path`, a table or a folder of images as `dataset` is one; decoded images go with the block.

    Raises:
        DataError: it is missing, empty, of another kind, lacks a column that the model needs, or nothing can be read.
    """
    try:
        if dataset.preparation["kind"] == "table":
            yield _read_rows(path, dataset)
            return
        with tempfile.TemporaryDirectory(prefix="recipe-monitor-") as folder:
            yield _read_images(path, dataset, Path(folder) / INPUTS)
    except DataError as error:
        raise DataError(reworded(str(error), "name")) from error


def _content_of(content: pd.Series) -> str:
    return digest(*(name.encode() for name in sorted(content)))


def _read_rows(path: Path, dataset: Dataset) -> Batch:
    table = read_table(path)
    frame = typed(table.frame).reset_index(drop=True)
    reference = features(dataset)
    assert reference is not None, "a table has rows"
    for column in dataset.preparation["columns"]:
        if column["name"] not in frame.columns:
            remedy = "give it the columns of the training data"
            raise DataError(no_column(path, "model", column["name"], frame.columns, remedy))
    if frame.empty:
        raise DataError(f"None of the rows of {path} can be read: {table.malformed[0].reason}.")
    columns = frame[[name for name in reference.columns if name in frame.columns]]
    content = content_ids(columns)
    label = dataset.settings.data.label
    return Batch(
        path=path,
        known=pd.DataFrame({"id": numbered(content), "path": [f"row:{number}" for number in table.frame.index]}),
        columns=columns,
        inputs=prepare_rows(frame, dataset.preparation),
        rows=frame,
        labels=_given(label_text(table.frame[label])) if label in table.frame.columns else None,
        unreadable=table.malformed,
        content=_content_of(content),
    )


def _read_images(root: Path, dataset: Dataset, out: Path) -> Batch:
    listing = _listed(root, dataset)
    pixels = dataset.preparation["pixels"]
    size = Image(size=(pixels["height"], pixels["width"]), channels=pixels["channels"])
    examples, _ = decode_images(listing, size, dataset.settings.data.name, out)
    manifest = examples.manifest
    compared = [name for name in (*MEASURED, *dataset.user_columns) if name in dataset.manifest and name in manifest]
    return Batch(
        path=root,
        known=manifest[["id", "path"]],
        columns=manifest[compared],
        inputs=np.load(out, mmap_mode="r", allow_pickle=False),
        rows=None,
        labels=_given(manifest["label"]),
        unreadable=examples.rejected,
        content=_content_of(manifest["content_id"]),
    )


def _given(labels: pd.Series) -> pd.Series | None:
    return labels.reset_index(drop=True) if labels.notna().any() else None


def _listed(root: Path, dataset: Dataset) -> Listing:
    """Every image below `root`, with what its class folder or a labels.csv says of it."""
    if root.is_file():
        raise DataError(f"{root} is a file where a folder of images is due: name the folder.")
    if not root.exists():
        raise DataError(f"{root} does not exist: name a folder of images.")
    root = root.resolve()
    try:
        found = [(tuple(name.split("/")), path) for name, path in files_below(root)]
    except OSError as error:
        raise DataError(f"Cannot read {error.filename or root}: {error.strerror or error}.") from error
    pictured = {stem(parts) for parts, _ in found if is_image_name(parts[-1])}
    named = [
        (parts, path)
        for parts, path in found
        if is_image_name(parts[-1]) or not PurePosixPath(parts[-1]).suffix or stem(parts) not in pictured
    ]
    inside = [(parts, path) for parts, path in named if path is not None]
    if not inside:
        raise DataError(f"{root} holds no files: name a folder of images.")
    table = pd.DataFrame({"path": [shown("/".join(parts)) for parts, _ in inside]}, dtype="str")
    rejected = [
        Rejected(shown("/".join(parts)), "the link leads outside the folder or to a folder", "outside")
        for parts, path in named
        if path is None
    ]
    if (root / LABELS).is_file():
        table, own, missing = _with_list(table, root / LABELS, dataset)
        rejected += missing
    else:
        table, own = table.assign(label=_class_folders([parts for parts, _ in inside], dataset)), []
    files = [ImageFile(path, table["path"][row], "", row) for row, (_, path) in enumerate(inside)]
    return Listing(root, files, table, dataset.preparation["task"], rejected, own)


def _class_folders(parts: list[tuple[str, ...]], dataset: Dataset) -> pd.Series:
    """The folder of each image as its label, where any folder is named after a class."""
    folders = [shown(one[0]) if len(one) > 1 else None for one in parts]
    are_classes = not set(dataset.preparation["classes"] or ()).isdisjoint(folders)
    return pd.Series(folders if are_classes else [None] * len(folders), dtype="str")


def _with_list(table: pd.DataFrame, where: Path, dataset: Dataset) -> tuple[pd.DataFrame, list[str], list[Rejected]]:
    """`table` with the labels and the user's own columns that labels.csv has; its rows that name no image."""
    data = dataset.settings.data
    listed = read_table(where).frame
    if "path" not in listed.columns:
        raise DataError(no_column(where, "image file", "path", listed.columns, "rename one 'path'"))
    names = listed["path"].str.strip().str.replace("\\", "/").map(lambda name: PurePosixPath(name).as_posix())
    listed = listed.assign(path=names).drop_duplicates("path", keep="last").set_index("path")
    absent = [name for name in listed.index if name not in set(table["path"])]
    labels = label_text(listed[data.label]) if data.label in listed.columns else optional(None, len(listed))
    own = [name for name in listed.columns if name not in (data.label, data.split_column, data.group_column)]
    users = typed(listed[own]).rename(columns={name: user_column(name, (*COLUMNS[:-1], *MEASURED)) for name in own})
    joined = users.assign(label=labels.to_numpy()).reindex(table["path"]).reset_index()
    missing = [Rejected(name, f"{LABELS} names it, and there is no such file", "missing") for name in absent]
    return joined, list(users.columns), missing
