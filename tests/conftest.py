"""Real data and small experiments that the tests share."""

import os
import random
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from torch import Tensor

from recipe.models import Cnn, Mlp
from recipe.training.device import Device
from recipe.training.experiment import Experiment, make_experiment
from tests.finished import continued, finished_run

for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "False"}.items():
    os.environ.setdefault(name, value)
Device().settle()

TESTS = Path(__file__).parent
TRAIN, VALIDATION = 1000, 1400


# The files that take longest, the longest first: spread over processes, one of them at the end would leave the others
# idle. The first makes the finished run, which the next ones do not wait for.
LONGEST = (
    "flows/test_serve.py",
    "test_devices.py",
    "attribution/test_attribute.py",
    "end_to_end/test_run.py",
    "test_add_a_data_kind.py",
    "test_interrupts.py",
    "end_to_end/test_dvc.py",
    "deliveries/test_bad.py",
    "deliveries/test_good.py",
    "deliveries/test_odd.py",
    "practices/baseline/test_healthy.py",
    "practices/baseline/test_faults.py",
    "hostile/test_pages.py",
    "executors/test_dask.py",
    "flows/test_events.py",
    "flows/test_pipeline.py",
    "deliveries/test_apart.py",
    "inference/test_export.py",
    "test_faults_end_to_end.py",
    "test_bad_input.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order", type=int, metavar="SEED", help="shuffle the tests of each file, and the shorter files")


def pytest_report_header(config: pytest.Config) -> str:
    return f"order: {config.option.order}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first; with --order the rest by chance, the same in every process."""
    if config.option.order is not None:
        chance = random.Random(config.option.order)
        items.sort(key=lambda item: item.nodeid)
        chance.shuffle(items)
    met = {path: place for place, path in enumerate(dict.fromkeys(item.path for item in items))}
    first = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (first.get(item.path, len(first)), met[item.path]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run for the tests of one module; each leaves it with every gate open."""
    return continued(finished_run(tmp_path_factory), tmp_path_factory.mktemp("finished"))


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
