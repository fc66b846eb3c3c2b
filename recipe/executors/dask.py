"""Trainings on a Dask cluster, by Dask's own client (docs/decisions/008-a-cluster-is-asked-by-its-own-client.md)."""

from __future__ import annotations

import asyncio
import importlib
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from recipe.executors import parcel
from recipe.executors.cluster import Cluster, Sent, client_package, require_listening
from recipe.executors.parcel import ClusterError, Parcel, fit_parcel
from recipe.runtime.reachability import ANSWER_SECONDS
from recipe.runtime.stage_process import first_line
from recipe.settings.fanout import OnACluster

if TYPE_CHECKING:
    from distributed import Client, Future

    from recipe.settings.fanout import Fanout
    from recipe.training.device import Device
    from recipe.training.fit import Trained

WORKERLESS_SECONDS = 60.0  # Dask's nanny starts a worker that died again in about 5
POLL_SECONDS = 1.0


class Settings(OnACluster):
    ADDRESS = r"(tcp|tls)://.+:\d+"
    EXAMPLE = "its scheduler, such as fanout.address=tcp://host:8786"


def executor(fanout: Fanout, device: Device, own_modules: tuple[str, ...]) -> Cluster:
    """The executor of `fanout.backend=dask`."""
    return Cluster(carry_out, fanout.address or "", own_modules)


def carry_out(address: str, parcels: Sequence[Parcel], trainings: Sequence[Sent]) -> Iterator[tuple[int, Trained]]:
    """What comes of packed trainings on the workers of the scheduler at `address`, with their places, as they end.

    Raises:
        ClusterError: the scheduler does not answer or has no workers, or a worker cannot do what this process could.
    """
    with _connected(address) as client:
        _require_fit(client)
        sent = _send(client, parcels, trainings)
        try:
            for future in _as_they_end(client, list(sent), address):
                yield sent[future], _result(future, address)
        finally:
            client.cancel(list(sent))


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    distributed = client_package("distributed", "dask")
    require_listening(address.partition("://")[2], f"a Dask scheduler ({address})")
    try:
        asyncio.run(asyncio.wait_for(_greet(address), ANSWER_SECONDS))
    except (OSError, TimeoutError, TypeError, ValueError) as error:
        reason = first_line(error) if str(error) else f"no answer in {ANSWER_SECONDS:.0f} s"
        raise ClusterError(
            f"What listens at {address} does not answer as a Dask scheduler ({reason}): mend fanout.address, or Dask's "
            "settings for TLS."
        ) from error
    with distributed.Client(address, timeout=ANSWER_SECONDS, set_as_default=False) as client:
        yield client


async def _greet(address: str) -> None:
    """Exchange greetings with the scheduler, for which a client would wait for ever."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=ANSWER_SECONDS, **Security().get_connection_args("client"))
    await comm.close()


def _require_fit(client: Client) -> None:
    """Look at the workers before anything is sent: one that cannot read what it is sent would end."""
    for worker, threads in client.nthreads().items():
        if threads != 1:
            raise ClusterError(
                f"The Dask worker {worker} has {threads} threads, and a training needs a process of its own: start "
                "workers with --nthreads 1, and --nworkers for as many as there are cores."
            )
    for worker, answer in client.run(importlib.import_module, parcel.__name__, on_error="return").items():
        if isinstance(answer, Exception):
            raise ClusterError(
                f"The Dask worker {worker} cannot import '{parcel.__name__}' ({first_line(answer)}): start it in an "
                "environment that has this project and what it needs."
            )


def _send(client: Client, parcels: Sequence[Parcel], trainings: Sequence[Sent]) -> dict[Future[Trained], int]:
    """The trainings, each on its way; a parcel is a task of its own, so that it too is done again when it is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that one is large
        there = [client.submit(_itself, parcel, pure=False) for parcel in parcels]
        return {
            client.submit(fit_parcel, there[parcel], training, pure=False): place
            for place, (parcel, training) in enumerate(trainings)
        }


def _itself(packed: Parcel) -> Parcel:
    return packed


def _as_they_end(client: Client, futures: Sequence[Future[Trained]], address: str) -> Iterator[Future[Trained]]:
    ended: SimpleQueue[Future[Trained]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    due, seen = len(futures), time.monotonic()
    while due:
        try:
            future = ended.get(timeout=POLL_SECONDS)
        except Empty:
            if _has_workers(client):
                seen = time.monotonic()
            elif time.monotonic() - seen > WORKERLESS_SECONDS:
                raise ClusterError(
                    f"The Dask scheduler at {address} has had no worker for {WORKERLESS_SECONDS:.0f} s: start some "
                    f"with `dask worker {address} --nthreads 1`, and start again; what was finished is kept."
                ) from None
            continue
        yield future
        due, seen = due - 1, time.monotonic()


def _has_workers(client: Client) -> bool:
    """Whether the scheduler has any; one that no longer answers says so by the futures that it loses."""
    try:
        return bool(client.nthreads())
    except OSError:
        return True


def _result(future: Future[Trained], address: str) -> Trained:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise ClusterError(
            f"A training was begun again and again, and each time its worker died, the last one at "
            f"{error.last_worker.address}, perhaps for want of memory: see what that worker's output says."
        ) from error
    except CancelledError as error:
        raise ClusterError(
            f"The Dask scheduler at {address} was lost: start it and its workers again, and the same command goes on "
            "from what was finished."
        ) from error
