"""A Dask scheduler and workers, started as a user starts them, on this machine alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flows.serve import free_port
from recipe.runtime.processes import stop_session
from tests.workspaces import ROOT

START_SECONDS = 60.0


@dataclass
class Dask:
    """A scheduler at `address`, and the workers that are started for it; what each writes lies in `folder`."""

    folder: Path
    address: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self, *options: str, search: str = str(ROOT)) -> subprocess.Popen[bytes]:
        """One more worker, with `search` as its PYTHONPATH."""
        return self.start("worker", self.address, "--nthreads", "1", "--no-dashboard", *options, search=search)

    def start(self, *words: str, search: str = str(ROOT)) -> subprocess.Popen[bytes]:
        path = self.folder / f"{len(self.processes)}.log"
        with open(path, "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": search},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def wait_for_workers(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, timeout=START_SECONDS, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=START_SECONDS)

    @contextmanager
    def having(self, *options: str, search: str = str(ROOT)) -> Iterator[subprocess.Popen[bytes]]:
        """One worker, there for the block alone."""
        worker = self.worker(*options, search=search)
        try:
            self.wait_for_workers(1)
            yield worker
        finally:
            stop_session(worker, patience=0.0)
            self.wait_for_none()

    def wait_for_none(self) -> None:
        """Wait until the scheduler is up and has seen every worker go."""
        from distributed import Client

        with Client(self.address, timeout=START_SECONDS, set_as_default=False) as client:
            deadline = time.monotonic() + START_SECONDS
            while client.nthreads():
                assert time.monotonic() < deadline
                time.sleep(0.05)


@contextmanager
def dask_at(folder: Path, scheme: str = "tcp") -> Iterator[Dask]:
    """A scheduler without workers; all that was started ends with the block."""
    port = free_port()
    dask = Dask(folder, f"{scheme}://127.0.0.1:{port}")
    try:
        dask.start("scheduler", "--host", dask.address, "--no-dashboard")
        yield dask
    finally:
        for process in dask.processes:
            stop_session(process, patience=0.0)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    """A scheduler for a test that ends it."""
    (tmp_path / "dask").mkdir()
    with dask_at(tmp_path / "dask") as dask:
        yield dask


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A scheduler that tests share, each with workers of its own, which are gone when it ends."""
    with dask_at(tmp_path_factory.mktemp("scheduler")) as dask:
        yield dask


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A cluster of two workers that tests share which leave it as it is."""
    with dask_at(tmp_path_factory.mktemp("dask")) as dask:
        dask.worker("--nworkers", "2")
        dask.wait_for_workers(2)
        yield dask
