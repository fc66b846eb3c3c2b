"""Data sets that grow, each in a workspace: half of the digits as a folder of images, and the breast cancer table."""

import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recipe.deliveries.incoming import INCOMING, READY
from recipe.deliveries.receive import receive
from recipe.deliveries.record import Outcome
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from tests.faults.data import breast_cancer, digits
from tests.here import stages_here
from tests.workspaces import make_workspace

HELD = 1000  # of 1,797 digits are in the data set, the rest may be delivered
HELD_ROWS = 400  # of 569


def take_all(workspace: Path, **arguments: bool) -> list[Outcome]:
    """What became of everything in data/incoming."""
    return list(receive(workspace, load_settings(workspace), **arguments))


def write_images(folder: Path, rows: Iterable[int], labels: Iterable[object] | None = None) -> Path:
    """The digits `rows` as PNG files, a folder a class, under their own labels or `labels`."""
    images, own = shuffled_digits()
    rows = list(rows)
    for row, label in zip(rows, labels if labels is not None else own[rows], strict=True):
        path = folder / str(label) / f"digit-{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row]).save(path)
    return folder


@cache
def shuffled_digits() -> tuple[np.ndarray, np.ndarray]:
    """The digits in an order of chance: the file has them by writer, and other writers are a drift indeed."""
    images, labels = digits()
    order = np.random.default_rng(0).permutation(len(labels))
    return images[order], labels[order]


def incoming(workspace: Path, name: str) -> Path:
    """Where a delivery of this name goes; its folder is there."""
    path = workspace / INCOMING / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def ready(delivery: Path) -> Path:
    """The delivery, said to be whole."""
    (delivery / READY if delivery.is_dir() else delivery.with_name(delivery.name + READY)).touch()
    return delivery


def rows_of_table(start: int, stop: int) -> pd.DataFrame:
    """Rows of the breast cancer table, its means and the diagnosis, in an order of chance, since the file has none."""
    table = breast_cancer().filter(regex="^(mean|diagnosis)")
    order = np.random.default_rng(0).permutation(len(table))
    return table.iloc[order[start:stop]].reset_index(drop=True)


def images_in(workspace: Path) -> int:
    return sum(1 for path in (workspace / "data" / "photos").rglob("*.png"))


@pytest.fixture(scope="module")
def examined_here() -> Iterator[None]:
    """Deliveries are examined in this process."""
    with stages_here():
        yield


@pytest.fixture(scope="session")
def first_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose data set is a folder of digits, kept as a first version."""
    workspace = make_workspace(tmp_path_factory.mktemp("photos") / "workspace")
    write_images(workspace / "data" / "photos", range(HELD))
    compose_params(workspace, ["data=image_folder", f"data.path={workspace}/data/photos", "budget=quick"])
    take_all(workspace)
    return workspace


@pytest.fixture(scope="session")
def first_patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose data set is a CSV, kept as a first version."""
    workspace = make_workspace(tmp_path_factory.mktemp("patients") / "workspace")
    path = workspace / "data" / "patients.csv"
    path.parent.mkdir(exist_ok=True)
    rows_of_table(0, HELD_ROWS).to_csv(path, index=False)
    settings = ("data=table", f"data.path={path}", "data.label=diagnosis", "budget=quick", "watch.max_mb=200")
    compose_params(workspace, settings)
    take_all(workspace)
    return workspace


@pytest.fixture
def own_photos(first_photos: Path, tmp_path: Path) -> Path:
    """A copy of `first_photos` that a test may let grow."""
    return moved(first_photos, tmp_path / "workspace")


@pytest.fixture
def own_patients(first_patients: Path, tmp_path: Path) -> Path:
    """A copy of `first_patients` that a test may let grow."""
    return moved(first_patients, tmp_path / "workspace")


def moved(workspace: Path, place: Path) -> Path:
    """A copy of `workspace` in another place."""
    return Path(shutil.copytree(workspace, place, symlinks=True))
