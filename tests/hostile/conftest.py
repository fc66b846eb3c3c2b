"""The pages of hostile cells, and the same pages of harmless ones, made once."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile.cells import CELLS, file_names, harmless
from tests.hostile.pages import make_pages


@dataclass(frozen=True)
class Made:
    """The folder that all was made in, and its pages by what a person calls them."""

    folder: Path
    pages: dict[str, Path]


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("hostile")
    return Made(folder, make_pages(folder / "made", CELLS, file_names()))


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("plain")
    return Made(folder, make_pages(folder / "made", harmless(len(CELLS)), harmless(len(file_names()))))
