"""Images as vectors in which a cheap model learns well: where edges run in which direction, and a coarse picture."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

DIRECTIONS = 8  # of a gradient; more gained nothing on digits, MNIST-5k and Fashion-MNIST
CELLS_A_SIDE = 7  # cells of 4 pixels of 28; 3 to 7 pixels do nearly as well
SMALLEST_CELL = 2.0  # pixels
OVERLAP = 0.75  # of a cell, from one to the next
COARSE_SIDE = 4  # the picture itself, without detail: colour and brightness may be all that tells classes apart
COARSE_WEIGHT = 0.3  # beside the gradients' 1; more loses on sets of shapes, of which MNIST-5k is one
FAINT = 0.1  # of an image's mean edge: what is fainter counts for less
CHUNK = 512  # images at once
TINY = 1e-6


def image_features(images: NDArray[np.uint8]) -> Vectors:
    """Images (N, C, H, W) as vectors (N, D).

    Histograms of oriented gradients (Dalal and Triggs 2005, "Histograms of oriented gradients for human detection"), in
    overlapping cells, each of unit strength unless it is faint; beside them the picture at 4 x 4.
    """
    parts = [_features(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _features(images: NDArray[np.uint8]) -> Vectors:
    pixels = np.divide(images, 255, dtype=np.float32)
    edges = _gradient_histograms(pixels).reshape(len(pixels), -1)
    coarse = _coarse(pixels).reshape(len(pixels), -1)
    weight = COARSE_WEIGHT * np.sqrt(edges.shape[1] / coarse.shape[1], dtype=np.float32)
    return np.concatenate([edges, weight * coarse], axis=1)


def _gradient_histograms(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of images (N, C, H, W) in 0..1 how much edge each cell has in each direction, (N, directions, rows, columns)."""
    down, across = _strongest_gradient(pixels)
    strength = np.hypot(down, across)
    direction = (np.arctan2(down, across) / (2 * np.pi) * DIRECTIONS) % DIRECTIONS
    below = np.floor(direction).astype(np.int64)
    nearness = direction - below
    shares = np.zeros((len(pixels), DIRECTIONS, *pixels.shape[2:]), np.float32)
    image, row, column = np.ogrid[tuple(slice(size) for size in strength.shape)]
    shares[image, below % DIRECTIONS, row, column] = strength * (1 - nearness)
    shares[image, (below + 1) % DIRECTIONS, row, column] += strength * nearness
    cells = _cells(pixels.shape[2]) @ shares @ _cells(pixels.shape[3]).T
    size = np.sqrt((cells**2).sum(1, keepdims=True))
    return np.asarray(cells / (size + FAINT * size.mean((2, 3), keepdims=True) + TINY), dtype=np.float32)


def _strongest_gradient(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The central differences (N, H, W) down and across, of the channel in which they are largest."""
    down, across = np.zeros_like(pixels), np.zeros_like(pixels)
    down[:, :, 1:-1] = (pixels[:, :, 2:] - pixels[:, :, :-2]) / 2
    across[:, :, :, 1:-1] = (pixels[:, :, :, 2:] - pixels[:, :, :, :-2]) / 2
    if pixels.shape[1] == 1:
        return down[:, 0], across[:, 0]
    strongest = (down**2 + across**2).argmax(1)[:, None]
    taken = [np.take_along_axis(one, strongest, axis=1)[:, 0] for one in (down, across)]
    return taken[0], taken[1]


def _cells(side: int) -> NDArray[np.float32]:
    """How much of each of `side` pixels each cell counts, (cells, side): most in its middle, falling to 0."""
    reach = max(SMALLEST_CELL, side / CELLS_A_SIDE)
    step = OVERLAP * reach
    count = int((side - 1) / step) + 1
    middles = (side - 1) / 2 + step * (np.arange(count) - (count - 1) / 2)
    return np.maximum(0, 1 - np.abs(np.arange(side) - middles[:, None]) / reach).astype(np.float32)


def _coarse(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean colour of each part of images (N, C, H, W) cut 4 x 4, fewer where there are fewer pixels."""
    for axis in (2, 3):
        size = pixels.shape[axis]
        edges = np.unique(np.linspace(0, size, COARSE_SIDE + 1).astype(int)[:-1])
        widths = np.diff(np.append(edges, size)).reshape([-1 if place == axis else 1 for place in range(4)])
        pixels = (np.add.reduceat(pixels, edges, axis=axis) / widths).astype(np.float32)
    return pixels
