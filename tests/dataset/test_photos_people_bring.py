"""Folders of images as people have them: what is read as what, and what is left out is told."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe.dataset.blankness import blank_images
from recipe.errors import DataError
from tests.dataset.conftest import Prepare
from tests.dataset.entered import told


def write(folder: Path, images: Sequence[np.ndarray], start: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, start):
        Image.fromarray(image).save(folder / f"{number:03}.png")


@pytest.fixture
def split_folder(tmp_path: Path, digit_images: tuple[np.ndarray, np.ndarray]) -> Path:
    """Zeros and ones in folders train, val and test, each with a folder a class."""
    root = tmp_path / "photos"
    images, labels = digit_images
    for label in (0, 1):
        own = images[labels == label]
        for split, (start, end) in {"train": (0, 40), "val": (40, 50), "test": (50, 60)}.items():
            write(root / split / str(label), own[start:end], start)
    return root


@pytest.mark.parametrize("stray", ["train/notes.txt", "train/model.bin", "readme.md", "train/.DS_Store"])
def test_a_stray_file_leaves_the_splits_as_they_are(prepare: Prepare, split_folder: Path, stray: str) -> None:
    (split_folder / stray).write_bytes(b"not an image")
    dataset = prepare(kind="image_folder", path=split_folder)
    assert dataset.split_given
    assert dataset.preparation["classes"] == ["0", "1"]
    assert dataset.manifest["split"].value_counts().to_dict() == {"train": 80, "validation": 20, "test": 20}
    assert told(dataset, stray) or Path(stray).name.startswith(".")


def test_a_stray_image_among_class_folders_is_quarantined(prepare: Prepare, split_folder: Path) -> None:
    (split_folder / "train" / "0" / "000.png").rename(split_folder / "train" / "stray.png")
    dataset = prepare(kind="image_folder", path=split_folder)
    assert dataset.quarantine["path"].tolist() == ["train/stray.png"]
    assert dataset.preparation["classes"] == ["0", "1"]


def test_test_images_without_a_class_are_left_out_and_a_test_split_is_drawn(
    prepare: Prepare, split_folder: Path
) -> None:
    for path in sorted((split_folder / "test").rglob("*.png")):
        path.rename(split_folder / "test" / f"{path.parent.name}-{path.name}")
    dataset = prepare(kind="image_folder", path=split_folder)
    assert dataset.preparation["classes"] == ["0", "1"]
    assert told(dataset, "20 files", "test", "no label")
    assert (dataset.manifest["split"] == "test").sum() > 0
    assert not dataset.manifest["path"].str.startswith("test").any()
    assert len(dataset.quarantine) == 0


@pytest.mark.parametrize("name", ["unlabeled", "extra", "__pycache__"])
def test_a_folder_beside_the_splits_is_left_out_and_told(prepare: Prepare, split_folder: Path, name: str) -> None:
    write(split_folder / name, [np.zeros((8, 8), np.uint8)] * 9)
    dataset = prepare(kind="image_folder", path=split_folder)
    assert dataset.preparation["classes"] == ["0", "1"]
    assert told(dataset, name, "9 files", "left out")


def test_folders_called_train_and_bus_are_classes(prepare: Prepare, digit_folder: Path) -> None:
    (digit_folder / "0").rename(digit_folder / "train")
    (digit_folder / "1").rename(digit_folder / "bus")
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.preparation["classes"] == ["bus", "train"]
    assert not dataset.split_given


@pytest.mark.parametrize("setting", ["group_column", "split_column"])
def test_a_column_of_a_folder_that_has_none_is_refused(prepare: Prepare, digit_folder: Path, setting: str) -> None:
    with pytest.raises(DataError, match=rf"has no columns, and data.{setting} names one"):
        prepare(kind="image_folder", path=digit_folder, **{setting: "writer"})


def test_further_frames_transparency_and_depth_are_counted(prepare: Prepare, digit_folder: Path) -> None:
    paths = sorted((digit_folder / "0").glob("*.png"))
    for path in paths[:7]:
        first = Image.open(path).convert("P")
        first.save(path.with_suffix(".gif"), save_all=True, append_images=[Image.new("P", (8, 8), 3)])
        path.unlink()
    for path in paths[7:12]:
        image = Image.open(path).convert("RGBA")
        image.putalpha(100)
        image.save(path)
    for path in paths[12:15]:
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * 257).save(path)
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert told(dataset, "7 images of 60", "frames", "0/00.gif")
    assert told(dataset, "5 images of 60", "transparent", "0/07.png")
    assert told(dataset, "3 images of 60", "16 bits", "0/12.png")


def test_an_opaque_alpha_channel_is_nothing_to_tell(prepare: Prepare, digit_folder: Path) -> None:
    for path in sorted(digit_folder.rglob("*.png")):
        Image.open(path).convert("RGBA").save(path)
    assert prepare(kind="image_folder", path=digit_folder).notes == ()


def test_links_that_lead_nowhere_are_named_and_passed_over(
    prepare: Prepare, digit_folder: Path, tmp_path: Path
) -> None:
    (digit_folder / "0" / "dead.png").symlink_to(tmp_path / "gone.png")
    (digit_folder / "0" / "self.png").symlink_to(digit_folder / "0" / "self.png")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (digit_folder / "cats").symlink_to(elsewhere)
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert len(dataset.manifest) == 60
    assert set(dataset.quarantine["path"]) == {"0/dead.png", "0/self.png", "cats"}
    assert set(dataset.quarantine["kind"]) == {"outside"}


def test_of_a_link_in_quarantine_it_is_told_where_it_leads(
    prepare: Prepare, digit_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes((digit_folder / "0" / "00.png").read_bytes())
    (digit_folder / "0" / "outside.png").symlink_to(tmp_path / "secret.png")
    (digit_folder / "0" / "folder").symlink_to(digit_folder / "1")
    (digit_folder / "0" / "dead.png").symlink_to(digit_folder / "gone.png")
    (digit_folder / "0" / "self.png").symlink_to("self.png")
    os.mkfifo(digit_folder / "0" / "pipe.png")
    quarantine = prepare(kind="image_folder", path=digit_folder).quarantine
    assert dict(zip(quarantine["path"], quarantine["reason"], strict=True)) == {
        "0/outside.png": "it is a link that leads outside data.path",
        "0/folder": "it is a link to a folder",
        "0/dead.png": "it is a link that leads to nothing",
        "0/self.png": "it is a link that leads to itself",
        "0/pipe.png": "it is no file, but a pipe or a device",
    }


def test_images_that_are_links_to_others_are_counted(prepare: Prepare, digit_folder: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (digit_folder / "0" / name).symlink_to("00.png")
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert told(dataset, "3 of 63 files are links to others of the folder", "the first is 0/a.png")


def test_images_far_from_the_shape_of_the_others_are_counted_and_the_farthest_is_named(
    prepare: Prepare, digit_folder: Path
) -> None:
    for name, size in {"sheet.png": (96, 8), "wide.png": (16, 8), "nearly.png": (11, 8)}.items():
        Image.open(digit_folder / "0" / "00.png").resize(size).save(digit_folder / "0" / name)
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert told(dataset, "2 images are far from the shape", "8 wide and 8 high", "0/sheet.png, 96 wide and 8 high")


def test_images_of_one_shape_are_nothing_to_tell_whatever_their_size(prepare: Prepare, digit_folder: Path) -> None:
    for path in sorted(digit_folder.rglob("*.png"))[:9]:
        Image.open(path).resize((16, 16)).save(path)
    assert prepare(kind="image_folder", path=digit_folder).notes == ()


def test_files_are_found_in_either_form_of_unicode(prepare: Prepare, digit_folder: Path) -> None:
    rows = ["path,label"]
    for number, path in enumerate(sorted(digit_folder.rglob("*.png"))):
        name = unicodedata.normalize("NFD" if number % 2 else "NFC", f"größe{number}.png")
        path.rename(digit_folder / name)
        rows.append(f"{unicodedata.normalize('NFC', name)}, {path.parent.name} ")
    (digit_folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert len(dataset.manifest) == 60
    assert dataset.preparation["classes"] == ["0", "1"]


@pytest.fixture
def photos() -> np.ndarray:
    """Sixty smooth pictures, uint8 (N, 3, 32, 32), none of them with a part of one value."""
    draw = np.random.default_rng(0)
    coarse = draw.integers(60, 220, (60, 8, 8, 3), dtype=np.uint8)
    fine = [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC)) for image in coarse]
    return np.stack(fine).transpose(0, 3, 1, 2).copy()


def test_a_cut_image_is_told_from_a_frame_and_from_a_dark_border(photos: np.ndarray) -> None:
    photos[1, :, 20:] = 128  # cut
    photos[2, :, :9] = photos[2, :, -9:] = 0  # a frame
    fade = np.clip(np.arange(32) * 6 - 60, 0, 255)[:, None]  # a night sky: eleven rows of black, then ever less
    photos[3] = np.minimum(photos[3], fade)
    found = blank_images(photos, 0.01, 0.2, 0.25)
    assert found[["row", "reason"]].to_numpy().tolist() == [[1, "partly missing"]]


def test_plain_colours_are_blank_where_they_are_few_and_pictures_where_they_are_many(photos: np.ndarray) -> None:
    photos[0] = 100
    assert blank_images(photos, 0.01, 0.2, 0.25)["reason"].tolist() == ["constant"]
    photos[:12] = np.linspace(40, 200, 12).astype(np.uint8)[:, None, None, None]
    assert blank_images(photos, 0.01, 0.2, 0.25).empty
    photos[12:24] = 0
    assert blank_images(photos, 0.01, 0.2, 0.25)["reason"].tolist() == ["black"] * 12
