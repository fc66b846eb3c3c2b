"""Which examples hold nothing that could be learnt from: flat, noise, partly missing, empty."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.columns import is_text, numbers_of
from recipe.dataset.preparation import as_text

SATURATED_IMAGE = "saturated"  # the reason of an image that is white all over
VANISHED = "white on the white put behind it"  # of such a one that has transparency: what was drawn may be pale
TORN = "partly missing"  # the reason of an image of which a band at one side is a single value
CHUNK = 2_048  # images measured at once
SMALLEST_SIDE = 8  # of an image in which noise can be told from a picture
SMOOTH_SET = 0.4  # median correlation of neighbouring pixels from which images are smooth as a rule, as MNIST's 0.82 is
FEW = 0.05  # what more images than this have is how the set is, and no fault
FEWEST_COLUMNS = 3  # in fewer an empty or constant row is nothing unusual
SHARP = 16  # levels of 255 by which a cut differs from the picture; a dark border fades by fewer
BLACK, SATURATED = 8, 247  # mean brightness out of 255


def blank_images(images: NDArray[np.uint8], most_flat: float, most_noise: float, least_band: float) -> pd.DataFrame:
    """The images `(N, C, H, W)` that hold nothing. Columns: row, reason, score (0 to 1, higher is emptier)."""
    measured = pd.concat(
        [_measured(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)], ignore_index=True
    )
    flat = measured["deviation"] <= most_flat
    mean = measured["mean"]
    reason = (
        pd.Series("constant", index=measured.index)
        .mask(mean <= BLACK, "black")
        .mask(mean >= SATURATED, SATURATED_IMAGE)
    )
    score = 1 - 0.1 * measured["deviation"] / max(most_flat, 1e-12)

    noise = ~flat & (measured["smoothness"] <= most_noise) & (min(images.shape[2:]) >= SMALLEST_SIDE)
    if noise.any() and measured["smoothness"][~flat & ~noise].median() >= SMOOTH_SET:
        reason = reason.mask(noise, "noise")
        score = score.mask(noise, 0.9 - 0.2 * measured["smoothness"].clip(lower=0))
    else:
        noise[:] = False

    grounds = flat & (reason == "constant")
    if grounds.mean() > FEW:  # a set of plain colours, say
        flat &= ~grounds
    torn = ~flat & ~noise & (measured["band"] >= least_band) & (measured["fill"] != measured["fill"].mode().iloc[0])
    torn &= measured["edge"] >= SHARP / 255
    if torn.mean() > FEW:
        torn[:] = False
    reason = reason.mask(torn, TORN)
    score = score.mask(torn, measured["band"])

    found = (flat | noise | torn).to_numpy()
    return pd.DataFrame({"row": np.flatnonzero(found), "reason": reason[found], "score": score[found]})


def blank_rows(rows: pd.DataFrame, missing_share: float) -> pd.DataFrame:
    """The rows of raw columns that hold nothing. Columns: row, reason, score (0 to 1, higher is emptier)."""
    missing = np.mean([as_text(rows[name]).isna() for name in rows], axis=0)
    empty = missing >= missing_share if rows.shape[1] >= FEWEST_COLUMNS else np.zeros(len(rows), dtype=bool)
    constant = _constant_rows(rows) & ~empty
    found = empty | constant
    reason = np.where(missing == 1, "empty", np.where(empty, "partly missing", "constant"))
    score = np.where(empty, missing, 0.9)
    return pd.DataFrame({"row": np.flatnonzero(found), "reason": reason[found], "score": score[found]})


def _measured(images: NDArray[np.uint8]) -> pd.DataFrame:
    pixels = np.asarray(images, dtype=np.float32)
    mean = pixels.mean((1, 2, 3))
    centred = pixels - pixels.mean((2, 3), keepdims=True)
    variance = (centred**2).mean((1, 2, 3))
    below = (centred[:, :, 1:] * centred[:, :, :-1]).mean((1, 2, 3))
    beside = (centred[:, :, :, 1:] * centred[:, :, :, :-1]).mean((1, 2, 3))
    band, fill, edge = largest_band(images)
    return pd.DataFrame(
        {
            "mean": mean,
            "deviation": pixels.std((1, 2, 3)) / 255,
            "smoothness": (below + beside) / 2 / np.maximum(variance, 1e-6),
            "band": band,
            "fill": fill,
            "edge": edge,
        }
    )


def largest_band(
    images: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Of each image the largest part, from one side inwards, that is a single value; that value, over channels; and how
    sharply the part ends, 0 to 1.

    Where there is no such part the value is that of the first pixel. A part ends at the first line that differs: by
    little where a picture is dark at its border, by much where it is cut. One with a like part at the other side is a
    frame, and ends by nothing.
    """
    band, edge = np.zeros(len(images)), np.zeros(len(images))
    fill = np.asarray(images[:, :, 0, 0]).mean(1).astype(np.int64)
    for upright in (images, images.swapaxes(2, 3)):
        sides = [_from_top(turned) for turned in (upright, upright[:, :, ::-1])]
        for (depth, corner, sharp), (opposite, other, _) in (sides, sides[::-1]):
            is_frame = (opposite >= depth / 2) & (corner == other).all(1)
            wider = depth > band
            band = np.where(wider, depth, band)
            fill = np.where(wider, corner.mean(1).astype(np.int64), fill)
            edge = np.where(wider, np.where(is_frame, 0.0, sharp), edge)
    return band, fill, edge


def _from_top(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.float64]]:
    """How deep each image is of one value, of its height; that value (N, C); and how much the next line differs."""
    corner = images[:, :, :1, :1]
    same = (images == corner).all((1, 3))
    depth = np.where(same.all(1), same.shape[1], same.argmin(1))
    following = images[np.arange(len(images)), :, np.minimum(depth, same.shape[1] - 1)].astype(np.float64)
    sharp = np.abs(following - corner[:, :, 0]).mean((1, 2)) / 255
    return depth / same.shape[1], corner[:, :, 0, 0], sharp


def _constant_rows(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows whose numbers are all the same, where that is an exception."""
    numeric = [name for name in rows if not is_text(rows[name])]
    if len(numeric) < FEWEST_COLUMNS:
        return np.zeros(len(rows), dtype=bool)
    first = numbers_of(rows[numeric[0]])
    constant = first == first  # a missing number equals none
    for name in numeric[1:]:
        constant &= numbers_of(rows[name]) == first
    return constant if constant.mean() <= FEW else np.zeros(len(rows), dtype=bool)
