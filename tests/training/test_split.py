"""A split as it travels to a worker."""

import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipe.training.split import Split, View, acts_alone, memory_mapped


def test_memory_mapped_inputs_travel_as_the_name_of_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "inputs.npy", np.arange(400_000, dtype=np.float32).reshape(1000, 400))
    file, rows = str(tmp_path / "inputs.npy"), torch.tensor([3, 5, 8])
    split = Split(memory_mapped(file), torch.tensor([0, 1, 0]), rows=rows, file=file)
    content = pickle.dumps(split)
    assert len(content) < 10_000
    again = pickle.loads(content)  # noqa: S301 - written two lines above
    index = torch.arange(3)
    assert all(torch.equal(*pair) for pair in zip(again.batch(index), split.batch(index), strict=True))
    assert torch.equal(again.at(torch.tensor([2])).batch(torch.tensor([0]))[0][0], split.inputs[8])


def test_resident_inputs_travel_whole() -> None:
    split = Split(torch.arange(6.0).view(3, 2), torch.tensor([0, 1, 0]))
    assert torch.equal(pickle.loads(pickle.dumps(split)).inputs, split.inputs)  # noqa: S301


def test_an_augmentation_gets_what_the_view_gives_and_the_transform_gets_the_augmented() -> None:
    split = Split(torch.full((4, 2), 51, dtype=torch.uint8), torch.zeros(4), lambda batch: batch / 255, lambda x: x - 1)
    seen: list[Tensor] = []

    def brighter(batch: Tensor) -> Tensor:
        seen.append(batch)
        return batch * 2

    for whole in (split, split.computed_once()):
        inputs, _ = whole.batch(torch.arange(3), brighter)
        assert torch.allclose(seen.pop(), torch.full((3, 2), 0.2))
        assert torch.allclose(inputs, torch.full((3, 2), -0.6))
        assert torch.allclose(whole.batch(torch.arange(3))[0], torch.full((3, 2), -0.8))


def test_what_the_net_receives_is_computed_once_and_keeps_its_place() -> None:
    calls = []

    def transform(batch: Tensor) -> Tensor:
        calls.append(len(batch))
        return batch * 10

    split = Split(torch.arange(6.0).view(6, 1), torch.arange(6), transform=transform).computed_once(batch_size=4)
    assert calls == [4, 2]
    part = split.at(torch.tensor([5, 1])).head(1)
    assert torch.equal(part.batch(torch.tensor([0]))[0], torch.tensor([[50.0]]))
    assert calls == [4, 2]


def test_a_transform_that_looks_at_its_batch_or_draws_by_chance_does_not_act_alone() -> None:
    inputs = torch.randn(16, 3)

    def split(transform: View) -> Split:
        return Split(inputs, torch.zeros(16), transform=transform)

    assert acts_alone(split(lambda batch: batch * 2))
    assert not acts_alone(split(lambda batch: batch - batch.mean(0)))
    assert not acts_alone(split(lambda batch: batch + torch.rand_like(batch)))
