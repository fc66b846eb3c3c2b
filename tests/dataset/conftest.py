from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image
from sklearn.datasets import load_digits

from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import Dataset, load_dataset
from recipe.settings import Data, Settings, parse_settings

CONF = Path(__file__).parents[2] / "conf"

Prepare = Callable[..., Dataset]


@pytest.fixture(scope="session")
def default_settings() -> Settings:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return parse_settings(OmegaConf.to_container(compose("config", overrides=["data=digits"]), resolve=True))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def prepare(workspace: Path, default_settings: Settings) -> Prepare:
    """Ingest with the default settings but for the data keys given, and load what was prepared."""

    def run(**data: Any) -> Dataset:
        values = default_settings.data.model_dump(by_alias=True) | {"name": data["kind"]} | data
        values["path"] = str(values["path"])
        settings = default_settings.model_copy(update={"data": Data.model_validate(values)})
        ingest(workspace, settings)
        return load_dataset(workspace, settings)

    return run


@pytest.fixture(scope="session")
def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """Real digits as uint8 (N, 8, 8), and their labels."""
    bunch = load_digits()
    return np.round(bunch.images * 255 / 16).astype(np.uint8), bunch.target


@pytest.fixture
def digit_folder(tmp_path: Path, digit_images: tuple[np.ndarray, np.ndarray]) -> Path:
    """Sixty digits, thirty zeros and thirty ones, as PNG files in a folder a class."""
    root = tmp_path / "digits"
    images, labels = digit_images
    for label in (0, 1):
        (root / str(label)).mkdir(parents=True)
        for number, image in enumerate(images[labels == label][:30]):
            Image.fromarray(image).save(root / str(label) / f"{number:02}.png")
    return root
