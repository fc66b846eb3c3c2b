"""Trainings on a Dask cluster: the same bits, kept here, and whatever goes wrong there is told in one sentence."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from dask import config
from distributed import Client, Security

from recipe.executors import dask as on_dask
from recipe.executors.cluster import Cluster
from recipe.executors.parcel import ClusterError
from recipe.models import Mlp
from recipe.training.components import Component
from recipe.training.experiment import Experiment, HeldOut, make_experiment
from recipe.training.fit import MEMORY, Trained, fit_all, fit_together
from tests.executors.conftest import Dask, dask_at
from tests.workspaces import ROOT


@pytest.fixture
def mlp(digits: tuple[torch.Tensor, torch.Tensor]) -> Experiment:
    images, labels = digits
    return make_experiment(Mlp, (images[:400], labels[:400]), (images[400:600], labels[400:600]), epochs=1)


def on(dask: Dask, experiment: Experiment) -> Experiment:
    return replace(experiment, executor=Cluster(on_dask.carry_out, dask.address))


def seeds(experiment: Experiment, count: int = 4, **changes: object) -> list[Trained]:
    MEMORY.clear()
    return fit_all(experiment, [experiment.training.having(seed=seed, **changes) for seed in range(count)])


def same(some: list[Trained], others: list[Trained]) -> bool:
    return len(some) == len(others) and all(
        torch.equal(one.state[name], other.state[name]) and torch.equal(one.outputs, other.outputs)
        for one, other in zip(some, others, strict=True)
        for name in one.state
    )


def sentence(experiment: Experiment, words: str, count: int = 2) -> None:
    """That the trainings are refused in one sentence with `words`."""
    with pytest.raises(ClusterError, match=words) as caught:
        seeds(experiment, count)
    assert "\n" not in str(caught.value)


def test_two_workers_give_the_same_bits_as_this_process(two_workers: Dask, mlp: Experiment) -> None:
    assert same(seeds(on(two_workers, mlp)), seeds(mlp))


def test_trainings_of_two_experiments_are_each_carried_out_with_their_own_data(
    two_workers: Dask, mlp: Experiment
) -> None:
    other = mlp.variant("shuffled", train=replace(mlp.train, targets=mlp.train.targets.roll(1)))
    there = fit_together([(on(two_workers, home), home.training) for home in (mlp, other)])
    MEMORY.clear()
    assert same(there, fit_together([(home, home.training) for home in (mlp, other)]))
    assert not same(there[:1], there[1:])


def test_what_workers_have_trained_is_kept_here_and_not_asked_for_again(
    two_workers: Dask, mlp: Experiment, tmp_path: Path
) -> None:
    kept = on(two_workers, replace(mlp, folder=str(tmp_path)))
    first = seeds(kept)
    assert len(list(tmp_path.iterdir())) == 4
    assert same(seeds(replace(kept, executor=Cluster(on_dask.carry_out, "tcp://127.0.0.1:1"))), first)


def test_a_net_given_as_an_object_of_this_process_travels_too(two_workers: Dask, mlp: Experiment) -> None:
    width = 12
    own = replace(mlp.training, model=Component("model", lambda **shape: Mlp(width=width, **shape)))
    results = seeds(on(two_workers, replace(mlp, training=own)), 2)
    assert [result.training.seed for result in results] == [0, 1]


def test_an_error_of_a_users_net_is_raised_as_it_was_there(two_workers: Dask, mlp: Experiment) -> None:
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 10)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.layer(batch.flatten(1))

    broken = replace(mlp, training=replace(mlp.training, model=Component("model", Broken)))
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes"):
        seeds(on(two_workers, broken), 2)


def test_nothing_of_the_test_split_or_the_workspace_travels(two_workers: Dask, mlp: Experiment, tmp_path: Path) -> None:
    def closed(reader: str) -> None:
        raise AssertionError(reader)

    lock = threading.Lock()  # which nothing can pickle
    guarded = replace(mlp, test=HeldOut(lambda reader: closed(lock), lambda *reading: lock))  # type: ignore
    assert len(seeds(on(two_workers, guarded), 2)) == 2


def test_a_scheduler_that_is_not_there_is_one_sentence_in_seconds(mlp: Experiment) -> None:
    began = time.monotonic()
    away = replace(mlp, executor=Cluster(on_dask.carry_out, "tcp://127.0.0.1:1"))
    sentence(
        away, r"Nothing answers where a Dask scheduler \(tcp://127.0.0.1:1\) should .* start it, or mend fanout.add"
    )
    sentence(
        replace(away, executor=Cluster(on_dask.carry_out, "tcp://no.such.host:8786")),
        "Nothing answers .* start it, or mend",
    )
    sentence(replace(away, executor=Cluster(on_dask.carry_out, "tls://127.0.0.1:1")), "Nothing answers")
    assert time.monotonic() - began < 30


def test_a_server_of_another_kind_is_one_sentence(mlp: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    import http.server

    monkeypatch.setattr(on_dask, "ANSWER_SECONDS", 1.0)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_port}"
        sentence(
            replace(mlp, executor=Cluster(on_dask.carry_out, address)),
            f"What listens at {address} does not answer as a Dask",
        )
        server.shutdown()


def test_tls_without_certificates_is_one_sentence(two_workers: Dask, mlp: Experiment) -> None:
    address = two_workers.address.replace("tcp", "tls")
    sentence(
        replace(mlp, executor=Cluster(on_dask.carry_out, address)),
        "does not answer as a Dask scheduler .*Dask's settings for TLS",
    )


@pytest.mark.acceptance
def test_certificates_are_taken_from_dasks_own_settings(
    mlp: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Security.temporary()
    for name, content in (("cert", own.tls_client_cert), ("key", own.tls_client_key)):
        (tmp_path / f"{name}.pem").write_text(content)
    settings = {
        f"{who}__{what}": f"{what.lower()}.pem" for who in ("SCHEDULER", "WORKER", "CLIENT") for what in ("CERT", "KEY")
    }
    for name, file in {**settings, "CA_FILE": "cert.pem"}.items():
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", str(tmp_path / file))
    config.refresh()
    (tmp_path / "dask").mkdir()
    with dask_at(tmp_path / "dask", "tls") as dask:
        dask.worker()
        dask.wait_for_workers(1)
        assert same(seeds(on(dask, mlp), 2), seeds(mlp, 2))
        executor = Cluster(on_dask.carry_out, dask.address.replace("tls", "tcp"))
        plain = replace(mlp, executor=executor, fingerprint="plain")
        sentence(plain, "does not answer as a Dask scheduler")
    monkeypatch.undo()
    config.refresh()


def test_a_scheduler_without_workers_is_one_sentence(
    scheduler: Dask, mlp: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_dask, "WORKERLESS_SECONDS", 1.0)
    monkeypatch.setattr(on_dask, "POLL_SECONDS", 0.2)
    scheduler.wait_for_none()
    address = scheduler.address
    sentence(on(scheduler, mlp), f"The Dask scheduler at {address} has had no worker for 1 s: start some")


def test_a_worker_of_two_threads_is_refused(scheduler: Dask, mlp: Experiment) -> None:
    with scheduler.having("--nthreads", "2", "--no-nanny"):
        sentence(
            on(scheduler, mlp),
            "has 2 threads, and a training needs a process of its own: start workers with --nthreads 1",
        )


def test_a_worker_without_this_project_is_one_sentence(scheduler: Dask, mlp: Experiment, tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "__init__.py").touch()  # another one
    with scheduler.having("--no-nanny", search=str(tmp_path)):
        sentence(
            on(scheduler, mlp),
            r"cannot import 'recipe.executors.parcel' \(No module named 'recipe.executors'\): start it in an",
        )


HANGS_ONCE = """
import time
from pathlib import Path

