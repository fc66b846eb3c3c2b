import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recipe.dataset.preparation import (
    FORMATS,
    UnreadableImageError,
    as_dates,
    as_numbers,
    as_text,
    has_colour,
    prepare_image,
)

PIXELS = {"pixels": {"height": 4, "width": 4, "channels": 1}}


def test_the_module_stands_alone() -> None:
    """It is shipped inside exported models, where this project and most libraries are absent."""
    heavy = "torch", "sklearn", "pydantic", "recipe.settings"
    code = f"import sys, recipe.dataset.preparation; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        (" 3.5 ", "1234.5", 3.5),
        ("$3", "1234.5", 3),
        ("12 %", "1234.5", 12),
        ("1,234.5", "1,234.5", 1234.5),
        ("1.234,5", "1.234,5", 1234.5),
        ("1e400", "1234.5", np.nan),
        ("inf", "1234.5", np.nan),
        ("n/a", "1234.5", np.nan),
        ("three", "1234.5", np.nan),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, style: str, number: float) -> None:
    np.testing.assert_equal(as_numbers(pd.Series([text]), style), [number])


def test_a_number_whose_square_double_precision_does_not_hold_is_missing() -> None:
    np.testing.assert_equal(as_numbers(pd.Series([1e151, -1e151, 1e39]), "1234.5"), [np.nan, np.nan, 1e39])


def test_one_value_has_one_text_whatever_its_type() -> None:
    values: list[pd.Series] = [pd.Series([3.0]), pd.Series([3]), pd.Series([" 3 "]), pd.Series([3], dtype="Int64")]
    assert [as_text(series).tolist() for series in values] == [["3"]] * 4
    assert as_text(pd.Series([None, np.nan, "?", " "], dtype=object)).isna().all()


def test_dates_with_a_zone_become_utc() -> None:
    dates = as_dates(pd.Series(["2024-01-01T01:00:00+01:00", "2024-01-01", "soon"]), "ISO8601")
    assert dates.tolist()[:2] == [pd.Timestamp("2024-01-01")] * 2
    assert dates.isna().tolist() == [False, False, True]


def test_an_image_object_and_its_file_are_prepared_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("image") / "ramp.png"
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    image.save(path)
    prepared = prepare_image(path, PIXELS)
    assert prepared.shape == (1, 4, 4)
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(prepared, prepare_image(image, PIXELS))
    np.testing.assert_array_equal(prepared, prepare_image(path.read_bytes(), PIXELS))


@pytest.mark.parametrize(("data", "reason"), [(b"", "the file is empty"), (b"GIF89a", "truncated|not an image|read")])
def test_what_is_no_image_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        prepare_image(data, PIXELS)


@pytest.mark.parametrize("kind", ["EPS", "PCX", "TGA", "ICO", "PDF"])
def test_a_format_that_nobody_named_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """An EPS is a program for Ghostscript, which Pillow would start."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path / 'harm'}\n")
    (tmp_path / "gs").chmod(0o755)
    buffer = BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, format=kind)
    with pytest.raises(UnreadableImageError, match="it is not an image"):
        prepare_image(buffer.getvalue(), PIXELS)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_that_is_named_is_opened(kind: str) -> None:
    buffer = BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, format=kind)
    assert prepare_image(buffer.getvalue(), PIXELS).shape == (1, 4, 4)


def test_one_coloured_pixel_is_colour() -> None:
    pixels = np.zeros((20, 20, 3), dtype=np.uint8)
    assert not has_colour(pixels)
    pixels[3, 5, 1] = 1
    assert has_colour(pixels)
