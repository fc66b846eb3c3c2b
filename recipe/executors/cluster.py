"""Trainings on the workers of a cluster, whichever client speaks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipe.executors.parcel import Parcel, pack
from recipe.training.fit import Shelf, Trained

if TYPE_CHECKING:
    from recipe.training.experiment import Experiment, Training


@dataclass(frozen=True)
class Cluster:
    """Carries out trainings on the workers of a cluster, by what sends a parcel and trainings to its `address`."""

    carry_out: Callable[[str, Parcel, Sequence[Training]], Iterator[Trained]]
    address: str
    own_modules: tuple[str, ...] = ()

    def __call__(self, experiment: Experiment, trainings: Sequence[Training]) -> Iterator[Trained]:
        """What comes of `trainings`, as they end, each on the shelf; a worker elsewhere does not see its folder.

        Raises:
            ClusterError: the cluster does not answer, has no workers, or one cannot do what this process could.
        """
        if not trainings:
            return
        shelf = Shelf(experiment)
        for trained in self.carry_out(self.address, pack(experiment, self.own_modules), trainings):
            yield shelf.keep(trained)
