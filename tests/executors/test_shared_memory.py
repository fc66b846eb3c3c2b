"""Workers of this machine map the data once; a task brings them next to nothing, and nothing is left behind."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import cloudpickle
import pytest
import torch
from joblib.externals.loky.backend import queues

from recipe.executors.loky import Processes
from recipe.executors.shared_memory import Block, share
from recipe.models import Linear
from recipe.runtime.workspace import SHARED, TRAININGS
from recipe.training.experiment import Experiment, make_experiment
from recipe.training.fit import MEMORY, fit_all
from recipe.versioning.leftovers import clear_trainings

MEGABYTE = 2**20


@pytest.fixture
def large(tmp_path: Path) -> Experiment:
    """An experiment with 50 MB of inputs, a name for each example, and a folder for its trainings."""
    rows = torch.randn(50 * MEGABYTE // (250 * 4), 250)
    targets = (rows[:, 0] > 0).long()
    made = make_experiment(Linear, (rows, targets), (rows[:100], targets[:100]), epochs=1, batch_size=4096)
    names = tuple(f"{number:032x}" for number in range(len(rows)))
    folder = str(tmp_path / ".recipe" / TRAININGS)
    return replace(made, train=replace(made.train, ids=names), folder=folder, executor=Processes(2))


def test_a_task_is_small_whatever_the_data_and_so_is_what_comes_back(
    large: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(cloudpickle.dumps(large)) > 50 * MEGABYTE
    sent: list[int] = []
    dumps = queues.dumps

    def counting(task: object, *arguments: object, **settings: object) -> memoryview:
        content = dumps(task, *arguments, **settings)
        sent.append(len(content))
        return content

    monkeypatch.setattr(queues, "dumps", counting)
    trained = fit_all(large, [large.training.having(seed=seed) for seed in range(4)])
    assert len(sent) >= 4
    assert sum(sent) < MEGABYTE / 4
    assert [one.training.seed for one in trained] == [0, 1, 2, 3]


def test_nothing_that_was_shared_is_left_once_the_trainings_are_done(large: Experiment) -> None:
    fit_all(large, [large.training.having(seed=seed) for seed in range(2)])
    assert large.folder is not None
    assert all(path.suffix == ".pt" for path in Path(large.folder).iterdir())


def test_what_a_killed_process_shared_is_dropped_and_what_a_living_one_shares_stays(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    for number in (dead.pid, os.getpid()):
        folder = tmp_path / ".recipe" / TRAININGS / f"{SHARED}{number}" / "joblib"
        folder.mkdir(parents=True)
        (folder / "array.pkl").write_bytes(b"data")
    clear_trainings(tmp_path)
    assert [path.name for path in (tmp_path / ".recipe" / TRAININGS).iterdir()] == [f"{SHARED}{os.getpid()}"]


def test_a_finished_training_stays_on_disk_until_it_is_read(large: Experiment) -> None:
    [trained] = fit_all(large, [large.training])
    assert MEMORY[next(reversed(MEMORY))] is trained
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(".pt")}
    assert {Path(name).parent for name in mapped} >= {Path(str(large.folder))}
    assert trained.outputs.shape == (100, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.bfloat16, torch.int64, torch.bool])
def test_a_tensor_comes_out_of_its_bytes_as_it_went_in(dtype: torch.dtype) -> None:
    tensor = (torch.randn(6, 3, 4) * 10).to(dtype)
    for one in (tensor, tensor[::2], tensor.transpose(0, 2), tensor[:0]):
        assert torch.equal(Block.of(one).tensor(), one)
        assert Block.of(one).tensor().dtype == dtype


def test_an_experiment_is_whole_again_at_the_worker(large: Experiment) -> None:
    whole = share(large).whole()
    assert torch.equal(whole.train.inputs, large.train.inputs)
    assert torch.equal(whole.validation.targets, large.validation.targets)
    assert (whole.fingerprint, whole.folder) == (large.fingerprint, large.folder)
