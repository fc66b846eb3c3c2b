"""A split as it travels to a worker."""

import pickle
from pathlib import Path

import numpy as np
import torch

from recipe.training.split import Split, memory_mapped


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
