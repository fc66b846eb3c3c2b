import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipe.browsing import page
from recipe.browsing.columns import LONGEST_CELL, MOST_COLUMNS
from recipe.browsing.page import FOLDER, write_browser
from recipe.browsing.surveyed import Surveyed
from tests.browsing.made import digits_with_faults, surveyed
from tests.faults.data import arrays, breast_cancer, digits, image_folder, ingested, table


def content(workspace: Path) -> dict[str, Any]:
    text = (workspace / FOLDER / "data.js").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.removeprefix("window.browsed=").removesuffix(";\n"))
    return found


def column(found: dict[str, Any], name: str) -> list[Any]:
    [one] = [one for one in found["columns"] if one["name"] == name]
    return [one["words"][code] if code >= 0 else None for code in one["codes"]] if "words" in one else one["values"]


def test_the_page_knows_what_was_found_on_each_example(tmp_path: Path) -> None:
    made = digits_with_faults(tmp_path)

    browsed = write_browser(made)

    assert browsed.page == tmp_path / FOLDER / "index.html" and browsed.page.is_file()
    found = content(tmp_path)
    assert column(found, "id") == list(made.dataset.manifest["id"])
    assert column(found, "found by")[3] == "data/label_noise"
    assert column(found, "found by")[598] == "data/duplicates"
    assert max(column(found, "suspicion")) == column(found, "suspicion")[3] == 0.99
    assert [one["practice"] for one in found["todo"]] == ["data/label_noise", "data/duplicates"]
    [noise] = [one for one in found["listed"] if one["practice"] == "data/label_noise"]
    assert noise["lines"][0] == [3, -1, made.dataset.manifest["label"][3], "0"]


def test_the_grid_component_comes_with_its_licence(tmp_path: Path) -> None:
    write_browser(digits_with_faults(tmp_path))

    assert "MIT" in (tmp_path / FOLDER / "tabulator-6.5.3.LICENSE.txt").read_text()


def test_equal_data_make_equal_pages(tmp_path: Path) -> None:
    made = {}
    for name in ("one", "two"):
        write_browser(digits_with_faults(tmp_path / name))
        made[name] = {path.name: path.read_bytes() for path in (tmp_path / name / FOLDER).iterdir()}

    assert made["one"] == made["two"]


def test_what_stood_there_before_is_gone(tmp_path: Path) -> None:
    write_browser(digits_with_faults(tmp_path, count=600))
    write_browser(digits_with_faults(tmp_path, count=500))

    assert len(list((tmp_path / FOLDER).glob("thumbnails-*"))) == 2
    assert content(tmp_path)["count"] == 500


def test_no_text_of_the_data_can_end_the_script_that_holds_it(tmp_path: Path) -> None:
    images, labels = digits()
    hostile = "</script><script>alert(1)</script>\u2028'\"\\"
    dataset = arrays(images[:20], [hostile, *labels[1:20]])

    write_browser(surveyed(tmp_path, dataset))

    text = (tmp_path / FOLDER / "data.js").read_text(encoding="utf-8")
    assert "<" not in text and text.isascii()
    assert column(content(tmp_path), "label")[0] == hostile


def test_too_many_examples_leave_the_suspicious_ones_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_EXAMPLES", 100)

    browsed = write_browser(digits_with_faults(tmp_path))

    assert browsed.shown == 100
    assert "100 of 600 examples" in browsed.notes[0]
    found = content(tmp_path)
    assert column(found, "found by").count("data/label_noise") == 5
    assert len(set(column(found, "id"))) == 100
    assert all(line[0] >= -1 for one in found["listed"] for line in one["lines"])


def test_a_table_is_shown_cell_by_cell(tmp_path: Path) -> None:
    frame = breast_cancer().copy()
    frame.loc[0, "mean radius"] = np.nan
    frame["note"] = ["x" * 1000, *["=1+1"] * (len(frame) - 1)]
    write_browser(Surveyed(table(tmp_path, frame)))

    found = content(tmp_path)

    assert found["thumbnails"] is None
    assert column(found, "mean radius")[:3] == [None, *frame["mean radius"][1:3]]
    assert len(column(found, "note")[0]) == LONGEST_CELL
    assert column(found, "note")[1] == "=1+1"
    assert "diagnosis" not in [one["name"] for one in found["columns"]]  # it is the label


def test_a_table_of_many_columns_shows_the_first_and_says_so(tmp_path: Path) -> None:
    frame = breast_cancer()
    wide = pd.concat([frame.iloc[:, :30].add_suffix(f" {copy}") for copy in range(4)] + [frame["diagnosis"]], axis=1)

    browsed = write_browser(Surveyed(table(tmp_path, wide)))

    assert browsed.notes[0].startswith(f"{120 - MOST_COLUMNS} more columns")


def test_files_in_the_workspace_are_linked_and_no_others(tmp_path: Path) -> None:
    image_folder(tmp_path / "images", count=60)
    dataset = ingested(tmp_path, "data=image_folder", f"data.path={tmp_path / 'images'}")
    data = dataset.settings.data
    inside = dataset.settings.model_copy(update={"data": data.model_copy(update={"path": "images"})})

    write_browser(Surveyed(dataset))
    assert content(tmp_path)["originals"] is None
    write_browser(Surveyed(replace(dataset, settings=inside)))

    originals = content(tmp_path)["originals"]
    assert (tmp_path / FOLDER / originals / column(content(tmp_path), "path")[0]).resolve().is_file()
