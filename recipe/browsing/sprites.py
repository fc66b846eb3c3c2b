"""Pictures of many examples in a few files: sheets of tiles, which a page opens as it needs them."""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from recipe.runtime.workspace import write_whole

LONGEST_SIDE = 64  # of a tile, in pixels: a picture is recognised at that, and thousands of them open at once
ACROSS, DOWN = 20, 20  # tiles of a sheet: 300 KB, which a browser decodes in a few milliseconds
PER_SHEET = ACROSS * DOWN
GREY = 3  # dimensions of tiles without colours
GREY_LEVEL = 6  # zlib's own default; 1 makes Fashion-MNIST's sheets a tenth larger, and saves half of the seconds
QUALITY = 88  # of JPEG, for colours; without subsampling, so that a wrong pixel stays where it is


@dataclass(frozen=True)
class Sheets:
    """How the tiles lie: the size of one in pixels, how many a sheet has, and the sheets' file names in order."""

    width: int
    height: int
    across: int
    down: int
    names: tuple[str, ...]


def write_sheets(parts: Iterable[np.ndarray], folder: Path) -> Sheets:
    """Write the pictures of each part as the tiles of one sheet: uint8 `(n, H, W)` or, in colour, `(n, H, W, 3)`.

    A part has 400 of them, the last one those that are left. Larger pictures are made smaller by the mean of blocks;
    greys are kept to the last bit (PNG), colours as JPEG.
    """
    names: list[str] = []
    tiles = np.zeros((0, 1, 1), dtype=np.uint8)
    for part in parts:
        tiles = smaller(part)
        names.append(f"thumbnails-{len(names):04d}.{'png' if tiles.ndim == GREY else 'jpg'}")
        write_whole(folder / names[-1], _encoded(_laid_out(tiles)))
    height, width = tiles.shape[1:3]
    return Sheets(width, height, ACROSS, DOWN, tuple(names))


def smaller(pictures: np.ndarray) -> np.ndarray:
    """Pictures of at most 64 pixels a side: the means of blocks, all of one size; those at the edges may be cut off."""
    block = math.ceil(max(pictures.shape[1:3]) / LONGEST_SIDE)
    if block == 1:
        return pictures
    fit = [max(1, side // block) for side in pictures.shape[1:3]]
    deep = [min(block, side) for side in pictures.shape[1:3]]
    cut = pictures[:, : fit[0] * deep[0], : fit[1] * deep[1]]
    blocks = cut.reshape(len(cut), fit[0], deep[0], fit[1], deep[1], *cut.shape[3:])
    return np.asarray(blocks.mean(axis=(2, 4)).round().astype(np.uint8))


def _laid_out(tiles: np.ndarray) -> np.ndarray:
    """Tiles (n, h, w, ...) row by row in one picture, as high as they need."""
    down = math.ceil(len(tiles) / ACROSS)
    whole = np.zeros((down * ACROSS, *tiles.shape[1:]), dtype=np.uint8)
    whole[: len(tiles)] = tiles
    height, width = tiles.shape[1:3]
    rows = whole.reshape(down, ACROSS, *tiles.shape[1:]).swapaxes(1, 2)
    return rows.reshape(down * height, ACROSS * width, *tiles.shape[3:])


def _encoded(sheet: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(sheet)
    if sheet.ndim == GREY - 1:
        picture.save(buffer, "PNG", compress_level=GREY_LEVEL)
    else:
        picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()
