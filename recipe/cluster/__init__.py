"""Trainings carried out by the workers of a cluster, in place of local processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipe.cluster import on_dask, on_ray
from recipe.cluster.parcel import pack

if TYPE_CHECKING:
    from recipe.experiment import Experiment, Training
    from recipe.training.fit import Trained

CARRIERS = {"dask": on_dask.carry_out, "ray": on_ray.carry_out}


def carried_out(experiment: Experiment, trainings: Sequence[Training]) -> Iterator[Trained]:
    """The results of `trainings` as they come in, from the cluster that the experiment names by backend and address.

    Raises:
        ClusterError: it does not answer, has no workers, or one of them cannot do what this process could.
    """
    yield from CARRIERS[experiment.backend](experiment.address, pack(experiment), trainings)
