"""A delivery read as the data set that it is to join: the same columns, classes and preparation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset.delimited import PARQUET_MAGIC, is_parquet, read_table
from recipe.dataset.images import decode_images
from recipe.dataset.labels import coded, label_numbers, label_style, label_text
from recipe.dataset.listing import LABELS, ImageFile, Listing, is_image_name, list_images, located_files
from recipe.dataset.manifest import COLUMNS_NAMED, Rejected, numbered, optional, place_in_words, quarantine_of
from recipe.dataset.preparation import as_dates, as_numbers, as_text, prepare_rows
from recipe.dataset.stored import INPUTS, Dataset
from recipe.dataset.tables import bytes_ids, content_ids, feature_columns, typed
from recipe.deliveries.incoming import READY
from recipe.errors import DataError, reworded
from recipe.settings import Data, Image, Settings, nearest

SPLIT_OF_DELIVERY = "delivery"  # what stands in the manifest until the ledger assigns a split
FOREIGN_SHARE = 0.5  # of a column's cells that are not of its kind: the column is another, not some of its cells wrong
CELL_SHOWN = 40  # characters of a cell in a sentence
MB = 2**20
BYTES_A_CELL = 8  # of a table in memory, at least
DATES = {"ISO8601": "%Y-%m-%dT%H:%M:%S.%f"}  # how a format that reads many is written
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


@dataclass(frozen=True)
class Delivered:
    """A delivery as examples beside those that are there.

    `dataset` holds what can be read and has a usable label, prepared as `reference` is; its quarantine holds the rest.
    `cells`: the rows of a table as they would be written behind the data set's own, by their 0-based numbers in the
    file; None for images.
    """

    path: Path
    reference: Dataset
    dataset: Dataset
    cells: pd.DataFrame | None = None


def read_delivery(path: Path, reference: Dataset, settings: Settings, out: Path) -> Delivered:
    """What `path` holds, as examples of the data set of `settings`; images are written to `out`.

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
    _refuse_oversized(path, settings.watch.max_mb)
    try:
        if reference.rows is None:
            return Delivered(path, reference, _images_as_examples(path, reference, settings, out))
        return _rows_as_examples(path, reference, settings)
    except DataError as error:
        raise DataError(_for_the_sender(str(error), path)) from error


def _for_the_sender(sentence: str, path: Path) -> str:
    """The same without where it lies here, and without our own settings, which a sender does not have."""
    named = sentence.replace(f"{path.resolve()}/", f"{path.name}/").replace(str(path.resolve()), path.name)
    return reworded(named, "send")


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


# Tables


def _rows_as_examples(path: Path, reference: Dataset, settings: Settings) -> Delivered:
    assert reference.rows is not None, "a table has rows"
    file = table_in(path)
    table = read_table(file)
    notes = tuple(_surplus(table.frame, reference.rows, settings))
    data, preparation = settings.data, reference.preparation
    frame = _same_columns(_unassigned(table.frame, reference.rows, data), reference.rows, file)
    if not is_parquet(Path(data.path)):
        frame = _as_cells(frame, _written(reference))
    features = feature_columns(list(frame.columns), data)
    _refuse_other_columns(frame, preparation, file)
    labels = label_text(frame[data.label]).set_axis(frame.index)
    faults = _first_of(_label_faults(labels, reference), _cell_faults(frame, preparation))
    rejected = [
        *table.malformed,
        *(
            Rejected(f"row:{row}", fault, "label" if _is_label_fault(fault) else "malformed", label)
            for row, fault, label in zip(frame.index, faults, labels.fillna(""), strict=True)
            if isinstance(fault, str)
        ),
    ]
    usable = faults.isna()
    if not usable.any():
        first = place_in_words(rejected[0].path)
        raise DataError(f"No row of {file.name} can be used; the first, {first}: {rejected[0].reason}.")
    frame, labels = frame[usable], labels[usable]
    content = content_ids(frame[features])
    manifest = pd.DataFrame(
        {
            "id": numbered(content),
            "content_id": content,
            "bytes_id": bytes_ids(frame[features]),
            "path": [f"row:{row}" for row in frame.index],
            "label": labels.to_numpy(),
            "split": SPLIT_OF_DELIVERY,
            "group": optional(frame.get(data.group_column), len(frame)),
            "source": path.name,
        }
    )
    rows = typed(frame.reset_index(drop=True))
    dataset = replace(
        reference,
        manifest=manifest,
        quarantine=quarantine_of(rejected),
        inputs=prepare_rows(rows, preparation),
        targets=_targets(manifest["label"], reference),
        rows=rows,
        split_given=False,
        settings=settings,
        notes=notes,
    )
    return Delivered(path, reference, dataset, frame)


