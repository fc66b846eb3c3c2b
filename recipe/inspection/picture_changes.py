"""Pictures with something taken from them: detail, place, the order of their parts, brightness, position, slant."""

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]  # (N, C, H, W)
Floats = NDArray[np.float32]

STEEPEST = 1.0  # of a slant that is undone: 45 degrees
PARTS = 4  # a side that pictures are cut into, where their order is what is in question


def coarser(pictures: Pictures, height: int, width: int) -> Pictures:
    """The same size, with no more detail than `height` x `width` pixels have."""
    down, across = (_blurring(size, fewer) for size, fewer in zip(pictures.shape[2:], (height, width), strict=True))
    return _as_bytes(down @ pictures.astype(np.float32) @ across.T)


def parts(pictures: Pictures) -> Pictures:
    """Each picture cut 4 x 4 (N, 16, C, h, w); what is left over at the right and below is dropped."""
    count, channels, height, width = pictures.shape
    down, across = max(height // PARTS, 1), max(width // PARTS, 1)
    rows, columns = height // down, width // across
    cut = pictures[:, :, : rows * down, : columns * across].reshape(count, channels, rows, down, columns, across)
    return cut.transpose(0, 2, 4, 1, 3, 5).reshape(count, rows * columns, channels, down, across)


def shuffled(pictures: Pictures, seed: int) -> Pictures:
    """Each picture with its parts in an order of its own."""
    cut = parts(pictures)
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(cut.shape[1]), (len(cut), 1)), axis=1)
    mixed = np.take_along_axis(cut, order[:, :, None, None, None], axis=1)
    count, many, channels, down, across = mixed.shape
    rows = many // (pictures.shape[3] // across)
    grid = mixed.reshape(count, rows, many // rows, channels, down, across)
    return grid.transpose(0, 3, 1, 4, 2, 5).reshape(count, channels, rows * down, many // rows * across)


def moved(pictures: Pictures, share: float, seed: int) -> Pictures:
    """Each picture moved by chance, at most a `share` of its size each way, over its own ground."""
    reach = [round(share * size) for size in pictures.shape[2:]]
    rng = np.random.default_rng(seed)
    padding = ((0, 0), (0, 0), (reach[0], reach[0]), (reach[1], reach[1]))
    wide = np.pad(pictures, padding, mode="edge")
    places = [rng.integers(0, 2 * one + 1, len(pictures)) for one in reach]
    height, width = pictures.shape[2:]
    return (
        np.stack([one[:, y : y + height, x : x + width] for one, y, x in zip(wide, *places, strict=True)])
        if len(pictures)
        else pictures
    )


def standardised(pictures: Pictures) -> Floats:
    """Each picture less its mean, over its own spread."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.maximum(flat.std(1, keepdims=True), 1.0)


def centred(pictures: Pictures) -> Pictures:
    """Each picture with the middle of what stands out from its ground in its own middle."""
    return _straightened(pictures, upright=False)


def upright(pictures: Pictures) -> Pictures:
    """The same, and sheared so that what stands out has no slant (LeCun et al. 1998, "deslanted" digits)."""
    return _straightened(pictures, upright=True)


def _straightened(pictures: Pictures, upright: bool) -> Pictures:
    from scipy.ndimage import affine_transform

    height, width = pictures.shape[2:]
    down, across = np.mgrid[:height, :width].astype(np.float32)
    ink = _standing_out(pictures)
    total = np.maximum(ink.sum((1, 2)), 1e-6)
    y, x = ((ink * axis).sum((1, 2)) / total for axis in (down, across))
    from_y, from_x = down - y[:, None, None], across - x[:, None, None]
    tall = (ink * from_y**2).sum((1, 2)) / total
    slant = np.clip((ink * from_y * from_x).sum((1, 2)) / total / np.maximum(tall, 1e-6), -STEEPEST, STEEPEST)
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    changed = np.empty_like(pictures)
    for row, picture in enumerate(pictures):
        matrix = np.array([[1.0, 0.0], [float(slant[row]) if upright else 0.0, 1.0]])
        offset = np.array([y[row], x[row]]) - matrix @ middle
        for channel, plane in enumerate(picture):
            changed[row, channel] = affine_transform(plane, matrix, offset, order=1, mode="nearest")
    return changed


def _standing_out(pictures: Pictures) -> Floats:
    """How far each pixel (N, H, W) is from the ground, which is what is commonest along the border."""
    grey = pictures.mean(1, dtype=np.float32)
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    return np.abs(grey - np.median(border, axis=1)[:, None, None])


def _blurring(size: int, fewer: int) -> Floats:
    """(size, size): the mean over each of `fewer` stretches, and back by a straight line between their middles."""
    edges = np.linspace(0, size, fewer + 1)
    pixels = np.arange(size)
    shares = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    down = np.clip(shares, 0, None) / np.diff(edges)[:, None]
    middles = (edges[1:] + edges[:-1]) / 2 - 0.5
    up = np.stack([np.interp(pixels, middles, one) for one in np.eye(fewer)], axis=1)
    return np.asarray(up @ down, dtype=np.float32)


def _as_bytes(pixels: Floats) -> Pictures:
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)
