"""What a worker refuses to train: whatever is not there as it is where the parcel was packed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recipe.executors import parcel
from recipe.executors.parcel import ClusterError, Parcel, fit_parcel, pack, pack_training
from recipe.models import Mlp
from recipe.pipeline.loading import digest
from recipe.training.components import Component
from recipe.training.device import Device
from recipe.training.experiment import Experiment, make_experiment
from recipe.training.fit import fit
from recipe.training.split import memory_mapped


@pytest.fixture
def mlp(digits: tuple[torch.Tensor, torch.Tensor]) -> Experiment:
    images, labels = digits
    return make_experiment(Mlp, (images[:200], labels[:200]), (images[200:300], labels[200:300]), epochs=1)


@pytest.fixture
def own_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the user's own, as a process finds it that has imported nothing yet."""
    path = tmp_path / "own_net.py"
    path.write_text("from recipe.models import Mlp as Net\n")
    monkeypatch.syspath_prepend(tmp_path)
    another_process()
    yield path
    another_process()


OWN = ("own_net",)


def another_process() -> None:
    """Forget what this process knows of code, as one that starts does."""
    parcel._code_of.cache_clear()
    sys.modules.pop("own_net", None)
    importlib.invalidate_caches()


def with_own_net(experiment: Experiment) -> Experiment:
    training = replace(experiment.training, model=Component("model", "own_net.Net"))
    return replace(experiment, training=training)


def refused(packed: Parcel, experiment: Experiment, words: str) -> None:
    with pytest.raises(ClusterError, match=words) as caught:
        fit_parcel(packed, pack_training(experiment.training))
    assert "\n" not in str(caught.value)


def test_a_parcel_is_trained_to_the_same_bits(mlp: Experiment) -> None:
    there, here = fit_parcel(pack(mlp), pack_training(mlp.training)), fit(mlp, mlp.training)
    assert torch.equal(there.outputs, here.outputs)


def test_another_version_of_torch_is_named_with_the_remedy(mlp: Experiment) -> None:
    packed = pack(mlp)
    other = replace(packed, versions={**packed.versions, "torch": "2.12.0"})
    refused(
        other, mlp, r"^The worker on \S+ has torch 2\.13\.0\S* where this run has 2\.12\.0: give both the versions of"
    )


def test_an_edited_library_is_named(mlp: Experiment) -> None:
    refused(
        replace(pack(mlp), code={"recipe": "another"}), mlp, "has another 'recipe' than this run: bring both to the"
    )


def test_a_net_of_the_users_own_is_trained_where_the_worker_has_the_same(mlp: Experiment, own_net: Path) -> None:
    own = with_own_net(mlp)
    packed = pack(own, OWN)
    another_process()
    assert torch.equal(fit_parcel(packed, pack_training(own.training)).outputs, fit(mlp, mlp.training).outputs)


def test_a_net_that_the_worker_lacks_is_named(mlp: Experiment, own_net: Path) -> None:
    packed = pack(with_own_net(mlp), OWN)
    own_net.unlink()
    another_process()
    refused(
        packed, with_own_net(mlp), "cannot import 'own_net': start it again with the folder of 'own_net' on its PYTH"
    )


def test_a_net_that_was_edited_since_the_worker_started_is_named(mlp: Experiment, own_net: Path) -> None:
    own = with_own_net(mlp)
    packed = pack(own, OWN)
    fit_parcel(packed, pack_training(own.training))
    own_net.write_text("from recipe.models import Linear as Net\n")  # here too, but this process goes on with the old
    edited = replace(packed, code={**packed.code, "own_net": digest(own_net)})
    refused(edited, own, "has another 'own_net' than this run: .* start the worker again")


def test_data_that_stay_on_disk_are_named_where_the_worker_has_others_or_none(mlp: Experiment, tmp_path: Path) -> None:
    file = tmp_path / "inputs.npy"
    np.save(file, mlp.train.inputs.numpy())
    (tmp_path / "facts.json").write_text('{"content": "first"}')
    train = replace(mlp.train, inputs=memory_mapped(str(file)), rows=torch.arange(200), file=str(file))
    mapped = replace(mlp, train=train)
    packed = pack(mapped)
    assert len(packed.content) < 100_000  # the inputs themselves are 51,200 numbers
    assert torch.equal(fit_parcel(packed, pack_training(mlp.training)).outputs, fit(mlp, mlp.training).outputs)
    (tmp_path / "facts.json").write_text('{"content": "second"}')
    refused(packed, mapped, "has not the prepared data in .*inputs.npy, .*: share that folder .* data.memory_limit_mb")
    file.unlink()
    refused(packed, mapped, "has not the prepared data in .*inputs.npy")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_a_device_that_the_worker_lacks_is_named(mlp: Experiment) -> None:
    refused(replace(pack(mlp), device=Device("cuda")), mlp, "^The worker on .* cannot train: .*device=cuda .* not here")
