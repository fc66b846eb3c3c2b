"""Data that are split by time grow: what is delivered says when it was, and the newest becomes the test."""

from pathlib import Path

import pandas as pd
import pytest

from recipe.dataset.ingestion import ingest
from recipe.deliveries.record import Outcome
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from tests.deliveries.conftest import incoming, ready, rows_of_table, shuffled_digits, take_all, write_images
from tests.workspaces import make_workspace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("examined_here")]

HELD, DELIVERED = 400, 100


def seen(start: int, stop: int) -> pd.DataFrame:
    """Patients seen day after day."""
    days = pd.date_range("2024-01-01", periods=stop, freq="D")[start:]
    return rows_of_table(start, stop).assign(seen=days)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace whose CSV writes days first, and is split by them."""
    workspace = make_workspace(tmp_path / "workspace")
    path = workspace / "data" / "patients.csv"
    path.parent.mkdir()
    rows = seen(0, HELD)
    rows.assign(seen=rows["seen"].dt.strftime("%d/%m/%Y")).to_csv(path, index=False)
    settings = ["data=table", f"data.path={path}", "data.label=diagnosis", "data.split.by=time", "budget=quick"]
    compose_params(workspace, settings)
    take_all(workspace)
    return workspace


def take(workspace: Path, rows: pd.DataFrame) -> Outcome:
    delivery = incoming(workspace, "june.parquet")
    rows.to_parquet(delivery)
    ready(delivery)
    [outcome] = take_all(workspace)
    return outcome


def test_delivered_rows_are_written_as_the_others_and_are_the_test_and_those_without_a_time_are_set_aside(
    workspace: Path,
) -> None:
    rows = seen(HELD, HELD + DELIVERED)
    rows.loc[3, "seen"] = pd.NaT
    outcome = take(workspace, rows)
    assert (outcome.kind, outcome.new, outcome.aside) == ("partly accepted", DELIVERED - 1, 1)
    reasons = pd.read_csv(workspace / outcome.quarantine / "reasons.csv")
    assert reasons["reason"].tolist() == ["column 'seen' is empty, and the split goes by it"]
    held = pd.read_csv(workspace / "data" / "patients.csv")
    assert held["seen"].iloc[[0, HELD, -1]].tolist() == ["01/01/2024", "04/02/2025", "14/05/2025"]
    ingest(workspace, load_settings(workspace))
    manifest = pd.read_parquet(workspace / "data" / "prepared" / "manifest.parquet")
    assert manifest.groupby("split")["time"].max().loc[["train", "validation", "test"]].is_monotonic_increasing
    assert manifest["time"][manifest["split"] == "test"].min() == pd.Timestamp("2025-03-01")


def listed_images(folder: Path, start: int, stop: int) -> Path:
    """Digits with a list that says what and when each is, days first."""
    write_images(folder, range(start, stop), ["all"] * (stop - start))
    days = pd.date_range("2024-01-01", periods=stop, freq="D")[start:].strftime("%d.%m.%Y")
    names = [f"all/digit-{row}.png" for row in range(start, stop)]
    labels = shuffled_digits()[1][start:stop]
    pd.DataFrame({"path": names, "label": labels, "taken": days}).to_csv(folder / "labels.csv", index=False)
    return folder


def test_images_say_in_their_list_when_they_were_taken_written_as_the_others(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    photos = listed_images(workspace / "data" / "photos", 0, 600)
    compose_params(workspace, ["data=image_folder", f"data.path={photos}", "data.split.by=time", "budget=quick"])
    take_all(workspace)
    good = listed_images(incoming(workspace, "july"), 600, 700)
    told = pd.read_csv(good / "labels.csv")
    told.loc[7, "taken"] = "2025-08-30"
    told.to_csv(good / "labels.csv", index=False)
    ready(good)
    [outcome] = take_all(workspace)
    assert (outcome.kind, outcome.new, outcome.aside) == ("partly accepted", 99, 1), outcome.why
    reasons = pd.read_csv(workspace / outcome.quarantine / "reasons.csv")
    assert reasons["reason"].tolist() == ["'2025-08-30' in column 'taken' is no date as %d.%m.%Y"]
    ingest(workspace, load_settings(workspace))
    manifest = pd.read_parquet(workspace / "data" / "prepared" / "manifest.parquet")
    assert (manifest["split"][manifest["path"].str.startswith("deliveries/")] == "test").mean() == 1
    ready(write_images(incoming(workspace, "august"), range(700, 760)))
    [outcome] = take_all(workspace)
    assert outcome.kind == "rejected"
    assert outcome.why == "august has no labels.csv with the column 'taken', by which the data are split: send it."


def test_a_delivery_that_does_not_say_when_is_refused(workspace: Path) -> None:
    outcome = take(workspace, seen(HELD, HELD + DELIVERED).drop(columns="seen"))
    assert outcome.kind == "rejected" and "lacks 'seen'" in outcome.why
