"""Files, folders and links moved, on one disk and to another."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe.deliveries.moving import copy, link, move

MEMORY = Path("/dev/shm")  # a disk of its own on Linux


@pytest.fixture(params=["the same disk", "another disk"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "the same disk":
        yield tmp_path
        return
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk only")
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


def made(folder: Path) -> dict[str, Path]:
    """A file, a folder with a link in it, and a link to a folder."""
    (folder / "photos" / "0").mkdir(parents=True)
    (folder / "photos" / "0" / "link").symlink_to("../../rows.csv")
    (folder / "rows.csv").write_text("a,b")
    (folder / "linked").symlink_to(folder / "photos")
    return {name: folder / name for name in ("rows.csv", "linked", "photos")}


def test_what_is_moved_is_whole_at_its_place_and_gone_where_it_was(tmp_path: Path, elsewhere: Path) -> None:
    for name, source in made(tmp_path / "source").items():
        move(source, elsewhere / f"moved {name}")
        assert not source.is_symlink() and not source.exists()
    assert (elsewhere / "moved rows.csv").read_text() == "a,b"
    assert (elsewhere / "moved linked").is_symlink()
    assert (elsewhere / "moved photos" / "0" / "link").readlink() == Path("../../rows.csv")
    assert {path.name for path in elsewhere.iterdir()} >= {"moved rows.csv", "moved linked", "moved photos"}
    assert not list(elsewhere.glob(".*.part"))


def test_a_file_takes_the_place_of_an_older_one(tmp_path: Path, elsewhere: Path) -> None:
    (elsewhere / "rows.csv").write_text("old")
    move(made(tmp_path / "source")["rows.csv"], elsewhere / "rows.csv")
    assert (elsewhere / "rows.csv").read_text() == "a,b"


def test_what_a_killed_copy_has_left_beside_is_no_part_of_the_next(tmp_path: Path, elsewhere: Path) -> None:
    source, beside = made(tmp_path / "source")["photos"], elsewhere / "copying"
    beside.mkdir()
    (beside / "half.png").touch()
    copy(source, elsewhere / "photos", beside)
    assert [path.name for path in (elsewhere / "photos").iterdir()] == ["0"] and source.is_dir()
    assert not beside.exists()


def test_a_second_name_holds_the_same(tmp_path: Path, elsewhere: Path) -> None:
    link(made(tmp_path / "source")["rows.csv"], elsewhere / "folder" / "rows.csv")
    assert (elsewhere / "folder" / "rows.csv").read_text() == "a,b"
