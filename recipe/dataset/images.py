"""Images as examples: what lies in a folder, decoded once, measured, and written in one size."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from recipe.dataset.counted import counted
from recipe.dataset.image_listing import ImageFile, Listing
from recipe.dataset.manifest import Examples, Rejected, digest, numbered, optional
from recipe.dataset.preparation import (
    FORMATS,
    GRAY_MODES,
    SIXTEEN_BIT_MODES,
    has_colour,
    has_transparency,
    normalised,
    open_image,
    reason_of,
    refuse_bomb,
    resized,
    to_array,
)
from recipe.dataset.store import RowWriter
from recipe.errors import DataError
from recipe.settings import Image as ImageSettings

LONGER_SIDE = 64  # pixels: what the default models are made for; data.image.size overrules it
STRETCHED = 1.5  # times that the proportion of the sides changes, beyond which it is told: a square of a photo is 1.5
CHUNK = 256  # images a task of the pool: enough to hide its cost, little enough to hold
EXIF_ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)  # the EXIF orientations that swap height and width
THREADS = os.cpu_count() or 1  # Pillow decodes and resizes outside the interpreter's lock
LEFT_OUT = {  # of one image, and of some, by what _Decoded says of each
    "frames": ("holds", "hold", "several frames or pages: the first is read"),
    "transparency": ("is", "are", "transparent in part: what is behind is white"),
    "depth": ("has", "have", "16 bits a pixel: the upper 8 are read"),
}
WRITTEN = np.empty(0, dtype=np.uint8)  # stands for pixels that are on disk


@dataclass(frozen=True)
class Pictures:
    """Images that are arrays already: uint8 (N, H, W, 1), the label of each, and where the source has them its split
    and what names its place there.
    """

    images: np.ndarray
    labels: pd.Series
    splits: pd.Series | None = None
    places: pd.Series | None = None


@dataclass(frozen=True)
class Stored:
    """The size in which every image is stored."""

    height: int
    width: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class _Decoded:
    """One image: what is written of it (C, H, W), its facts for the manifest, its upright width and height, whether it
    has colour, and what it has that is left out: further frames, transparency, depth.
    """

    file: ImageFile
    pixels: np.ndarray
    facts: dict[str, Any]
    size: tuple[int, int]
    colour: bool
    frames: bool
    transparency: bool
    depth: bool


def decode_images(listing: Listing, settings: ImageSettings, source: str, out: Path) -> Examples:
    """Decode what is listed and write it to `out` (.npy); what does not decode is rejected with the reason.

    Raises:
        DataError: no image decodes.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of what is refused here, or of metadata that nobody reads
        stored = _size_to_store(listing.files, settings, pool)
        decoded: list[_Decoded] = []
        rejected: list[Rejected] = []
        with RowWriter(out, stored.shape, np.uint8) as writer:
            for results in pool.map(lambda files: [_decode(file, stored) for file in files], _chunks(listing.files)):
                good = [result for result in results if isinstance(result, _Decoded)]
                rejected += [result for result in results if isinstance(result, Rejected)]
                writer.append([result.pixels for result in good])
                decoded += [replace(result, pixels=WRITTEN) for result in good]
    if not decoded:
        first = rejected[0]
        raise DataError(
            f"None of the {len(rejected)} images in {listing.root} can be read; "
            f"the first, {first.path}: {first.reason}. Set data.path to a folder of images."
        )
    if settings.channels is None and stored.channels == 3 and not any(item.colour for item in decoded):
        stored = replace(stored, channels=1)
        _keep_first_channel(out, stored)
    listed = listing.table.iloc[[item.file.row for item in decoded]].reset_index(drop=True)
    facts = pd.DataFrame([item.facts for item in decoded])
    names = pd.Series([digest(path.encode()) for path in listed["path"]], dtype="str")
    manifest = pd.concat([listed, facts], axis="columns").assign(id=numbered(names))
    if "source" not in manifest:  # the user's own column says more
        manifest = manifest.assign(source=source)
    refused = [*listing.rejected, *rejected]
    return Examples(
        manifest,
        listing.task,
        refused,
        user_columns=listing.user_columns,
        notes=[*listing.notes, *_left_out(decoded), *_notes_on_shape(decoded, stored)],
        taken=[*listing.taken, f"stored as {stored.channels} x {stored.height} x {stored.width} bytes"],
        readings=listing.times.readings if listing.times else {},
        label_reading=listing.label_reading,
        time_column=listing.times.column if listing.times else None,
    )


def _left_out(decoded: Sequence[_Decoded]) -> Iterator[str]:
    """A sentence for each thing of some images that is not stored."""
    for attribute, (does, do, told) in LEFT_OUT.items():
        having = [item.file.name for item in decoded if getattr(item, attribute)]
        if having:
            count = f"{counted(len(having), 'image')} of {len(decoded):,}"
            yield f"{count} {does if len(having) == 1 else do} {told}; the first is {having[0]}."


def _notes_on_shape(decoded: Sequence[_Decoded], stored: Stored) -> Iterator[str]:
    """How many images lose their shape, since all are brought to one size, and which does most."""
    stretched = [_stretched(item.size, stored) for item in decoded]
    count, most = sum(times > STRETCHED for times in stretched), int(np.argmax(stretched))
    if count:
        (width, height), are = decoded[most].size, "image is" if count == 1 else "images are"
        worst = "it is" if count == 1 else "most so is"
        yield (
            f"{count:,} {are} far from the shape that all are brought to, {stored.width} wide and {stored.height} "
            f"high, and squeezed by more than {STRETCHED} times; {worst} {decoded[most].file.name}, {width} wide "
            f"and {height} high. Crop such images, or choose data.image.size=[height,width]."
        )


