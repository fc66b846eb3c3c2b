import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe.dataset.kind import kind_named
from recipe.dataset.preparation import prepare_image
from recipe.dataset.stored import Dataset
from recipe.errors import DataError
from tests.dataset.conftest import Prepare


def quarantined(dataset: Dataset) -> dict[str, tuple[str, str]]:
    table = dataset.quarantine
    return {path: (kind, reason) for path, kind, reason in zip(table.path, table.kind, table.reason, strict=True)}


def test_a_folder_a_class_becomes_arrays_of_the_very_pixels(prepare: Prepare, digit_folder: Path) -> None:
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.inputs.shape == (60, 1, 8, 8)
    assert isinstance(dataset.inputs, np.memmap)
    assert dataset.preparation["classes"] == ["0", "1"]
    for row, path in enumerate(dataset.manifest["path"]):
        np.testing.assert_array_equal(dataset.inputs[row, 0], np.asarray(Image.open(digit_folder / path)))
        np.testing.assert_array_equal(dataset.inputs[row], prepare_image(digit_folder / path, dataset.preparation))
        assert dataset.targets[row] == int(path[0])


def test_pixel_statistics_come_from_the_training_split_alone(prepare: Prepare, digit_folder: Path) -> None:
    dataset = prepare(kind="image_folder", path=digit_folder)
    pixels = np.asarray(dataset.inputs[dataset.where("train")]) / 255
    assert dataset.preparation["pixels"]["mean"] == pytest.approx([pixels.mean()])
    assert dataset.preparation["pixels"]["std"] == pytest.approx([pixels.std()])


def test_a_truncated_png_is_quarantined_with_its_reason(prepare: Prepare, digit_folder: Path) -> None:
    victim = digit_folder / "0" / "00.png"
    victim.write_bytes(victim.read_bytes()[:-40])
    dataset = prepare(kind="image_folder", path=digit_folder)
    kind, reason = quarantined(dataset)["0/00.png"]
    assert kind == "unreadable"
    assert "truncated" in reason
    assert len(dataset.inputs) == len(dataset.manifest) == len(dataset.targets) == 59


def test_empty_and_wrong_files_are_quarantined_and_never_changed(prepare: Prepare, digit_folder: Path) -> None:
    (digit_folder / "0" / "empty.png").write_bytes(b"")
    (digit_folder / "1" / "notes.txt").write_text("no image")
    (digit_folder / "stray.png").write_bytes((digit_folder / "0" / "00.png").read_bytes())
    (digit_folder / ".DS_Store").write_bytes(b"x")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in digit_folder.rglob("*") if path.is_file()}
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert quarantined(dataset) == {
        "0/empty.png": ("unreadable", "the file is empty"),
        "1/notes.txt": ("unreadable", "it is not an image"),
        "stray.png": ("label", "it lies in no class folder"),
    }
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}


