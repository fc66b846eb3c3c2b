"""Deliveries examined in a process of their own, as a person's are; the other modules here spare it."""

from pathlib import Path

import pytest

from recipe.dataset.table_files import read_table
from recipe.versioning.provenance import tracked_version
from tests.deliveries.conftest import HELD, HELD_ROWS, images_in, incoming, ready, rows_of_table, take_all, write_images

pytestmark = pytest.mark.slow


def test_new_images_get_in_and_make_a_new_version(own_photos: Path) -> None:
    before = tracked_version(own_photos / "data" / "photos")
    ready(write_images(incoming(own_photos, "june"), range(HELD, HELD + 100)))
    [outcome] = take_all(own_photos)
    assert (outcome.kind, outcome.new, outcome.known, outcome.aside) == ("accepted", 100, 0, 0)
    assert images_in(own_photos) == HELD + 100
    assert outcome.version == tracked_version(own_photos / "data" / "photos") != before
    assert outcome.out and outcome.out["nfiles"] == HELD + 100
    assert (own_photos / outcome.report).is_file()
    assert not incoming(own_photos, "june").exists()


def test_new_rows_are_written_behind_the_table_in_its_own_columns(own_patients: Path) -> None:
    path = own_patients / "data" / "patients.csv"
    before = path.read_bytes()
    given = rows_of_table(HELD_ROWS - 50, HELD_ROWS + 50)
    given[given.columns[::-1]].assign(nurse="M.").to_csv(incoming(own_patients, "week-2.csv"), index=False, sep=";")
    ready(incoming(own_patients, "week-2.csv"))
    [outcome] = take_all(own_patients)
    assert (outcome.kind, outcome.new, outcome.known) == ("accepted", 50, 50)
    assert "The data set has no column &#39;nurse&#39;: left out." in (own_patients / outcome.report).read_text()
    assert path.read_bytes().startswith(before)
    grown = read_table(path).frame
    assert len(grown) == HELD_ROWS + 50
    assert grown["mean radius"].astype(float).tail(50).tolist() == given["mean radius"].tail(50).tolist()
