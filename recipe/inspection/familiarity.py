"""How unlike anything seen an input is: its distance to the nearest training example, beside that of held-out ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.inspection.sampling import drawn

Distances = NDArray[np.float64]
Rows = NDArray[np.int64]
Pooled = Callable[[np.ndarray], NDArray[np.float32]]

MOST_TRAINING = 10_000  # examples that are looked through; of more a draw, the same for held-out ones and batch
MOST_HELD_OUT = 5_000  # the limit's own error is a tenth of its rate then
CHUNK = 1_024  # inputs compared at once


@dataclass(frozen=True)
class Unfamiliar:
    """The distances (N,) of a batch, and what they are beside those of `held_out` examples (M,) from the same source.

    `limit` is the distance that `rank` of the held-out examples reach.
    """

    distances: Distances
    held_out: Distances
    rank: int

    @property
    def limit(self) -> float:
        return float(np.sort(self.held_out)[-self.rank])

    @property
    def rate(self) -> float:
        """The share of inputs from the same source that lie beyond the limit: exact on average, whatever the data."""
        return self.rank / (len(self.held_out) + 1)

    @property
    def flagged(self) -> NDArray[np.bool_]:
        return self.distances > self.limit

    @property
    def scores(self) -> Distances:
        """From 0 to 1, above one half where flagged; higher is further away."""
        if self.limit == 0:
            return np.where(self.distances > 0, 1.0, 0.0)
        return self.distances / (self.distances + self.limit)

    @property
    def chance(self) -> float:
        """How likely at least so many are flagged where the batch is from the same source: beta-binomial, exact."""
        from scipy.stats import betabinom

        flagged = int(self.flagged.sum())
        beyond, within = self.rank, len(self.held_out) + 1 - self.rank
        return float(betabinom.sf(flagged - 1, len(self.distances), beyond, within)) if flagged else 1.0


def unfamiliar(
    inputs: np.ndarray, train: Rows, held_out: Rows, batch: np.ndarray, rate: float, pooled: Pooled
) -> Unfamiliar:
    """How far each input of `batch` is from all training examples, and how far a share `rate` of held-out ones are.

    `train` and `held_out` are rows of `inputs` (N, ...), of which `pooled` makes the vectors to compare. The limit is a
    conformal one (Vovk, Gammerman and Shafer 2005): the k-th largest held-out distance of M, k = rate (M + 1) rounded
    down, at least 1, so that k / (M + 1) of new inputs from the same source exceed it. Memory is bounded, and both may
    be memory-mapped.
    """
    known = pooled(inputs[train[drawn(len(train), MOST_TRAINING)]])
    others = _nearest(known, inputs, held_out[drawn(len(held_out), MOST_HELD_OUT)], pooled)
    distances = _nearest(known, batch, np.arange(len(batch)), pooled)
    return Unfamiliar(distances, others, max(1, int(rate * (len(others) + 1))))


def _nearest(known: NDArray[np.float32], inputs: np.ndarray, rows: Rows, pooled: Pooled) -> Distances:
    """The Euclidean distance of each of `rows` of `inputs` to the nearest of `known`."""
    squares = (known**2).sum(1)
    found = [np.empty(0)]
    for start in range(0, len(rows), CHUNK):
        vectors = pooled(inputs[rows[start : start + CHUNK]])
        nearest = (squares - 2 * (vectors @ known.T)).argmin(1)
        found.append(np.linalg.norm((vectors - known[nearest]).astype(np.float64), axis=1))
    return np.concatenate(found)
