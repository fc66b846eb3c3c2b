"""Deliveries of odd kinds: named, linked, typed or cut off in ways that no sender means, and that happen."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes

from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import load_dataset
from recipe.deliveries.appending import Growth, put_in_place, stage_growth
from recipe.deliveries.examination import examine
from recipe.deliveries.incoming import (
    CLAIMED,
    DECIDED,
    GIVEN,
    INCOMING,
    QUARANTINE,
    READY,
    claim,
    claimed,
    forget,
)
from recipe.deliveries.reading import read_delivery
from recipe.deliveries.receive import receive
from recipe.deliveries.record import outcomes
from recipe.deliveries.recovery import finish_deliveries
from recipe.errors import DataError, WorkspaceError
from recipe.runtime.workspace import RUN_LOCK, locked
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from tests.deliveries.conftest import (
    HELD,
    HELD_ROWS,
    images_in,
    incoming,
    ready,
    rows_of_table,
    take_all,
    write_images,
)
from tests.workspaces import make_workspace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("examined_here")]


def test_linked_long_and_foreign_names_get_in_with_what_they_name(own_photos: Path) -> None:
    foreign = os.fsdecode(b"M\xfcnchen")  # as a disk that was written elsewhere has it
    linked = write_images(incoming(own_photos, foreign), range(HELD, HELD + 60))
    for path in sorted(linked.rglob("*.png"))[:20]:
        path.rename(path.with_name(f"{'long-' * 46}{path.name}"))
    for path in sorted(linked.rglob("digit-*.png"))[:20]:
        kept = linked / "kept" / path.name  # in a folder of no class
        kept.parent.mkdir(exist_ok=True)
        path.rename(kept)
        path.symlink_to(Path("..", "kept", path.name))
    ready(linked)
    [outcome] = take_all(own_photos)
    assert (outcome.name, outcome.new, outcome.aside) == ("M\\xfcnchen", 60, 20)
    assert images_in(own_photos) == HELD + 60
    assert not [path for path in (own_photos / "data" / "photos").rglob("*") if path.is_symlink()]


def test_images_that_a_labels_csv_does_not_name_are_set_aside_and_not_deleted(own_photos: Path) -> None:
    delivery = write_images(incoming(own_photos, "half-listed"), range(HELD, HELD + 40))
    names = sorted(path.relative_to(delivery).as_posix() for path in delivery.rglob("*.png"))
    listed = pd.DataFrame({"path": [f"./{name}" for name in names[:30]], "label": [name[0] for name in names[:30]]})
    listed.loc[0, "label"] = "twelve"
    listed.to_csv(delivery / "labels.csv", index=False)
    ready(delivery)
    [outcome] = take_all(own_photos)
    assert (outcome.kind, outcome.new, outcome.aside) == ("partly accepted", 29, 11)
    kept = own_photos / outcome.quarantine
    assert sum(1 for path in kept.rglob("*.png")) == 11
    reasons = pd.read_csv(kept / "reasons.csv", dtype="str").set_index("path")
    assert reasons.loc[f"./{names[0]}", "label"] == "twelve"
    assert reasons.loc[names[-1], "reason"] == "labels.csv does not name it"


def test_a_parquet_file_is_examined_as_the_csv_that_it_joins_would_hold_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    path = workspace / "data" / "visits.csv"
    path.parent.mkdir()
    rows = visits(0, 300)
    written = rows.assign(
        when=rows["when"].dt.strftime("%d.%m.%Y"), price=rows["price"].map("{:.2f}".format).str.replace(".", ",")
    )
    written.to_csv(path, index=False, sep=";")
    compose_params(workspace, ["data=table", f"data.path={path}", "data.label=ill", "budget=quick"])
    typed = visits(300, 360).astype({"ill": "float64"})
    typed.to_parquet(incoming(workspace, "july.parquet"))
    ready(incoming(workspace, "july.parquet"))
    outcome = take_all(workspace)[1]
    assert (outcome.kind, outcome.new) == ("accepted", 60), outcome.why
    ingest(workspace, load_settings(workspace))
    grown = load_dataset(workspace, load_settings(workspace))
    assert grown.preparation["classes"] == ["0", "1"]
    assert {one["name"]: one["kind"] for one in grown.preparation["columns"]} == {
        "when": "date",
        "price": "number",
        "age": "number",
    }
    tail = pd.read_csv(path, sep=";", decimal=",")[300:]
    assert np.allclose(tail["price"], typed["price"])
    assert tail["when"].tolist() == typed["when"].dt.strftime("%d.%m.%Y").tolist()


def visits(start: int, stop: int) -> pd.DataFrame:
    """Breast cancer rows with a date, a price and a whole number, as a hospital's system might have them."""
    rows = rows_of_table(0, 569)[start:stop]
    days = pd.to_timedelta(np.random.default_rng(1).permutation(569)[start:stop], unit="D")
    return pd.DataFrame(
        {
            "when": (pd.Timestamp("2025-01-01") + days).to_numpy(),
            "price": (rows["mean area"] / 8).round(2).to_numpy(),
            "age": rows["mean perimeter"].astype(int).to_numpy(),
            "ill": (rows["diagnosis"] == "malignant").astype(int).to_numpy(),
        }
    )


