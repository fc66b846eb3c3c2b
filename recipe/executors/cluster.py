"""Trainings on the workers of a cluster, whichever client speaks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from recipe.executors.parcel import ClusterError, Parcel, pack, pack_training
from recipe.runtime.reachability import require_answer
from recipe.training.fit import Shelf, Trained, experiments_of

if TYPE_CHECKING:
    from recipe.training.fit import Wanted


Sent = tuple[int, bytes]  # a packed training, and the place of the parcel that holds its experiment


@dataclass(frozen=True)
class Cluster:
    """Carries out trainings on the workers of a cluster.

    Args:
        carry_out: sends parcels and packed trainings to the cluster at an address, has the training of a worker that
            dies begun again on another, and yields the place of each training and what came of it, as they end.
        address: of the cluster, as `carry_out` takes it.
        own_modules: the top-level modules of the user's own, whose code a worker must hold alike.
    """

    carry_out: Callable[[str, Sequence[Parcel], Sequence[Sent]], Iterator[tuple[int, Trained]]]
    address: str
    own_modules: tuple[str, ...] = ()

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[tuple[int, Trained]]:
        """What comes of each, as they end, on its shelf; a worker elsewhere does not see its folder.

        Raises:
            ClusterError: the cluster does not answer, has no workers, or one cannot do what this process could.
        """
        if not wanted:
            return
        homes = experiments_of(wanted)
        parcels = [pack(experiment, self.own_modules) for experiment in homes.values()]
        places = {key: place for place, key in enumerate(homes)}
        packed = [(places[id(experiment)], pack_training(training)) for experiment, training in wanted]
        for place, trained in self.carry_out(self.address, parcels, packed):
            experiment, training = wanted[place]
            yield place, Shelf(experiment).keep(replace(trained, training=training))


def client_package(name: str, backend: str) -> Any:
    """The package `name`, by which `fanout=backend` speaks to its cluster.

    Raises:
        ClusterError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ClusterError(
            f"fanout={backend} needs the package '{name}', which is not installed: pip install {name}."
        ) from error


def require_listening(place: str, what: str) -> None:
    """Ask whether anything listens at `place`, HOST:PORT.

    Raises:
        ClusterError: nothing does.
    """
    host, _, port = place.rpartition(":")
    try:
        require_answer(host, int(port))
    except OSError as error:
        raise ClusterError(
            f"Nothing answers where {what} should ({error}): start it, or mend fanout.address."
        ) from error
