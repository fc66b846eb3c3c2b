"""Bad deliveries of every kind: none crashes the watcher, none loses a row, none gets in."""

import gzip
import html
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from recipe.deliveries.incoming import INCOMING
from recipe.deliveries.notices import ENDS
from recipe.deliveries.record import Outcome, outcomes
from recipe.versioning.provenance import tracked_version
from tests.deliveries.conftest import (
    HELD,
    HELD_ROWS,
    images_in,
    incoming,
    moved,
    ready,
    rows_of_table,
    shuffled_digits,
    take_all,
    write_images,
)
from tests.faults.data import breast_cancer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("examined_here")]

Maker = Callable[[Path], None]


@dataclass(frozen=True)
class Bad:
    """How a bad delivery is made, what becomes of it, and words of the reason."""

    make: Maker
    kind: str
    why: str


# Images


def half_copied(path: Path) -> None:
    for file in sorted(write_images(path, range(HELD, HELD + 20)).rglob("*.png")):
        file.write_bytes(file.read_bytes()[:30])


def empty_folder(path: Path) -> None:
    path.mkdir()


def archive(path: Path) -> None:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("0/image.png", bytes(10**7))


def picture_bombs(path: Path) -> None:
    """PNG headers that promise 60,000 x 60,000 pixels."""
    (path / "0").mkdir(parents=True)
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    for number in range(5):
        (path / "0" / f"{number}.png").write_bytes(data)


def links_out(path: Path) -> None:
    (path / "0").mkdir(parents=True)
    for number in range(5):
        (path / "0" / f"{number}.png").symlink_to("/etc/passwd")


def link_itself(path: Path) -> None:
    path.symlink_to("/etc")


def pipe(path: Path) -> None:
    (path / "0").mkdir(parents=True)
    os.mkfifo(path / "0" / "image.png")


def unknown_classes(path: Path) -> None:
    write_images(path, range(HELD, HELD + 30), ["cat"] * 30)


def all_known(path: Path) -> None:
    write_images(path, range(30))


def relabelled(path: Path) -> None:
    write_images(path, range(60), (shuffled_digits()[1][:60] + 1) % 10)


def shuffled_labels(path: Path) -> None:
    labels = np.random.default_rng(1).permutation(shuffled_digits()[1][HELD : HELD + 200])
    write_images(path, range(HELD, HELD + 200), labels)


def one_class_only(path: Path) -> None:
    rows = [row for row in range(HELD, 1797) if shuffled_digits()[1][row] == 3]
    write_images(path, rows)


def noise(path: Path) -> None:
    rng = np.random.default_rng(0)
    for file in write_images(path, range(HELD, HELD + 60)).rglob("*.png"):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(file)


def a_table(path: Path) -> None:
    breast_cancer().head(20).to_csv(path.with_suffix(".csv"), index=False)


def labels_that_lead_out(path: Path) -> None:
    path.mkdir()
    pd.DataFrame({"path": ["../../photos/0/digit-0.png", "/etc/passwd"], "label": ["1", "1"]}).to_csv(
        path / "labels.csv", index=False
    )


IMAGES = {
    "half-copied": Bad(half_copied, "rejected", "None of the 20 images"),
    "empty-folder": Bad(empty_folder, "rejected", "no folder of images per class"),
    "archive": Bad(archive, "rejected", "is a file where a folder is due"),
    "picture-bombs": Bad(picture_bombs, "rejected", "pixels"),
    "links-out": Bad(links_out, "rejected", "no file that can be read"),
    "link-itself": Bad(link_itself, "rejected", "is a link"),
    "pipe": Bad(pipe, "rejected", "no file that can be read"),
    "unknown-classes": Bad(unknown_classes, "rejected", "the data set has no class 'cat'"),
    "all-known": Bad(all_known, "nothing new", "All 30 usable examples are in the data set already"),
    "relabelled": Bad(relabelled, "rejected", "contradict the label"),
    "shuffled-labels": Bad(shuffled_labels, "rejected", "may be wrong"),
    "one-class-only": Bad(one_class_only, "drifted", "label: '3' makes up 100.0 %"),
    "noise": Bad(noise, "rejected", "hold nothing"),
    "a-table": Bad(a_table, "rejected", "is a file where a folder is due"),
    "labels-that-lead-out": Bad(labels_that_lead_out, "rejected", "leads outside"),
}


