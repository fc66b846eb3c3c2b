"""Images in IDX files, as MNIST and the sets made in its likeness come: four files, plain or packed by gzip."""

import gzip
import io
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recipe.dataset.images import Pictures
from recipe.dataset.splits import TEST, TRAIN
from recipe.errors import DataError
from recipe.settings.kinds import READ_FROM_FILES

# LeCun, Cortes and Burges, The MNIST database, "File formats": two zeros, 8 for unsigned bytes, the number of axes.
IMAGES_MAGIC, LABELS_MAGIC = 0x0803, 0x0801
PARTS = {"train": TRAIN, "t10k": TEST}  # how their names begin, and the split that each is
SPELLINGS = ("{part}-{what}-idx{axes}-ubyte", "{part}-{what}.idx{axes}-ubyte")  # the second once unpacked by some tools
PACKED = ".gz"
MOST_PACKED = 1032  # bytes that deflate makes of one at most (zlib, Technical Details, "Maximum Compression Factor")
AXIS = struct.Struct(">I")  # of the magic number and of each axis' length
# Of Fashion-MNIST's labels 0 to 9, as its README has them under "Labels".
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CLASSES: dict[str, tuple[str, ...] | None] = {"fashion_mnist": CLOTHES, "mnist": None}


@dataclass(frozen=True)
class Part:
    """One of the two parts: images uint8 (N, H, W), and a label uint8 (N,) of each."""

    images: np.ndarray
    labels: np.ndarray


def read_idx(folder: Path, name: str) -> Pictures:
    """The images of the set called `name`, its labels in words where it has such; its test set, t10k, is test here.

    Raises:
        DataError: a file is missing, is none of IDX, ends early, or does not agree with another; one sentence.
    """
    parts = {part: _read_part(folder, part, name) for part in PARTS}
    sizes = {part: read.images.shape[1:] for part, read in parts.items()}
    if len(set(sizes.values())) > 1:
        told = " and ".join(f"{height} x {width} in {part}" for part, (height, width) in sizes.items())
        raise DataError(f"The images in {folder} are {told}: give four files of one data set.")
    images = np.concatenate([read.images for read in parts.values()])
    counts = {part: len(read.labels) for part, read in parts.items()}
    return Pictures(
        images[..., np.newaxis],
        _in_words(np.concatenate([read.labels for read in parts.values()]), CLASSES[name], folder),
        splits=pd.Series(np.repeat(list(PARTS.values()), list(counts.values())), dtype="str"),
        places=pd.Series([f"{part}:{number}" for part, count in counts.items() for number in range(count)]),
    )


def _read_part(folder: Path, part: str, name: str) -> Part:
    images, where = _read_file(folder, part, "images", IMAGES_MAGIC, name)
    labels, beside = _read_file(folder, part, "labels", LABELS_MAGIC, name)
    if len(images) != len(labels):
        raise DataError(
            f"{where.name} holds {len(images):,} images and {beside.name} {len(labels):,} labels: give the two files "
            f"of one data set in {folder}."
        )
    return Part(images, labels)


def _read_file(folder: Path, part: str, what: str, magic: int, name: str) -> tuple[np.ndarray, Path]:
    """The numbers of one file in the shape that it gives, and where it lies."""
    path = _find(folder, part, what, magic, name)
    try:
        size = path.stat().st_size
        with gzip.open(path) if path.suffix == PACKED else open(path, "rb") as file:
            shape = _read_shape(file, path, magic, what)
            count = math.prod(shape)
            if count > size * (MOST_PACKED if path.suffix == PACKED else 1):  # nothing of that size is asked for
                raise EOFError
            content = np.frombuffer(file.read(count), dtype=np.uint8)
            if len(content) < count:
                raise EOFError
            if file.read(1):
                raise DataError(f"{path} goes on after the {shape[0]:,} {what} that it tells of: {_anew(name)}.")
    except EOFError:
        raise DataError(f"{path} ends early, so it is not all there: {_anew(name)}.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}): {_anew(name)}.") from error
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    return content.reshape(shape), path


def _find(folder: Path, part: str, what: str, magic: int, name: str) -> Path:
    """The file of a part, by any of the names that it goes by; the unpacked one where it lies there twice."""
    if not folder.is_dir():
        state = "is a file where a folder is due" if folder.exists() else "is not there"
        raise DataError(f"{folder} {state}: {how_to_get(name)}.")
    stems = [spelling.format(part=part, what=what, axes=magic & 0xFF) for spelling in SPELLINGS]
    paths = [folder / f"{stem}{packed}" for packed in ("", PACKED) for stem in stems]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise DataError(f"{folder} has no file {stems[0]}, packed by gzip or not: {how_to_get(name)}.")
    return found


def _read_shape(file: io.BufferedIOBase, path: Path, magic: int, what: str) -> tuple[int, ...]:
    """The length of each axis, from the file's head."""
    found = _read_number(file)
    if found != magic:
        raise DataError(
            f"{path} begins with the number {found}, and a file of {what} in IDX form with {magic}: set data.path to a "
            "folder of such files."
        )
    shape = tuple(_read_number(file) for _ in range(magic & 0xFF))
    if not all(shape):
        raise DataError(f"{path} holds no {what}: set data.path to a folder of files that do.")
    return shape


def _read_number(file: io.BufferedIOBase) -> int:
    content = file.read(AXIS.size)
    if len(content) < AXIS.size:
        raise EOFError
    return int(AXIS.unpack(content)[0])


def _in_words(labels: np.ndarray, names: Sequence[str] | None, folder: Path) -> pd.Series:
    if names is None:
        return pd.Series(labels).astype("str")
    if labels.max() >= len(names):
        raise DataError(
            f"{folder} has the label {labels.max()}, and there are {len(names)} classes from 0 on: give another data "
            "set by data=mnist, which calls classes by their numbers."
        )
    return pd.Series(np.array(names, dtype=object)[labels], dtype="str")


def how_to_get(name: str) -> str:
    """What to do where the files of the set called `name` are missing, as the end of a sentence."""
    command = READ_FROM_FILES[name]
    other = "data.path=DIR to a folder with the four files of the data set in IDX form"
    return f"install it with `{command}`, or set {other}" if command else f"set {other}"


def _anew(name: str) -> str:
    command = (READ_FROM_FILES[name] or "").replace("install", "install --reinstall")
    return f"get it anew, such as with `{command}`" if command else "get it anew"
