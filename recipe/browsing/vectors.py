"""The vectors by which the page finds an example's neighbours itself, exactly and only when asked: see decision 034."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]

MOST_DIMENSIONS = 64  # what images are pooled to; 60,000 examples take 3.8 MB, and a question a few milliseconds
SAMPLED = 1_000  # examples that tell the directions in which they differ most
CHUNK = 4_096  # examples at a time, so that float copies of bytes stay small
CLIPPED = 99.9  # per cent of deviations that are told apart; one wild number leaves the others their resolution
STEPS = 127  # of a byte with a sign


def byte_vectors(inputs: np.ndarray, pooled: Callable[[np.ndarray], Numbers]) -> NDArray[np.int8]:
    """Inputs (N, ...) as int8 `(N, D)`, D at most 64, in which Euclidean distances are near those of `pooled` vectors.

    More dimensions are projected to the principal ones of a sample; one scale for all of them keeps distances alike.
    """
    sample = _sample(inputs, pooled)
    centre = np.median(sample, axis=0)
    most = _largest(sample - centre)
    directions = _directions(np.clip(sample - centre, -most, most))
    scale = STEPS / (_largest(np.clip(sample - centre, -most, most) @ directions) or np.inf)
    found = np.empty((len(inputs), directions.shape[1]), dtype=np.int8)
    for start in range(0, len(inputs), CHUNK):
        deviations = np.clip(_finite(pooled(inputs[start : start + CHUNK])) - centre, -most, most)
        found[start : start + CHUNK] = np.clip(np.rint(deviations @ directions * scale), -STEPS, STEPS)
    return found


def _sample(inputs: np.ndarray, pooled: Callable[[np.ndarray], Numbers]) -> Numbers:
    """Examples from all over the set, evenly: no draw by chance, so that equal data make equal pages."""
    places = np.linspace(0, len(inputs) - 1, min(SAMPLED, len(inputs))).astype(int)
    return _finite(pooled(inputs[places]))


def _finite(vectors: Numbers) -> Numbers:
    return np.nan_to_num(np.asarray(vectors, dtype=np.float32), posinf=0.0, neginf=0.0)


def _directions(centred: Numbers) -> Numbers:
    """Orthonormal directions (F, D): the axes themselves where they are few, else the principal ones.

    Through the eigenvectors of the sample's Gram matrix (n, n), which is small however many numbers F there are.
    """
    count, width = centred.shape
    if width <= MOST_DIMENSIONS:
        return np.eye(width, dtype=np.float32)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = [place for place in range(count - 1, -1, -1) if values[place] > 1e-6 * values[-1]][:MOST_DIMENSIONS]
    if not kept:
        return np.eye(width, 1, dtype=np.float32)
    return np.asarray(centred.T @ (vectors[:, kept] / np.sqrt(values[kept])), dtype=np.float32)


def _largest(deviations: Numbers) -> float:
    """What all but the wildest deviations stay within."""
    return float(np.percentile(np.abs(deviations), CLIPPED)) if deviations.size else 0.0