def test_a_link_that_leads_outside_is_not_followed(prepare: Prepare, digit_folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes((digit_folder / "0" / "00.png").read_bytes())
    (digit_folder / "0" / "link.png").symlink_to(secret)
    (digit_folder / "1" / "folder").symlink_to(tmp_path)
    (digit_folder / "1" / "alias.png").symlink_to(digit_folder / "1" / "00.png")
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert {path for path, (kind, _) in quarantined(dataset).items() if kind == "outside"} == {
        "0/link.png",
        "1/folder",
    }
    assert "1/alias.png" in set(dataset.manifest["path"])


def test_a_decompression_bomb_is_refused(prepare: Prepare, digit_folder: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(digit_folder / "0" / "bomb.png")
    Image.new("1", (10_000, 9_000)).save(digit_folder / "0" / "small_bomb.png")
    found = quarantined(prepare(kind="image_folder", path=digit_folder))
    assert "allowed" in found["0/bomb.png"][1]
    assert "allowed" in found["0/small_bomb.png"][1]


def test_several_sizes_take_the_most_common_one(prepare: Prepare, digit_folder: Path) -> None:
    Image.open(digit_folder / "0" / "00.png").resize((20, 30)).save(digit_folder / "0" / "00.png")
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.inputs.shape[2:] == (8, 8)
    first = dataset.manifest.set_index("path").loc["0/00.png"]
    assert (first["width"], first["height"]) == (20, 30)


def test_large_images_shrink_to_64_on_the_longer_side_unless_told_otherwise(
    prepare: Prepare, digit_folder: Path
) -> None:
    for path in digit_folder.rglob("*.png"):
        Image.open(path).resize((256, 128)).save(path)
    assert prepare(kind="image_folder", path=digit_folder).inputs.shape[1:] == (1, 32, 64)
    sized = prepare(kind="image_folder", path=digit_folder, image={"size": (16, 24), "channels": 3})
    assert sized.inputs.shape[1:] == (3, 16, 24)


def test_grey_pixels_saved_as_rgb_stay_one_channel(prepare: Prepare, digit_folder: Path) -> None:
    grey = prepare(kind="image_folder", path=digit_folder)
    for path in digit_folder.rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    rgb = prepare(kind="image_folder", path=digit_folder)
    assert rgb.inputs.shape == (60, 1, 8, 8)
    np.testing.assert_array_equal(rgb.inputs, grey.inputs)
    np.testing.assert_array_equal(rgb.inputs[0], prepare_image(digit_folder / "0" / "00.png", rgb.preparation))
    assert set(rgb.manifest["mode"]) == {"RGB"}


def test_one_image_with_colour_makes_three_channels(prepare: Prepare, digit_folder: Path) -> None:
    Image.new("RGB", (8, 8), (200, 10, 10)).save(digit_folder / "0" / "red.png")
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.inputs.shape == (61, 3, 8, 8)
    assert len(dataset.preparation["pixels"]["mean"]) == 3


def test_equal_pixels_have_one_content_id_whatever_file_they_came_in(prepare: Prepare, digit_folder: Path) -> None:
    original = Image.open(digit_folder / "0" / "00.png")
    original.convert("RGB").save(digit_folder / "0" / "copy.bmp")
    manifest = prepare(kind="image_folder", path=digit_folder).manifest.set_index("path")
    first, copy = manifest.loc["0/00.png"], manifest.loc["0/copy.bmp"]
    assert first["content_id"] == copy["content_id"]
    assert first["bytes_id"] != copy["bytes_id"]
    assert first["id"] != copy["id"]
    assert first["split"] == copy["split"]


def test_an_image_that_exif_turns_is_stored_upright(prepare: Prepare, digit_folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in sorted(digit_folder.rglob("*.png")):
        sideways = Image.open(path).resize((16, 8))
        sideways.save(path.with_suffix(".jpg"), exif=exif, quality=95)
        path.unlink()
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.inputs.shape[1:] == (1, 16, 8)
    assert set(dataset.manifest["width"]) == {8}
    raw = np.asarray(Image.open(digit_folder / dataset.manifest["path"][0]))
    np.testing.assert_array_equal(dataset.inputs[0, 0], np.rot90(raw, k=-1))


def test_what_is_transparent_lies_on_white() -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (10, 20, 30, 255))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    prepared = prepare_image(buffer.getvalue(), {"pixels": {"height": 1, "width": 2, "channels": 3}})
    assert prepared[:, 0].tolist() == [[255, 10], [255, 20], [255, 30]]


def test_sixteen_bits_are_scaled_to_eight() -> None:
    picture = Image.fromarray(np.array([[0, 256, 65_535]], dtype=np.uint16))
    prepared = prepare_image(picture, {"pixels": {"height": 1, "width": 3, "channels": 1}})
    assert prepared.tolist() == [[[0, 1, 255]]]


def move_into(folder: Path, split: str, places: range) -> None:
    """The images of these places, of both classes, into a folder of their split."""
    for label in ("0", "1"):
        (folder / split / label).mkdir(parents=True)
        for place in places:
            (folder / label / f"{place:02}.png").rename(folder / split / label / f"{place:02}.png")


def test_train_and_test_folders_are_the_users_split(prepare: Prepare, digit_folder: Path) -> None:
    for split, places in {"Train": range(20), "val": range(20, 25), "test": range(25, 30)}.items():
        move_into(digit_folder, split, places)
    for label in ("0", "1"):
        (digit_folder / label).rmdir()
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.split_given
    assert dataset.preparation["classes"] == ["0", "1"]
    assert [len(dataset.where(name)) for name in ("train", "validation", "test")] == [40, 10, 10]


def with_a_third_class(folder: Path, below: str = "") -> None:
    """The images of ones once more as twos, with a link that leads nowhere among them."""
    for path in sorted((folder / below / "1").glob("*.png")):
        (folder / below / "2").mkdir(exist_ok=True)
        (folder / below / "2" / path.name).write_bytes(path.read_bytes())
    (folder / below / "2" / "dead.png").symlink_to("gone.png")


def test_a_class_folder_to_ignore_is_left_out_and_told(prepare: Prepare, digit_folder: Path) -> None:
    with_a_third_class(digit_folder)
    dataset = prepare(kind="image_folder", path=digit_folder, ignore=("2",))
    assert dataset.preparation["classes"] == ["0", "1"]
    assert (len(dataset.manifest), len(dataset.quarantine)) == (60, 0)
    assert "2 classes; left out, as data.ignore says: 2 (31 files);" in dataset.taken


def test_a_class_folder_to_ignore_is_left_out_of_each_split(prepare: Prepare, digit_folder: Path) -> None:
    for split, places in {"train": range(20), "validation": range(20, 25), "test": range(25, 30)}.items():
        move_into(digit_folder, split, places)
        with_a_third_class(digit_folder, split)
    dataset = prepare(kind="image_folder", path=digit_folder, ignore=("2",))
    assert dataset.preparation["classes"] == ["0", "1"]
    assert [len(dataset.where(name)) for name in ("train", "validation", "test")] == [40, 10, 10]
    assert "left out, as data.ignore says: 2 (33 files)" in dataset.taken


def test_a_delivery_with_a_class_that_the_data_set_leaves_out_has_it_refused_and_not_passed_over(
    prepare: Prepare, digit_folder: Path, tmp_path: Path
) -> None:
    with_a_third_class(digit_folder)
    delivery = tmp_path / "june"
    for label in ("0", "2"):
        (delivery / label).mkdir(parents=True)
        (delivery / label / "new.png").write_bytes((digit_folder / label / "00.png").read_bytes())
    dataset = prepare(kind="image_folder", path=digit_folder, ignore=("2",))
    delivered = kind_named("image_folder").read_beside(delivery, dataset, True, tmp_path / "inputs.npy").dataset
    assert delivered.manifest["path"].tolist() == ["0/new.png"]
    assert quarantined(delivered) == {"2/new.png": ("label", "the data set has no class '2'")}


@pytest.mark.parametrize(
    ("ignore", "words"),
    [
        (("animation",), "has no class folder 'animation' for data.ignore (did you mean 'animations'?); it has 0, 1, "),
        (("0", "1", "animations"), "data.ignore leaves out every class folder"),
    ],
)
def test_a_class_folder_to_ignore_that_is_not_there_is_one_clear_sentence(
    prepare: Prepare, digit_folder: Path, ignore: tuple[str, ...], words: str
) -> None:
    (digit_folder / "animations").mkdir()
    (digit_folder / "animations" / "one.png").write_bytes((digit_folder / "1" / "00.png").read_bytes())
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        prepare(kind="image_folder", path=digit_folder, ignore=ignore)
    assert "\n" not in str(caught.value)


def test_labels_csv_brings_labels_groups_and_columns_of_its_own(prepare: Prepare, digit_folder: Path) -> None:
    lines = ["path;label;group;camera;width"]
    for label in ("0", "1"):
        lines += [f"{label}/{n:02}.png;{'zero' if label == '0' else 'one'};g{n // 2};cam{n % 2};7" for n in range(30)]
    lines += ["gone.png;zero;g0;cam0;7", "../secret.png;one;g0;cam0;7", "0/01.png;;g0;cam0;7"]
    (digit_folder / "labels.csv").write_text("\n".join(lines))
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.preparation["classes"] == ["one", "zero"]
    assert dataset.user_columns == ("camera", "user width")
    assert set(dataset.manifest["camera"]) == {"cam0", "cam1"}
    assert (dataset.manifest["width"] == 8).all()
    assert (dataset.manifest["user width"] == 7).all()
    assert dataset.manifest.groupby("group")["split"].nunique().max() == 1
    kinds = {path: kind for path, (kind, _) in quarantined(dataset).items()}
    assert kinds == {"gone.png": "missing", "../secret.png": "outside", "0/01.png": "label"}


def test_a_number_as_label_makes_a_regression(prepare: Prepare, digit_folder: Path) -> None:
    names = [path.relative_to(digit_folder).as_posix() for path in sorted(digit_folder.rglob("*.png"))]
    lines = ["path,label", *(f"{name},{number / 7:.3f}" for number, name in enumerate(names))]
    (digit_folder / "labels.csv").write_text("\n".join(lines))
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.preparation["task"] == "regression"
    training = dataset.targets[dataset.where("train"), 0]
    assert training.mean() == pytest.approx(0, abs=1e-6)
    assert training.std() == pytest.approx(1, abs=1e-6)


def test_ids_stay_when_files_are_added_and_removed(prepare: Prepare, digit_folder: Path) -> None:
    before = prepare(kind="image_folder", path=digit_folder).manifest.set_index("path")["id"]
    (digit_folder / "0" / "00.png").unlink()
    Image.new("L", (8, 8), 9).save(digit_folder / "0" / "000.png")
    after = prepare(kind="image_folder", path=digit_folder).manifest.set_index("path")["id"]
    shared = before.index.intersection(after.index)
    assert len(shared) == 59
    assert before[shared].equals(after[shared])


def test_a_class_too_small_for_its_splits_is_noted(prepare: Prepare, digit_folder: Path) -> None:
    (digit_folder / "rare").mkdir()
    Image.new("L", (8, 8), 9).save(digit_folder / "rare" / "only.png")
    (digit_folder / "none").mkdir()
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert any("'rare' has 1 example and none in validation and test" in note for note in dataset.notes)
    assert any("none is empty" in note for note in dataset.notes)


def test_a_name_that_is_no_utf8_is_shown_with_escapes(prepare: Prepare, digit_folder: Path) -> None:
    odd = os.fsencode(digit_folder / "0") + b"/\xff.png"
    Path(os.fsdecode(odd)).write_bytes((digit_folder / "0" / "00.png").read_bytes())
    assert "0/\\xff.png" in set(prepare(kind="image_folder", path=digit_folder).manifest["path"])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: root.rename(root.with_name("elsewhere")), "does not exist"),
        (lambda root: [path.unlink() for path in root.rglob("*.png")], "no folder of images per class"),
        (lambda root: [path.write_bytes(b"x") for path in root.rglob("*.png")], "None of the 60 images"),
        (lambda root: [path.unlink() for path in (root / "1").iterdir()], "have the label '0'"),
        (lambda root: (root / "labels.csv").write_text("file,label\na.png,1\n"), "no column 'path' for the image file"),
        (lambda root: (root / "labels.csv").write_text("path,lable\na.png,1\n"), "did you mean 'lable'?"),
        (lambda root: (root / "labels.csv").write_text("path,label\na.png,1\nb.png,2\n"), "names no image"),
        (lambda root: (root / "labels.csv").write_text("path,label\n0/00.png,\n0/01.png,\n"), "Every label"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_clear_sentence(
    prepare: Prepare, digit_folder: Path, damage: object, words: str
) -> None:
    assert callable(damage)
    damage(digit_folder)
    with pytest.raises(DataError, match=words.replace("?", r"\?")) as caught:
        prepare(kind="image_folder", path=digit_folder)
    assert "\n" not in str(caught.value)


def test_a_file_where_a_folder_is_due_is_one_clear_sentence(prepare: Prepare, digit_folder: Path) -> None:
    with pytest.raises(DataError, match="is a file where a folder of images is due"):
        prepare(kind="image_folder", path=digit_folder / "0" / "00.png")


def test_an_annotation_beside_its_image_is_no_example_and_a_lone_note_is_none_that_can_be_read(
    prepare: Prepare, digit_folder: Path
) -> None:
    for image in sorted((digit_folder / "0").glob("*.png")):
        image.with_suffix(".json").write_text("{}")
    (digit_folder / "1" / "notes.txt").write_text("by hand")
    dataset = prepare(kind="image_folder", path=digit_folder)
    assert dataset.quarantine["path"].tolist() == ["1/notes.txt"]
    assert [note for note in dataset.notes if note.startswith("30 files in ")]