def test_a_delivery_joins_the_data_set_that_it_was_examined_beside(own_patients: Path) -> None:
    settings = load_settings(own_patients)
    rows_of_table(HELD_ROWS, HELD_ROWS + 60).to_csv(incoming(own_patients, "june.csv"), index=False)
    ready(incoming(own_patients, "june.csv"))
    compose_params(own_patients, ["data=digits"])  # as a run beside it does
    [outcome] = receive(own_patients, settings)
    assert (outcome.kind, outcome.new) == ("accepted", 60)


def test_a_data_set_that_cannot_be_read_is_not_the_deliverys_fault(own_patients: Path) -> None:
    table = own_patients / "data" / "patients.csv"
    table.write_text(table.read_text().replace("diagnosis", "diagnose", 1))
    rows_of_table(HELD_ROWS, HELD_ROWS + 60).to_csv(incoming(own_patients, "june.csv"), index=False)
    ready(incoming(own_patients, "june.csv"))
    for _ in range(4):
        with pytest.raises(WorkspaceError, match=r"data set that the delivery is to join cannot be read: .*diagnosis"):
            take_all(own_patients)
    assert len(list(claimed(own_patients))) == 1
    table.write_text(table.read_text().replace("diagnose", "diagnosis", 1))
    [outcome] = take_all(own_patients)
    assert (outcome.kind, outcome.new) == ("accepted", 60)


