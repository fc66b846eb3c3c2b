"""Images: a folder a class, or a labels.csv; stored as bytes (N, C, H, W) in one size."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recipe import drawing
from recipe.dataset import preparation as preparation_code
from recipe.dataset.beside import Beside, beside, label_faults
from recipe.dataset.blankness import CHUNK, SATURATED_IMAGE, TORN, VANISHED, blank_images, largest_band
from recipe.dataset.image_features import image_features
from recipe.dataset.image_listing import (
    LABELS,
    MEASURED,
    Listing,
    is_image_name,
    list_images,
    list_inputs,
    located_files,
)
from recipe.dataset.images import decode_images, pixel_statistics
from recipe.dataset.kind import Kind, Preparation, RawInputs, Rows, Vectors
from recipe.dataset.manifest import Examples, Rejected
from recipe.dataset.preparation import ALPHA_MODES, prepare_named, refuse_bomb
from recipe.dataset.readings import Reading
from recipe.dataset.stored import Dataset
from recipe.dataset.table_files import read_table
from recipe.errors import DataError
from recipe.settings import Data, Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH = 256  # images to predict that are decoded at a time
SKETCH_SIDE = 8  # images are compared at 8 x 8 first
SAME_PIXELS = 0.1  # of the range of values, mean over pixels: a copy, at most slightly brightened
ENOUGH_ALIKE, NEARLY_ALL = 20, 0.9  # images, and the share of them, that tell of a ground and not of a fault


def kind() -> Kind:
    """Images."""
    return Kind(
        name="images",
        example="image",
        code=preparation_code,
        read=_read,
        prepare=_prepare,
        read_beside=_read_beside,
        read_raw=_read_raw,
        prepared_again=_prepared_again,
        vet=_vet,
        measured=MEASURED,
        blank=_blank,
        vectors=_vectors,
        sketches=_sketches,
        pooled=lambda inputs: _pooled(np.asarray(inputs, dtype=np.float32)),
        features=image_features,
        comparable=lambda inputs: True,
        are_copies=_are_copies,
        near_limit=lambda settings: settings.near_images,
        pictures=_pictures,
        draw=_draw,
        decode=lambda batch, preparation: batch,
        batches_in=_batches_in,
    )


def _read(root: Path, data: Data, inputs: Path) -> Examples:
    return decode_images(list_images(root, data), data.image, data.name, inputs)


def _prepare(examples: Examples, training: Rows, data: Data, where: object, inputs: Path) -> Preparation:
    images = np.load(inputs, mmap_mode="r", allow_pickle=False)
    size = dict(zip(("channels", "height", "width"), images.shape[1:], strict=True))
    return {"pixels": pixel_statistics(images, training) | size}


def _vet(preparation: Preparation) -> None:
    refuse_bomb((int(preparation["pixels"]["width"]), int(preparation["pixels"]["height"])))


# Beside a data set


def _read_beside(path: Path, reference: Dataset, labelled: bool, inputs: Path) -> Beside:
    if labelled and not path.is_dir():
        raise DataError(
            f"{path.name} is a file where a folder is due: deliver a folder of images per class, or with a labels.csv."
        )
    data, preparation = reference.settings.data, reference.preparation
    if not (path / LABELS).is_file():  # a class left out is none of the data set's: refused, not passed over
        data = data.model_copy(update={"ignore": ()})
    if labelled and reference.time_column is not None:
        data = _timed_alike(path, data, reference.time_column, preparation["readings"])
    if labelled:
        listing = _with_known_labels(_with_unlisted(list_images(path, data)), reference)
    else:
        listing = list_inputs(path, data, preparation["task"], preparation["classes"] or ())
    pixels = preparation["pixels"]
    size = Image(size=(pixels["height"], pixels["width"]), channels=pixels["channels"])
    inputs.parent.mkdir(parents=True, exist_ok=True)
    examples = decode_images(listing, size, path.name, inputs)
    stored = np.load(inputs, mmap_mode="r", allow_pickle=False)
    return Beside(beside(reference, examples, stored, labelled), pd.DataFrame())


def _timed_alike(path: Path, data: Data, column: str, readings: dict[str, Any]) -> Data:
    """The settings by which a delivery says when its images were, as the data set does.

    Raises:
        DataError: it does not say so.
    """
    listed = path / LABELS
    if not listed.is_file() or column not in read_table(listed).frame.columns:
        raise DataError(
            f"{path.name} has no {LABELS} with the column '{column}', by which the data are split: send it."
        )
    reading = Reading.from_json(readings[column])
    read_as = {**data.read_as, column: reading.format or reading.style}
    return data.model_copy(update={"read_as": read_as, "split": data.split.model_copy(update={"column": column})})


def _with_unlisted(listing: Listing) -> Listing:
    """`listing` with the images that a labels.csv does not name as refused: it may not have been whole."""
    if not (listing.root / LABELS).is_file():
        return listing
    named = [*(file.name for file in listing.files), *(item.path for item in listing.rejected)]
    told = {PurePosixPath(name).as_posix() for name in named}
    found = [name for name in located_files(listing.root) if is_image_name(name) and name not in told]
    refused = [Rejected(name, f"{LABELS} does not name it", "label") for name in found]
    return replace(listing, rejected=[*listing.rejected, *refused])


def _with_known_labels(listing: Listing, reference: Dataset) -> Listing:
    """`listing` without the files whose label the data set does not know.

    Raises:
        DataError: none is left.
    """
    faults = label_faults(pd.Series([file.label for file in listing.files], dtype="str"), reference)
    known = faults.isna().tolist()
    refused = [
        Rejected(file.name, fault, "label", file.label)
        for file, fault, keep in zip(listing.files, faults, known, strict=True)
        if not keep
    ]
    if not any(known):
        first = refused[0]
        raise DataError(f"No image of {listing.root.name} can be used; the first, {first.path}: {first.reason}.")
    kept = [file for file, keep in zip(listing.files, known, strict=True) if keep]
    return replace(listing, files=kept, rejected=[*listing.rejected, *refused])


def _batches_in(entries: Sequence[Path], preparation: Preparation) -> list[Path] | None:
    """A folder each; a folder that holds images, a list of labels, or a folder a class is a batch itself."""
    classes = preparation["classes"] or []
    is_one = not entries or any(
        is_image_name(entry.name) or entry.name == LABELS or (entry.is_dir() and entry.name in classes)
        for entry in entries
    )
    return None if is_one else [entry for entry in entries if entry.is_dir()]


# Predictions


def _read_raw(inputs: Sequence[Path], preparation: Preparation) -> Iterator[RawInputs]:
    paths = [image for path in inputs for image in _image_paths(path)]
    for start in range(0, len(paths), BATCH):
        chunk = paths[start : start + BATCH]
        images: list[np.ndarray] = []
        errors: list[str | None] = []
        for path in chunk:
            try:
                images.append(prepare_named(path.read_bytes(), str(path), preparation))
                errors.append(None)
            except OSError as error:
                errors.append(f"{path} cannot be opened: {error.strerror}.")
            except ValueError as error:
                errors.append(str(error))
        stored = np.stack(images) if images else np.empty((0, *_stored_size(preparation)), np.uint8)
        yield RawInputs(pd.DataFrame({"path": [str(path) for path in chunk]}), errors, stored)


def _image_paths(path: Path) -> list[Path]:
    """`path` itself if it is a file; every file below it that is neither hidden nor a list of labels, sorted."""
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name != LABELS]
    shown = [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not shown:
        raise DataError(f"{path} holds no files: name a folder of images.")
    return shown


def _prepared_again(dataset: Dataset, rows: Rows, preparation: Preparation, source: Path | None) -> np.ndarray | None:
    """As they are stored, where the size is the same; else decoded again."""
    if _stored_size(preparation) == _stored_size(dataset.preparation):
        return dataset.inputs[rows]
    if source is None:
        return None
    names = dataset.manifest["path"].iloc[rows].astype("str")
    return np.stack([prepare_named((source / name).read_bytes(), name, preparation) for name in names])


def _stored_size(preparation: Preparation) -> tuple[int, int, int]:
    pixels = preparation["pixels"]
    return pixels["channels"], pixels["height"], pixels["width"]


# Compared


def _vectors(inputs: np.ndarray) -> Vectors:
    """Images centred and of unit norm, zero where they are constant."""
    flat = np.asarray(inputs, dtype=np.float32).reshape(len(inputs), -1)
    flat = flat - flat.mean(1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)


def _sketches(inputs: np.ndarray) -> Vectors:
    """The vectors of images, pooled, so many at a time."""
    chunks = [inputs[start : start + CHUNK] for start in range(0, len(inputs), CHUNK)]
    return np.concatenate([_pooled(_vectors(chunk).reshape(chunk.shape)) for chunk in chunks])


def _pooled(images: Vectors) -> Vectors:
    """Images (N, C, H, W) as vectors (N, D): pooled to at most 8 x 8 a channel, by an orthogonal projection."""
    for axis in (2, 3):
        size = images.shape[axis]
        if size > SKETCH_SIDE:
            edges = np.linspace(0, size, SKETCH_SIDE + 1).astype(int)[:-1]
            widths = np.diff(np.append(edges, size)).astype(np.float32)
            shape = [-1 if place == axis else 1 for place in range(4)]
            images = (np.add.reduceat(images, edges, axis=axis) / np.sqrt(widths).reshape(shape)).astype(np.float32)
    return images.reshape(len(images), -1)


def _are_copies(pair: np.ndarray) -> bool:
    """Whether the pixels of two images, neither of them black, agree as well."""
    pixels = np.asarray(pair, dtype=np.float32)
    if not pixels[0].any() or not pixels[1].any():
        return False
    return bool(np.abs(pixels[0] - pixels[1]).mean() <= SAME_PIXELS * 255)


# Looked at


def _blank(dataset: Dataset, settings: Any, start: int) -> pd.DataFrame:
    found = blank_images(dataset.inputs, settings.flat, settings.noise, settings.band)
    if "mode" in dataset.manifest:
        on_white = dataset.manifest["mode"].iloc[found["row"]].isin(ALPHA_MODES).to_numpy()
        found["reason"] = found["reason"].mask(on_white & (found["reason"] == SATURATED_IMAGE), VANISHED)
    torn = (found["reason"] == TORN) & (found["row"] >= start)
    if not start or not torn.any():
        return found
    usual = np.concatenate([np.zeros(start, dtype=bool), _has_usual_ground(dataset.inputs[start:])])
    return found[~(torn & usual[found["row"]])]


def _has_usual_ground(images: np.ndarray) -> np.ndarray:
    """Which images have the ground that nearly all of a delivery has: by that alone none has lost a part."""
    fill = np.concatenate([largest_band(images[at : at + CHUNK])[1] for at in range(0, len(images), CHUNK)])
    usual = fill == np.bincount(fill).argmax()
    return np.asarray(usual & (len(images) >= ENOUGH_ALIKE) & (usual.mean() >= NEARLY_ALL))


def _pictures(inputs: np.ndarray) -> np.ndarray:
    """Stored images (N, C, H, W) as greys (N, H, W), or in colour (N, H, W, 3) where they have the channels."""
    return inputs[:, 0] if inputs.shape[1] < 3 else inputs[:, :3].transpose(0, 2, 3, 1)


def _draw(inputs: np.ndarray, titles: Sequence[str], title: str) -> "Figure":
    return drawing.gallery(inputs if inputs.dtype == np.uint8 else inputs / 255, titles, title)
