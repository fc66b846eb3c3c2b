"""Files made to run code, to lead elsewhere or to break what reads them: refused with a reason, and nothing happens."""

import csv
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from recipe.dataset.image_listing import list_images
from recipe.dataset.table_files import read_table
from recipe.errors import RecipeError
from recipe.inference.predict import ModelError, load_folder
from recipe.inspection.suites import read_suites
from recipe.report.findings import read
from recipe.settings import load_settings
from recipe.settings.yaml12 import read_yaml
from tests import exported
from tests.faults.data import composed, digits


class Evil:
    """Unpickled, it makes the folder `harm`."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, ("harm",)


@pytest.fixture
def harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "harm"


# Images and their list


def linked_to_itself(root: Path) -> None:
    (root / "loop.png").symlink_to("loop.png")
    (root / "ring").symlink_to("ring")


def linked_outside(root: Path) -> None:
    Image.fromarray(digits()[0][9]).save(root.parent / "secret.png")
    (root / "link.png").symlink_to(root.parent / "secret.png")
    (root / "way").symlink_to(root.parent)
    (root / "zero.png").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.png", "leads outside"),
        ("x/../../secret.png", "leads outside"),
        ("..\\secret.png", "leads outside"),
        ("/etc/hostname", "leads outside"),
        ("link.png", "leads outside"),
        ("way/secret.png", "leads outside"),
        ("zero.png", "leads outside"),
        ("loop.png", "link that leads to itself"),
        ("ring/x.png", "link that leads to itself"),
        ("pipe.png", "no such file"),
        ("a" * 300 + ".png", "no such file"),
        ("a/" * 3000 + "x.png", "no such file"),
        ("~/x.png", "no such file"),
        ("-rf.png", "no such file"),
    ],
    ids=lambda text: text[:20],
)
def test_a_path_in_a_list_of_labels_that_leads_elsewhere_costs_that_row_alone(
    tmp_path: Path, name: str, reason: str
) -> None:
    root = tmp_path / "pictures"
    root.mkdir()
    for place in range(6):
        Image.fromarray(digits()[0][place]).save(root / f"{place}.png")
    linked_to_itself(root)
    linked_outside(root)
    os.mkfifo(root / "pipe.png")
    with open(root / "labels.csv", "w", newline="", encoding="utf-8") as file:
        rows = [(f"{place}.png", "ab"[place % 2]) for place in range(6)]
        csv.writer(file).writerows([("path", "label"), *rows, (name, "a")])

    listing = list_images(root, composed("data=image_folder", "data.path=.").data)

    assert len(listing.files) == 6
    (refused,) = listing.rejected
    assert reason in refused.reason


# Tables


def test_a_parquet_file_with_pickles_in_what_it_tells_of_itself_is_read_as_plain_columns(harm: Path) -> None:
    evil = pickle.dumps(Evil())
    told = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": evil}
    column = pa.field("x", pa.int64(), metadata=told)
    pandas = json.dumps({"index_columns": [], "columns": [], "attributes": {"a": "<script>"}}).encode()
    schema = pa.schema([column, pa.field("y", pa.int64())], metadata={b"pandas": pandas, b"pickle": evil})
    pq.write_table(pa.table({"x": [1, 2, 3], "y": [0, 1, 0]}, schema=schema), harm.parent / "rows.parquet")

    frame = read_table(harm.parent / "rows.parquet").frame

    assert frame["x"].astype(int).tolist() == [1, 2, 3]
    assert not harm.exists()


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_pickle_that_is_called_a_table_is_refused(harm: Path, name: str) -> None:
    path = harm.parent / name
    path.write_bytes(pickle.dumps(Evil()))

    with pytest.raises(RecipeError):
        read_table(path)

    assert not harm.exists()


# What is written by us, and could be written by others


def test_settings_that_name_python_objects_are_no_yaml(harm: Path) -> None:
    text = "!!python/object/apply:os.mkdir [harm]"
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)
    (harm.parent / "params.yaml").write_text(text)
    with pytest.raises(RecipeError):
        load_settings(harm.parent)
    assert not harm.exists()


@pytest.mark.parametrize(
    "text", ["1" * 5000, "[" * 100_000, '{"expectations": ' + "1" * 5000 + "}", "NaN", '"\\ud800"', ""]
)
def test_json_that_is_too_much_or_nothing_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "suite.json").write_text(text)
    (tmp_path / "findings.json").write_text(text)
    readers: tuple[Callable[[], object], ...] = (
        lambda: read_suites(tmp_path / "suite.json"),
        lambda: read(tmp_path),
    )
    for reader in readers:
        with pytest.raises(RecipeError) as refused:
            reader()
        assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "final"
    exported.export_digits(folder, members=1)
    return folder


@pytest.mark.parametrize(
    "content",
    [
        *([], 1, {}, {"kind": "images", "task": "classification", "classes": ["a"]}),
        {**exported.DIGITS, "classes": 3},
        {**exported.DIGITS, "pixels": {"mean": [0], "std": [1], "channels": 1, "height": 10**9, "width": 10**9}},
    ],
    ids=str,
)
def test_a_preparation_that_is_none_is_one_sentence(model: Path, tmp_path: Path, content: object) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "program.pt2").symlink_to(model / "artifacts" / "program.pt2")
    (tmp_path / "artifacts" / "preparation.json").write_text(json.dumps(content))

    with pytest.raises(ModelError, match="cannot be read") as refused:
        load_folder(tmp_path)

    assert "\n" not in str(refused.value)