def test_a_pipe_and_a_link_in_a_folder_are_refused_and_keep_nobody_waiting(own_patients: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    rows_of_table(HELD_ROWS, HELD_ROWS + 60).to_csv(secret, index=False)
    incoming(own_patients, "linked").mkdir()
    (incoming(own_patients, "linked") / "rows.csv").symlink_to(secret)
    os.mkfifo(incoming(own_patients, "pipe.csv"))
    for name in ("linked", "pipe.csv"):
        ready(incoming(own_patients, name))
    assert {outcome.name: outcome.kind for outcome in take_all(own_patients)} == {
        "linked": "rejected",
        "pipe.csv": "rejected",
    }


def test_what_is_no_delivery_is_left_where_it_is(own_patients: Path) -> None:
    settings, table = load_settings(own_patients), own_patients / "data" / "patients.csv"
    (own_patients / INCOMING).mkdir(exist_ok=True)
    aside = own_patients / QUARANTINE / "20261125T120000000000-july.csv"
    aside.mkdir(parents=True)
    for path in (table, table.parent, own_patients / INCOMING, own_patients / "nowhere.csv", aside, aside.parent):
        with pytest.raises(DataError):
            list(receive(own_patients, settings, [path]))
    assert table.is_file()


def test_the_marker_of_a_delivery_goes_with_it_and_that_of_somebodys_own_file_stays(tmp_path: Path) -> None:
    for folder in (tmp_path / INCOMING, tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
        (folder / "july.csv").write_text("a,b")
        ready(folder / "july.csv")
        claim(tmp_path, folder / "july.csv")
    assert not list((tmp_path / INCOMING).iterdir())
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {"july.csv", f"july.csv{READY}"}
    assert len(list(claimed(tmp_path))) == 2


def test_a_folder_whose_removal_is_cut_off_is_no_delivery_any_more(tmp_path: Path) -> None:
    first, second = (tmp_path / ".recipe" / CLAIMED / name for name in ("1", "2"))
    for folder in (first, second):
        (folder / GIVEN).mkdir(parents=True)
    first.rename(first.with_name("done-1"))
    assert list(claimed(tmp_path)) == [second]
    forget(second)
    assert not list((tmp_path / ".recipe" / CLAIMED).iterdir())


def test_a_decision_that_cannot_be_read_is_taken_anew(own_patients: Path) -> None:
    rows_of_table(HELD_ROWS, HELD_ROWS + 60).to_csv(incoming(own_patients, "june.csv"), index=False)
    folder = claim(own_patients, incoming(own_patients, "june.csv"))
    (folder / DECIDED).write_text(json.dumps({"outcome": {"of": "another version"}}))
    with locked(own_patients, name=RUN_LOCK):
        finish_deliveries(own_patients)
    [outcome] = take_all(own_patients)
    assert (outcome.name, outcome.new) == ("june.csv", 60)
    assert len([one for one in outcomes(own_patients) if one.name == "june.csv"]) == 1


def test_an_image_that_is_gone_before_it_is_in_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="gone before"):
        put_in_place(tmp_path / "claimed", Growth({"staged/0": "cat/1.png"}), tmp_path / "photos")


def test_into_train_and_test_folders_a_delivery_goes_for_training_whatever_lies_beside(
    own_photos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "photos"
    for split, rows in (("Train", range(200)), ("test", range(200, 300))):
        write_images(target / split, rows)
    shutil.rmtree(target / "Train" / "3")  # a class that only the test folder has
    (target / "__MACOSX").mkdir()
    (target / "empty").mkdir()
    delivery = write_images(tmp_path / "june", range(300, 340))
    names = sorted(path.relative_to(delivery).as_posix() for path in delivery.rglob("*.png"))
    fates = pd.DataFrame({"path": names, "label": [name[0] for name in names]})
    data = load_settings(own_photos).data.model_copy(update={"path": str(target)})
    growth = stage_growth(tmp_path / "claimed", delivery, fates, None, target, data)
    assert {place.split("/")[0] for place in growth.files.values()} == {"Train"}
    assert {place.split("/")[1] for place in growth.files.values()} == {name[0] for name in names}


def test_a_quantity_is_read_and_written_as_the_data_set_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    monkeypatch.chdir(workspace)
    rows = load_diabetes(as_frame=True).frame.rename(columns={"target": "progress"})
    rows["progress"] += np.linspace(0.0, 0.9, len(rows)).round(2)
    path = workspace / "data" / "patients.csv"
    path.parent.mkdir()
    rows[:300].to_csv(path, index=False, sep=";", decimal=",")
    compose_params(workspace, ["data=table", f"data.path={path}", "data.label=progress"])
    settings = load_settings(workspace)
    ingest(workspace, settings)
    reference = load_dataset(workspace, settings)
    rows[300:360].to_parquet(tmp_path / "typed.parquet")
    rows[300:360].assign(progress=rows["progress"].astype("str")).to_csv(
        tmp_path / "dotted.csv", index=False, sep=";", decimal=","
    )

    typed = read_delivery(tmp_path / "typed.parquet", reference, settings, tmp_path / "out")
    assert typed.cells is not None
    assert typed.cells["progress"].str.replace(",", ".").astype(float).tolist() == rows["progress"][300:360].tolist()
    standard = (rows["progress"][300:360] - reference.preparation["target"]["mean"][0]) / (
        reference.preparation["target"]["std"][0]
    )
    assert np.allclose(typed.dataset.targets[:, 0], standard, atol=1e-5)
    with pytest.raises(DataError, match=r"the label is no finite number such as 1\.234,5"):
        read_delivery(tmp_path / "dotted.csv", reference, settings, tmp_path / "out")


@pytest.mark.parametrize(("count", "torn"), [(1, 1), (8, 5), (40, 20)])
def test_images_cut_short_are_set_aside_however_few_are_delivered(
    own_photos: Path, tmp_path: Path, count: int, torn: int
) -> None:
    settings = load_settings(own_photos)
    ingest(own_photos, settings)
    reference = load_dataset(own_photos, settings)
    delivery = write_images(tmp_path / "june", range(HELD, HELD + count))
    cut = sorted(delivery.rglob("*.png"))[:torn]
    for path in cut:
        pixels = np.array(Image.open(path))
        pixels[4:] = 128
        Image.fromarray(pixels).save(path)
    fates = examine(read_delivery(delivery, reference, settings, tmp_path / "out")).fates
    assert fates["reason"].tolist().count("partly missing") == torn
