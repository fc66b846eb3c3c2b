from collections.abc import Callable
from functools import cache

import pytest

from recipe.dataset.stored import Dataset
from tests.faults.data import ingested


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    """A built-in data set by its name, ingested once."""
    return cache(lambda name: ingested(tmp_path_factory.mktemp(name), f"data={name}"))