# Tables


def fresh() -> pd.DataFrame:
    return rows_of_table(HELD_ROWS, 569)


def wrong_columns(path: Path) -> None:
    fresh().rename(columns={"mean radius": "radius (mean)"}).to_csv(path, index=False)


def text_for_numbers(path: Path) -> None:
    fresh().assign(**{"mean texture": "smooth"}).to_csv(path, index=False)


def another_unit(path: Path) -> None:
    given = fresh()
    given.assign(**{"mean radius": given["mean radius"] * 10}).to_csv(path, index=False)


def mixed_encodings(path: Path) -> None:
    lines = fresh().to_csv(index=False).encode().splitlines()
    broken = [line + (b"\xe9\xff" if number % 3 else "é".encode()) for number, line in enumerate(lines) if number]
    path.write_bytes(b"\n".join([lines[0], *broken]) + b"\n")


def cut_off(path: Path) -> None:
    path.write_bytes(fresh().to_csv(index=False).encode()[:100])


def no_rows(path: Path) -> None:
    fresh().head(0).to_csv(path, index=False)


def zero_bytes(path: Path) -> None:
    path.touch()


def binary(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def unknown_labels(path: Path) -> None:
    fresh().assign(diagnosis="maybe").to_csv(path, index=False)


def no_labels(path: Path) -> None:
    fresh().assign(diagnosis="").to_csv(path, index=False)


def labels_shuffled(path: Path) -> None:
    given = fresh()
    given.assign(diagnosis=np.random.default_rng(0).permutation(given["diagnosis"])).to_csv(path, index=False)


def unclosed_quote(path: Path) -> None:
    lines = fresh().to_csv(index=False).splitlines()
    path.write_text("\n".join([lines[0], '"' + lines[1], *(lines[2:] * 3)]))


def parquet_bomb(path: Path) -> None:
    """A few kilobytes that unpack to 240 MB of rows, more than the data set's workspace allows."""
    column = pyarrow.chunked_array([pyarrow.nulls(10**6, pyarrow.int8())] * 3)
    buffer = io.BytesIO()
    table = pyarrow.table({f"c{number}": column for number in range(10)})
    pyarrow.parquet.write_table(table, buffer, compression="zstd")
    path.write_bytes(buffer.getvalue())


def broken_parquet(path: Path) -> None:
    path.write_bytes(b"PAR1" + bytes(100))


def packed(path: Path) -> None:
    """A few kilobytes that unpack to as much as their sender likes."""
    path.write_bytes(gzip.compress(fresh().to_csv(index=False).encode()))


TABLES = {
    "wrong-columns.csv": Bad(wrong_columns, "rejected", "lacks 'mean radius' (did you mean 'radius (mean)'?)"),
    "text-for-numbers.csv": Bad(text_for_numbers, "rejected", "The column 'mean texture'"),
    "another-unit.csv": Bad(another_unit, "drifted", "mean radius"),
    "mixed-encodings.csv": Bad(mixed_encodings, "rejected", "No row of mixed-encodings.csv can be used"),
    "cut-off.csv": Bad(cut_off, "rejected", "has a header but no rows"),
    "no-rows.csv": Bad(no_rows, "rejected", "no rows"),
    "zero-bytes.csv": Bad(zero_bytes, "rejected", "is empty"),
    "binary.csv": Bad(binary, "rejected", "is a binary file"),
    "unknown-labels.csv": Bad(unknown_labels, "rejected", "the data set has no class 'maybe'"),
    "no-labels.csv": Bad(no_labels, "rejected", "the label is missing"),
    "labels-shuffled.csv": Bad(labels_shuffled, "rejected", "may be wrong"),
    "unclosed-quote.csv": Bad(unclosed_quote, "rejected", "never closed"),
    "parquet-bomb.parquet": Bad(parquet_bomb, "rejected", "watch.max_mb"),
    "packed.csv": Bad(packed, "rejected", "is packed"),
    "broken.parquet": Bad(broken_parquet, "rejected", "not a Parquet file"),
}


def deliver(workspace: Path, bad: dict[str, Bad]) -> dict[str, Outcome]:
    """Every bad delivery dropped at once; what became of each, by the name that it was made under."""
    for name, one in bad.items():
        one.make(incoming(workspace, name))
    for path in (workspace / INCOMING).iterdir():
        if not path.is_symlink():
            ready(path)
        else:
            path.with_name(f"{path.name}_READY").touch()
    return {Path(outcome.name).stem: outcome for outcome in take_all(workspace)}


@pytest.fixture(scope="module")
def of_images(
    first_photos: Path, tmp_path_factory: pytest.TempPathFactory, examined_here: None
) -> tuple[Path, dict[str, Outcome], int, str | None]:
    photos = moved(first_photos, tmp_path_factory.mktemp("photos") / "workspace")
    before = images_in(photos), tracked_version(photos / "data" / "photos")
    return photos, deliver(photos, IMAGES), *before


@pytest.fixture(scope="module")
def of_tables(
    first_patients: Path, tmp_path_factory: pytest.TempPathFactory, examined_here: None
) -> tuple[Path, dict[str, Outcome], bytes, str | None]:
    patients = moved(first_patients, tmp_path_factory.mktemp("patients") / "workspace")
    path = patients / "data" / "patients.csv"
    before = path.read_bytes(), tracked_version(path)
    return patients, deliver(patients, TABLES), *before


@pytest.mark.parametrize("name", IMAGES)
def test_a_bad_delivery_of_images_is_set_aside_with_the_reason(
    name: str, of_images: tuple[Path, dict[str, Outcome], int, str | None]
) -> None:
    workspace, found, _, _ = of_images
    holds(workspace, found[name], IMAGES[name])


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_set_aside_with_the_reason(
    name: str, of_tables: tuple[Path, dict[str, Outcome], bytes, str | None]
) -> None:
    workspace, found, _, _ = of_tables
    holds(workspace, found[Path(name).stem], TABLES[name])


def holds(workspace: Path, outcome: Outcome, bad: Bad) -> None:
    """It is what it should be, and nothing of it is lost: the whole lies in quarantine, with a letter to the sender.

    The page names it; the letter holds nothing that only who keeps the data set can do.
    """
    assert outcome.kind == bad.kind
    assert bad.why in outcome.why
    assert outcome.new == 0
    page = (workspace / outcome.report).read_text()
    assert f"<h1>{html.escape(outcome.name)} {ENDS[outcome.kind]}.</h1>" in page and "Ingest" not in page
    if outcome.kind != "nothing new":
        kept = workspace / outcome.quarantine
        assert os.path.lexists(kept / outcome.name)
        told = (kept / "tell-the-sender.txt").read_text()
        assert outcome.why in told
        assert "recipe receive" not in told and "the sender" not in told


def test_nothing_of_them_gets_into_the_images(of_images: tuple[Path, dict[str, Outcome], int, str | None]) -> None:
    workspace, _, count, version = of_images
    assert images_in(workspace) == count
    assert tracked_version(workspace / "data" / "photos") == version
    assert not any((workspace / INCOMING).iterdir())


def test_each_is_in_the_record_once_and_a_second_look_finds_nothing(
    of_images: tuple[Path, dict[str, Outcome], int, str | None],
) -> None:
    workspace, found, _, _ = of_images
    written = outcomes(workspace)
    assert [outcome.kind for outcome in written].count("first version") == 1
    assert sorted(outcome.id for outcome in written[1:]) == sorted(outcome.id for outcome in found.values())
    assert take_all(workspace) == []


def test_a_shift_is_drawn_on_the_page_beside_what_was_expected(
    of_tables: tuple[Path, dict[str, Outcome], bytes, str | None],
) -> None:
    workspace, found, _, _ = of_tables
    report = (workspace / found["another-unit"].report).parent
    assert (report / "data" / "figures" / "data.drift.columns.png").is_file()
    assert 'alt="What has shifted. Share against mean radius' in (report / "index.html").read_text()


def test_nothing_of_them_gets_into_the_table(of_tables: tuple[Path, dict[str, Outcome], bytes, str | None]) -> None:
    workspace, _, content, version = of_tables
    path = workspace / "data" / "patients.csv"
    assert path.read_bytes() == content
    assert tracked_version(path) == version
    assert not any((workspace / INCOMING).iterdir())
