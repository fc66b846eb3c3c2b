"""Real data and small experiments that the tests share."""

import os

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from torch import Tensor

from recipe.models import Cnn, Mlp
from recipe.training.experiment import Experiment, make_experiment

for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "False"}.items():
    os.environ.setdefault(name, value)
torch.set_num_threads(1)

TRAIN, VALIDATION = 1000, 1400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: spread over two processes, a long one at the end would leave the other idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """The 1,797 digits, shuffled: standardised images (N, 1, 8, 8) and labels (N,)."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)[order] / 16
    return (images - images.mean()) / images.std(), torch.tensor(data.target)[order]


@pytest.fixture(scope="session")
def breast_cancer() -> tuple[Tensor, Tensor]:
    """569 rows of 30 standardised numbers, two classes."""
    return _standardised(load_breast_cancer(), torch.long)


@pytest.fixture(scope="session")
def diabetes() -> tuple[Tensor, Tensor]:
    """442 rows of 10 standardised numbers, and a standardised target (N, 1)."""
    inputs, targets = _standardised(load_diabetes(), torch.float32)
    return inputs, ((targets - targets.mean()) / targets.std()).unsqueeze(1)


@pytest.fixture
def digits_cnn(digits: tuple[Tensor, Tensor]) -> Experiment:
    """A small CNN on digits, as someone's own test would make it."""
    images, labels = digits
    return make_experiment(
        Cnn,
        (images[:TRAIN], labels[:TRAIN]),
        (images[TRAIN:VALIDATION], labels[TRAIN:VALIDATION]),
        epochs=3,
    )


@pytest.fixture
def diabetes_mlp(diabetes: tuple[Tensor, Tensor]) -> Experiment:
    """A small MLP on a regression."""
    inputs, targets = diabetes
    return make_experiment(Mlp, (inputs[:300], targets[:300]), (inputs[300:], targets[300:]), epochs=3)


def _standardised(data: object, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    inputs = torch.tensor(data.data, dtype=torch.float32)  # type: ignore[attr-defined]
    targets = torch.tensor(data.target, dtype=dtype)  # type: ignore[attr-defined]
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    inputs, targets = inputs[order], targets[order]
    return (inputs - inputs.mean(0)) / inputs.std(0), targets