def _written(reference: Dataset) -> dict[str, dict[str, Any]]:
    """How each column that is no text is written in the data set: its kind, and its style or format."""
    columns = {column["name"]: column for column in reference.preparation["columns"]}
    if reference.preparation["classes"] is None:
        style = label_style(reference.manifest["label"])
        columns[reference.settings.data.label] = {"kind": "number", "style": style}
    return columns


def _as_cells(frame: pd.DataFrame, columns: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """`frame` as text, as the data set's CSV has it: what is examined is what would be written.

    A CSV's own cells stay as they are; numbers and dates that a Parquet file has as such get the style in `columns`.
    """
    return pd.DataFrame({name: _cells(frame[name], columns.get(name, {})) for name in frame.columns}, index=frame.index)


def _cells(values: pd.Series, column: dict[str, Any]) -> pd.Series:
    if isinstance(values.dtype, pd.StringDtype):
        return values
    if column.get("kind") == "date" and pd.api.types.is_datetime64_any_dtype(values.dtype):
        written = as_dates(values, "").dt.strftime(DATES.get(column["format"], column["format"]))
        return written.astype("str")
    text = as_text(values).astype("str")
    if column.get("kind") == "number" and column["style"] == "1.234,5":
        return text.str.replace(".", ",", regex=False)
    return text


def table_in(path: Path) -> Path:
    """The one table that a delivery is, or holds."""
    if not path.is_dir():
        return path
    files = sorted(file for file in path.rglob("*") if _is_content(file, path))
    tables = [file for file in files if file.suffix.lower() in TABLE_SUFFIXES]
    if len(tables) != 1 or len(files) != 1:
        held = ", ".join(file.relative_to(path).as_posix() for file in files[:3]) or "nothing"
        raise DataError(f"{path.name} should hold one CSV or Parquet file and holds {held}: deliver one table each.")
    return tables[0]


def _is_content(file: Path, root: Path) -> bool:
    parts = file.relative_to(root).parts
    return (
        file.is_file()
        and not file.is_symlink()
        and file.name != READY
        and not any(part.startswith(".") for part in parts)
    )


def _surplus(frame: pd.DataFrame, known: pd.DataFrame, settings: Settings) -> Iterator[str]:
    beside = [name for name in frame.columns if name not in known.columns and name not in settings.data.ignore]
    if beside:
        yield f"The data set has no column {_listed(beside)}: left out."


def _unassigned(frame: pd.DataFrame, known: pd.DataFrame, data: Data) -> pd.DataFrame:
    """`frame` with no split where the data set has a column of them: who delivers does not say what a row is for."""
    if data.split_column not in known.columns:
        return frame
    return frame.assign(**{data.split_column: pd.Series(np.nan, index=frame.index, dtype="str")})


def _same_columns(frame: pd.DataFrame, known: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The columns of the data set, in its order.

    Raises:
        DataError: one is missing.
    """
    missing = [name for name in known.columns if name not in frame.columns]
    if missing:
        near = nearest(missing[0], [name for name in frame.columns if name not in known.columns])
        raise DataError(f"{file.name} lacks {_listed(missing)}{near}: send the columns {_listed(list(known.columns))}.")
    return frame[list(known.columns)]


def _refuse_other_columns(frame: pd.DataFrame, preparation: dict[str, Any], file: Path) -> None:
    """Refuse a table in which a column of the data set holds something else.

    Raises:
        DataError: names it, with what it holds.
    """
    for column, strange in _strange_cells(frame, preparation):
        present = as_text(frame[column["name"]]).notna()
        if strange.sum() > FOREIGN_SHARE * max(int(present.sum()), 1):
            first = frame[column["name"]][strange].iloc[0]
            raise DataError(
                f"The column '{column['name']}' of {file.name} holds {int(strange.sum())} cells such as "
                f"'{str(first)[:CELL_SHOWN]}', which are no {_kind_of(column)}: send it as before."
            )


def _strange_cells(frame: pd.DataFrame, preparation: dict[str, Any]) -> Iterator[tuple[dict[str, str], pd.Series]]:
    """Each column of numbers or dates, and which of its cells are filled with something else."""
    for column in preparation["columns"]:
        given = frame[column["name"]]
        if column["kind"] == "number":
            read = ~np.isnan(as_numbers(given, column["style"]))
        elif column["kind"] == "date":
            read = as_dates(given, column["format"]).notna().to_numpy()
        else:
            continue
        yield column, as_text(given).notna() & ~read


def _cell_faults(frame: pd.DataFrame, preparation: dict[str, Any]) -> pd.Series:
    """Why a row cannot be used for one of its cells; missing where it can."""
    faults = pd.Series(np.nan, index=frame.index, dtype="str")
    for column, strange in _strange_cells(frame, preparation):
        cells = frame[column["name"]].astype("str").str.slice(0, CELL_SHOWN)
        told = "'" + cells + f"' in column '{column['name']}' is no {_kind_of(column)}"
        faults = _first_of(faults, told.where(strange))
    return faults


def _first_of(faults: pd.Series, others: pd.Series) -> pd.Series:
    return faults.where(faults.notna(), others)


def _kind_of(column: dict[str, str]) -> str:
    return f"number such as {column['style']}" if column["kind"] == "number" else f"date in {column['format']}"


# Images


def _images_as_examples(path: Path, reference: Dataset, settings: Settings, out: Path) -> Dataset:
    if not path.is_dir():
        raise DataError(
            f"{path.name} is a file where a folder is due: deliver a folder of images per class, or with a labels.csv."
        )
    pixels, shape = reference.preparation["pixels"], reference.inputs.shape[1:]
    listing = _with_known_labels(_with_unlisted(list_images(path, settings.data)), reference)
    size = Image(size=(pixels["height"], pixels["width"]), channels=pixels["channels"])
    out.mkdir(parents=True, exist_ok=True)
    examples, _ = decode_images(listing, size, path.name, out / INPUTS)
    inputs = np.load(out / INPUTS, mmap_mode="r", allow_pickle=False)
    assert inputs.shape[1:] == shape, "a delivery is stored in the data set's own size"
    manifest = examples.manifest.assign(split=SPLIT_OF_DELIVERY)
    own = [name for name in examples.user_columns if name in reference.user_columns]
    return replace(
        reference,
        manifest=manifest,
        quarantine=quarantine_of(examples.rejected),
        inputs=inputs,
        targets=_targets(manifest["label"], reference),
        split_given=False,
        settings=settings,
        user_columns=tuple(own),
        notes=tuple(examples.notes),
    )


def _with_unlisted(listing: Listing) -> Listing:
    """`listing` with the images that a labels.csv does not name as refused: it may not have been whole."""
    if not (listing.root / LABELS).is_file():
        return listing
    named = [*(file.name for file in listing.files), *(item.path for item in listing.rejected)]
    told = {PurePosixPath(name).as_posix() for name in named}
    beside = [name for name in located_files(listing.root) if is_image_name(name) and name not in told]
    refused = [Rejected(name, f"{LABELS} does not name it", "label") for name in beside]
    return replace(listing, rejected=[*listing.rejected, *refused])


def _with_known_labels(listing: Listing, reference: Dataset) -> Listing:
    """`listing` without the files whose label the data set does not know.

    Raises:
        DataError: none is left.
    """
    labels = pd.Series([file.label for file in listing.files], dtype="str")
    faults = _label_faults(labels, reference)
    kept: list[ImageFile] = []
    refused: list[Rejected] = []
    for file, fault in zip(listing.files, faults, strict=True):
        if isinstance(fault, str):
            refused.append(Rejected(file.name, fault, "label", file.label))
        else:
            kept.append(file)
    if not kept:
        first = refused[0]
        raise DataError(f"No image of {listing.root.name} can be used; the first, {first.path}: {first.reason}.")
    return replace(listing, files=kept, rejected=[*listing.rejected, *refused])


# Labels

UNKNOWN = "the data set has no class "
NO_LABEL, NO_NUMBER = "the label is missing", "the label is no finite number such as "


def _label_faults(labels: pd.Series, reference: Dataset) -> pd.Series:
    """Why a label (text, missing as NaN) is none of the data set's, missing where it is one."""
    classes = reference.preparation["classes"]
    if classes is None:
        style = label_style(reference.manifest["label"])
        reasons = np.where(np.isnan(label_numbers(labels, style)), NO_NUMBER + style, "")
    else:
        known = [str(name) for name in classes]
        unknown = {
            label: f"{UNKNOWN}'{label}'{nearest(label, known)}" for label in set(labels.dropna()) if label not in known
        }
        reasons = labels.map(unknown).fillna("").to_numpy(dtype=object)
    reasons = np.where(labels.isna(), NO_LABEL, reasons)
    return pd.Series(reasons, index=labels.index, dtype="str").replace("", np.nan)


def _is_label_fault(fault: str) -> bool:
    return fault == NO_LABEL or fault.startswith((NO_NUMBER, UNKNOWN))


def _targets(labels: pd.Series, reference: Dataset) -> np.ndarray:
    """Labels as the data set stores them: int64 (N,) for classes, else float32 (N, 1) standardised."""
    preparation = reference.preparation
    if preparation["classes"] is not None:
        return coded(labels, preparation["classes"])
    target = preparation["target"]
    numbers = label_numbers(labels, label_style(reference.manifest["label"]))
    standard = (numbers - target["mean"][0]) / target["std"][0]
    return standard.astype(np.float32)[:, np.newaxis]


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:COLUMNS_NAMED])
    return shown + (" and more" if len(names) > COLUMNS_NAMED else "")