from recipe.models import Mlp


def net(mark, **shape):
    if not Path(mark).exists():
        Path(mark).touch()
        time.sleep(600)
    return Mlp(**shape)
"""
DIES = """
import os
import signal


def net(**shape):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def own(experiment: Experiment, folder: Path, code: str, **settings: object) -> Experiment:
    """The same with `net` of a module `own_net` in `folder`, which nobody but workers needs to import."""
    (folder / "own_net.py").write_text(code)
    training = replace(experiment.training, model=Component("model", "own_net.net", settings))
    return replace(experiment, training=training)


def wait_until_there(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_the_background(experiment: Experiment, count: int) -> tuple[threading.Thread, list[object]]:
    """The trainings in a thread, and the list that gets their results or what they raise."""
    came: list[object] = []

    def run() -> None:
        try:
            came.append(seeds(experiment, count))
        except ClusterError as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def test_the_training_of_a_worker_that_dies_is_begun_again_though_it_alone_held_the_data(
    scheduler: Dask, mlp: Experiment, tmp_path: Path
) -> None:
    with scheduler.having(search=f"{ROOT}:{tmp_path}") as nanny:
        hanging = own(on(scheduler, mlp), tmp_path, HANGS_ONCE, mark=str(tmp_path / "mark"))
        thread, came = in_the_background(hanging, 3)
        wait_until_there(tmp_path / "mark")
        [worker, *_] = [
            child for child in psutil.Process(nanny.pid).children() if "spawn_main" in " ".join(child.cmdline())
        ]
        worker.kill()
        thread.join(60)
    assert same(came[0], seeds(mlp, 3))  # type: ignore[arg-type]


@pytest.mark.acceptance
def test_a_training_that_kills_each_of_its_workers_is_one_sentence(dask: Dask, mlp: Experiment, tmp_path: Path) -> None:
    dask.worker(search=f"{ROOT}:{tmp_path}")
    dask.wait_for_workers(1)
    sentence(own(on(dask, mlp), tmp_path, DIES), "begun again and again, and each time its worker died, .* memory", 1)


@pytest.mark.acceptance
def test_a_scheduler_that_is_lost_is_one_sentence(dask: Dask, mlp: Experiment, tmp_path: Path) -> None:
    dask.worker(search=f"{ROOT}:{tmp_path}")
    dask.wait_for_workers(1)
    hanging = own(on(dask, mlp), tmp_path, HANGS_ONCE, mark=str(tmp_path / "mark"))
    thread, came = in_the_background(hanging, 2)
    wait_until_there(tmp_path / "mark")
    dask.processes[0].kill()
    thread.join(60)
    assert f"The Dask scheduler at {dask.address} was lost: start it" in str(came[0])


def test_who_stops_asking_leaves_the_cluster_nothing_to_do(two_workers: Dask, mlp: Experiment) -> None:
    trainings = [mlp.training.having(seed=seed) for seed in range(20)]
    experiment = on(two_workers, mlp)
    results = experiment.executor([(experiment, training) for training in trainings])
    next(results)
    results.close()
    with Client(two_workers.address, set_as_default=False) as client:
        assert not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
