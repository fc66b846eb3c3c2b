from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe.browsing.sprites import ACROSS, PER_SHEET, smaller, write_sheets
from tests.faults.data import digits


def tile(folder: Path, name: str, place: int, side: int) -> np.ndarray:
    sheet = np.asarray(Image.open(folder / name))
    top, left = side * (place // ACROSS), side * (place % ACROSS)
    return sheet[top : top + side, left : left + side]


def test_each_grey_picture_lies_in_its_place_to_the_last_bit(tmp_path: Path) -> None:
    images = digits()[0][:450]

    sheets = write_sheets([images[:PER_SHEET], images[PER_SHEET:]], tmp_path)

    assert (sheets.width, sheets.height) == (8, 8)
    assert len(sheets.names) == 2
    for place in (0, 19, 20, 399):
        assert np.array_equal(tile(tmp_path, sheets.names[0], place, 8), images[place])
    assert np.array_equal(tile(tmp_path, sheets.names[1], 49, 8), images[449])


def test_colours_stay_near_what_they_are(tmp_path: Path) -> None:
    greys = digits()[0][:30]
    colours = np.kron(np.stack([greys, 255 - greys, greys // 2], axis=-1), np.ones((1, 2, 2, 1), np.uint8))

    sheets = write_sheets([colours], tmp_path)

    assert sheets.names[0].endswith(".jpg")
    assert np.abs(tile(tmp_path, sheets.names[0], 7, 16).astype(int) - colours[7]).mean() < 8


@pytest.mark.parametrize(("height", "width", "expected"), [(28, 28, (28, 28)), (224, 100, (56, 25)), (65, 1, (32, 1))])
def test_large_pictures_become_the_means_of_blocks(height: int, width: int, expected: tuple[int, int]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, height, width), dtype=np.uint8)

    small = smaller(pictures)

    assert small.shape[1:] == expected
    block = -(-max(height, width) // 64)
    assert small[0, 0, 0] == round(float(pictures[0, :block, :block].mean()))
