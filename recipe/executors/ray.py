"""Trainings on a Ray cluster, of which this machine is a part."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipe.executors.cluster import Cluster, Sent, client_package, require_listening
from recipe.executors.parcel import ClusterError, Parcel, fit_parcel
from recipe.runtime.stage_process import first_line
from recipe.settings.fanout import OnACluster

if TYPE_CHECKING:
    from ray import ObjectRef

    from recipe.settings.fanout import Fanout
    from recipe.training.device import Device
    from recipe.training.fit import Trained

AUTO = "auto"


class Settings(OnACluster):
    ADDRESS = r"auto|[^/]+:\d+"
    EXAMPLE = "its head, such as fanout.address=host:6379, or auto on a machine of it"


def executor(fanout: Fanout, device: Device, own_modules: tuple[str, ...]) -> Cluster:
    """The executor of `fanout.backend=ray`."""
    return Cluster(carry_out, fanout.address or "", own_modules)


def carry_out(address: str, parcels: Sequence[Parcel], trainings: Sequence[Sent]) -> Iterator[tuple[int, Trained]]:
    """What comes of packed trainings on the cluster at `address`, HOST:PORT or `auto`, with their places, as they end.

    Raises:
        ClusterError: there is no such cluster, or a worker cannot do what this process could.
    """
    _connect(address)
    import ray

    gpus = int(any(parcel.device.torch.type == "cuda" for parcel in parcels))
    if gpus and not ray.cluster_resources().get("GPU"):
        raise ClusterError("No machine of the Ray cluster has a GPU, as device=cuda needs: add one, or use device=cpu.")
    there = [ray.put(parcel) for parcel in parcels]
    fit = ray.remote(num_cpus=1, num_gpus=gpus)(fit_parcel)
    sent = {fit.remote(there[parcel], training): place for place, (parcel, training) in enumerate(trainings)}
    try:
        while sent:
            [done], _ = ray.wait(list(sent), num_returns=1)
            yield sent.pop(done), _result(done)
    finally:
        for unfinished in sent:
            ray.cancel(unfinished, force=True)


def _connect(address: str) -> None:
    """Join the cluster once; Ray leaves it when this process ends, and with it ends what the process asked for."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
    ray = client_package("ray", "ray")
    if ray.is_initialized():
        return
    if address != AUTO:
        require_listening(address, f"the head of a Ray cluster ({address})")
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"There is no Ray cluster to join at fanout.address={address} ({first_line(error)}): start one here with "
            "`ray start`, mend the address, or set RAY_AUTH_MODE=token where it asks for a token."
        ) from error


def _result(reference: ObjectRef[Trained]) -> Trained:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        result: Trained = ray.get(reference)
        return result
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise ClusterError(
            "A training was begun again and again, and each time its Ray worker was lost, perhaps for want of memory "
            f"({first_line(error)}): see what Ray's own logs say."
        ) from error
