"""Data sets in IDX files: their own test set, their labels in words, and whatever may be wrong with four files."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recipe.dataset.idx import CLOTHES, read_idx
from recipe.dataset.stored import Dataset, load_dataset
from recipe.errors import DataError
from recipe.pipeline.stage import Stage
from recipe.practices.data.distributions import distributions
from recipe.practices.data.imbalance import imbalance
from recipe.settings import parse_settings
from recipe.settings.composition import compose
from recipe.settings.paths import require_data

ROOT = Path(__file__).parents[2]
PACKAGE = Path("/usr/share/datasets/fashion-mnist")
TRAIN, TEST = 600, 100

Prepare = Callable[..., Dataset]


def write_idx(path: Path, numbers: np.ndarray, magic: int | None = None) -> None:
    """`numbers` as uint8 in an IDX file, packed where its name says so."""
    head = struct.pack(f">{1 + numbers.ndim}I", magic or 0x0800 + numbers.ndim, *numbers.shape)
    with gzip.open(path, "wb") if path.suffix == ".gz" else open(path, "wb") as file:
        file.write(head + numbers.astype(np.uint8).tobytes())


@pytest.fixture
def folder(tmp_path: Path, digit_images: tuple[np.ndarray, np.ndarray]) -> Path:
    """700 digits as four IDX files, the last 100 as the test set; the images of it plain, the others packed."""
    made = tmp_path / "digits-in-idx"
    made.mkdir()
    images, labels = digit_images
    write_idx(made / "train-images-idx3-ubyte.gz", images[:TRAIN])
    write_idx(made / "train-labels-idx1-ubyte.gz", labels[:TRAIN])
    write_idx(made / "t10k-images-idx3-ubyte", images[TRAIN : TRAIN + TEST])
    write_idx(made / "t10k-labels-idx1-ubyte", labels[TRAIN : TRAIN + TEST])
    return made


def test_the_test_set_stays_and_validation_comes_out_of_the_training_set(
    prepare: Prepare, folder: Path, digit_images: tuple[np.ndarray, np.ndarray]
) -> None:
    dataset = prepare(kind="builtin", name="mnist", path=folder)
    images, labels = digit_images
    assert (dataset.inputs.dtype, dataset.inputs.shape) == (np.uint8, (TRAIN + TEST, 1, 8, 8))
    assert np.array_equal(dataset.inputs[:, 0], images[: TRAIN + TEST])
    assert np.array_equal(dataset.targets, labels[: TRAIN + TEST])
    assert dataset.where("test").tolist() == list(range(TRAIN, TRAIN + TEST))
    assert len(dataset.where("validation")) == pytest.approx(TRAIN * 0.15 / 0.85, abs=5)
    assert dataset.manifest["path"].iloc[[0, -1]].tolist() == ["train:0", "t10k:99"]
    assert dataset.taken.startswith("mnist: 700 images in four IDX files; 10 classes;")


def test_classes_have_their_names_and_a_slash_in_one_reaches_tables_and_pictures(
    prepare: Prepare, folder: Path, workspace: Path
) -> None:
    dataset = prepare(kind="builtin", name="fashion_mnist", path=folder)
    assert sorted(dataset.preparation["classes"]) == sorted(CLOTHES)
    assert dataset.manifest["label"].iloc[:3].tolist() == ["T-shirt/top", "Trouser", "Pullover"]
    stage = Stage("data", workspace, dataset.settings)
    stage.run((distributions, imbalance), dataset)
    assert all(finding.summary and "could not" not in finding.summary for finding in stage.findings)
    tables = "".join(path.read_text() for path in sorted((stage.reports / "tables").glob("*.csv")))
    assert "T-shirt/top" in tables
    assert not [path for path in stage.reports.rglob("*") if path.is_dir() and "T-shirt" in path.name]


def test_either_spelling_of_the_names_is_found(folder: Path) -> None:
    for path in folder.glob("train-*"):
        path.rename(folder / path.name.replace("-idx", ".idx"))
    assert read_idx(folder, "mnist").images.shape == (TRAIN + TEST, 8, 8, 1)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


TRAINING = "train-images-idx3-ubyte.gz"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing file": (
        lambda made: (made / "t10k-labels-idx1-ubyte").unlink(),
        "has no file t10k-labels-idx1-ubyte, packed by gzip or not: install it with `apt-get install dataset-fashion",
    ),
    "a packed file cut short": (lambda made: cut(made / TRAINING, 5_000), "ends early, so it is not all there: get it"),
    "a plain file cut short": (lambda made: cut(made / "t10k-images-idx3-ubyte", 5_000), "t10k-images.* ends early"),
    "a head cut short": (lambda made: cut(made / "t10k-images-idx3-ubyte", 9), "t10k-images-idx3-ubyte ends early"),
    "an empty file": (lambda made: cut(made / "t10k-images-idx3-ubyte", 0), "t10k-images-idx3-ubyte ends early"),
    "a size that no file of its size has": (
        lambda made: (made / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x0801, 2**32 - 1)),
        "t10k-labels-idx1-ubyte ends early",
    ),
    "no gzip": (lambda made: (made / TRAINING).write_bytes(b"<html>not found</html>"), "is damaged .*: get it anew"),
    "damage in the middle": (
        lambda made: (made / TRAINING).write_bytes((made / TRAINING).read_bytes()[:2_000] + bytes(4_000)),
        "is damaged|ends early",
    ),
    "a wrong magic number": (
        lambda made: write_idx(made / "train-labels-idx1-ubyte.gz", np.zeros(TRAIN), magic=0x0803),
        "begins with the number 2051, and a file of labels in IDX form with 2049",
    ),
    "fewer labels than images": (
        lambda made: write_idx(made / "train-labels-idx1-ubyte.gz", np.zeros(TRAIN - 1)),
        "holds 600 images and train-labels-idx1-ubyte.gz 599 labels",
    ),
    "more than it tells of": (
        lambda made: (made / "t10k-labels-idx1-ubyte").write_bytes(
            (made / "t10k-labels-idx1-ubyte").read_bytes() + b"1"
        ),
        "goes on after the 100 labels",
    ),
    "images of another size": (
        lambda made: write_idx(made / "t10k-images-idx3-ubyte", np.zeros((TEST, 9, 8))),
        "are 8 x 8 in train and 9 x 8 in t10k",
    ),
    "no images": (lambda made: write_idx(made / "t10k-images-idx3-ubyte", np.zeros((0, 8, 8))), "holds no images"),
    "a class that there is not": (
        lambda made: write_idx(made / "t10k-labels-idx1-ubyte", np.full(TEST, 10)),
        "has the label 10, and there are 10 classes from 0 on: give another data set by data=mnist",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_file_is_a_sentence_that_names_it(folder: Path, fault: str) -> None:
    spoil, sentence = FAULTS[fault]
    spoil(folder)
    with pytest.raises(DataError, match=sentence) as told:
        read_idx(folder, "fashion_mnist")
    assert "\n" not in str(told.value) and str(folder.name) in str(told.value)


def test_a_folder_that_is_not_there_is_told_with_what_to_install(tmp_path: Path) -> None:
    install = "install it with `apt-get install dataset-fashion-mnist`, or"
    (tmp_path / "file").touch()
    for name, state in (("gone", "is not there"), ("file", "is a file where a folder is due")):
        with pytest.raises(DataError, match=f"{state}: {install} set data.path=DIR"):
            read_idx(tmp_path / name, "fashion_mnist")
    settings = {"data": {"kind": "builtin", "name": "fashion_mnist", "path": str(tmp_path / "gone")}}
    with pytest.raises(DataError, match=f"gone is not there: {install} give the folder"):
        require_data(settings, tmp_path)
    with pytest.raises(DataError, match=r"gone is not there: set data\.path=DIR to a folder with the four files"):
        read_idx(tmp_path / "gone", "mnist")


@pytest.mark.skipif(not PACKAGE.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_package_is_taken_whole(workspace: Path) -> None:
    from recipe.dataset.ingestion import ingest

    settings = parse_settings(compose(ROOT, ["data=fashion_mnist"]))
    made = ingest(workspace, settings)
    assert made.splits == {"train": 50_000, "validation": 10_000, "test": 10_000}
    dataset = load_dataset(workspace, settings)
    assert dataset.inputs.shape == (70_000, 1, 28, 28)
    assert dataset.manifest["label"].value_counts().to_dict() == dict.fromkeys(CLOTHES, 7_000)
    assert dataset.manifest["label"].iloc[[0, 60_000]].tolist() == [
        "Ankle boot",
        "Ankle boot",
    ]  # as its README draws it