def _stretched(size: tuple[int, int], stored: Stored) -> float:
    """By how many times the proportion of an image's sides (width, height) changes: 1 or more."""
    change = size[0] * stored.height / (size[1] * stored.width)
    return max(change, 1 / change)


def store_pictures(pictures: Pictures, source: str, out: Path) -> Examples:
    """The same for images that are arrays already: they are stored in the size they have."""
    count, height, width, channels = pictures.images.shape
    brightness, contrast = np.empty(count), np.empty(count)
    with RowWriter(out, (channels, height, width), np.uint8) as writer:
        for start in range(0, count, CHUNK):
            chunk = pictures.images[start : start + CHUNK]
            writer.append(chunk.transpose(0, 3, 1, 2))
            levels = chunk.reshape(len(chunk), -1) / 255
            brightness[start : start + CHUNK], contrast[start : start + CHUNK] = levels.mean(1), levels.std(1)
    content = pd.Series([_content_id(image.squeeze(axis=2)) for image in pictures.images], dtype="str")
    manifest = pd.DataFrame(
        {
            "id": numbered(content),
            "content_id": content,
            "bytes_id": [digest(image.tobytes()) for image in pictures.images],
            "path": [f"row:{row}" for row in range(count)] if pictures.places is None else pictures.places,
            "label": pictures.labels,
            "split": optional(pictures.splits, count),
            "group": optional(None, count),
            "source": source,
            "width": width,
            "height": height,
            "mode": "L",
            "brightness": brightness,
            "contrast": contrast,
        }
    )
    return Examples(manifest, "classification")


def pixel_statistics(inputs: np.ndarray, rows: np.ndarray) -> dict[str, list[float]]:
    """Mean and standard deviation of each channel over the examples `rows`, in 0..1; exact sums, whatever the order."""
    channels = inputs.shape[1]
    total, squares, count = np.zeros(channels, np.int64), np.zeros(channels, np.int64), 0
    for chunk in _chunks(rows):
        pixels = inputs[chunk].astype(np.int64)
        total += pixels.sum(axis=(0, 2, 3))
        squares += (pixels * pixels).sum(axis=(0, 2, 3))
        count += pixels.size // channels
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return {"mean": (mean / 255).tolist(), "std": (std / 255).tolist()}


def _chunks(items: Sequence[Any] | np.ndarray) -> Iterator[Any]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _decode(file: ImageFile, stored: Stored) -> _Decoded | Rejected:
    try:
        data = file.path.read_bytes()
        image = open_image(data)
        facts = {"width": image.width, "height": image.height, "mode": image.mode}
        file_type = (image.format or "unknown").lower()
        frames, depth = getattr(image, "n_frames", 1) > 1, image.mode in SIXTEEN_BIT_MODES
        transparency = has_transparency(image)
        image = normalised(image)
        pixels = np.asarray(image)
        colour = has_colour(pixels)
        levels = pixels if pixels.ndim == 2 else np.asarray(image.convert("L"))
        content = _content_id(pixels if colour else levels)
        prepared = to_array(resized(image, stored.height, stored.width), stored.channels)
    except Exception as error:  # Pillow's decoders raise a dozen kinds
        return Rejected(file.name, reason_of(error), "unreadable", file.label)
    facts |= {
        "content_id": content,
        "bytes_id": digest(data),
        "file_size": len(data),
        "file_type": file_type,
        "brightness": levels.mean() / 255,
        "contrast": levels.std() / 255,
    }
    return _Decoded(file, prepared, facts, image.size, colour, frames, transparency, depth)


def _content_id(pixels: np.ndarray) -> str:
    """A name of decoded pixels, (H, W) where they have no colour, else (H, W, 3), whatever file they came in."""
    return digest(str(pixels.shape).encode(), np.ascontiguousarray(pixels).tobytes())


def _size_to_store(files: Sequence[ImageFile], settings: ImageSettings, pool: Executor) -> Stored:
    """The most common size, at most `LONGER_SIDE` on the longer side, and 3 channels where there may be colour."""
    looks = [
        look for looks in pool.map(lambda files: [_look(file) for file in files], _chunks(files)) for look in looks
    ]
    sizes = Counter(size for size, _ in filter(None, looks))
    grey = all(mode in GRAY_MODES for _, mode in filter(None, looks))
    channels = settings.channels or (1 if grey else 3)
    if settings.size:
        return Stored(*settings.size, channels)
    width, height = max(sizes, key=lambda size: (sizes[size], size), default=(1, 1))
    scale = min(1.0, LONGER_SIDE / max(width, height))
    return Stored(max(1, round(height * scale)), max(1, round(width * scale)), channels)


def _look(file: ImageFile) -> tuple[tuple[int, int], str] | None:
    """Upright size and mode by the header alone; None where there is none."""
    try:
        with Image.open(file.path, formats=tuple(FORMATS)) as image:
            refuse_bomb(image.size)
            turned = image.format != "PNG" and image.getexif().get(EXIF_ORIENTATION) in TURNED  # PNG decodes for EXIF
            return (image.size[::-1] if turned else image.size), image.mode
    except Exception:  # what is wrong with it is told when it is decoded
        return None


def _keep_first_channel(path: Path, stored: Stored) -> None:
    """Rewrite colour storage of images that turned out to have none; the channels are equal."""
    colour = np.load(path, mmap_mode="r", allow_pickle=False)
    grey = path.with_suffix(".grey.npy")
    with RowWriter(grey, stored.shape, np.uint8) as writer:
        for chunk in _chunks(colour):
            writer.append(chunk[:, :1])
    grey.replace(path)
