"""Good deliveries, and those that are good in part: what is new gets in once, the rest is set aside with the reason."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from recipe.dataset.ingestion import ingest
from recipe.deliveries.incoming import arrivals
from recipe.deliveries.receive import receive
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from tests.deliveries.conftest import (
    HELD,
    HELD_ROWS,
    images_in,
    incoming,
    ready,
    rows_of_table,
    shuffled_digits,
    take_all,
    write_images,
)
from tests.workspaces import make_workspace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("examined_here")]


def test_what_is_known_already_is_not_taken_twice(own_photos: Path) -> None:
    ready(write_images(incoming(own_photos, "overlap"), range(HELD - 50, HELD + 50)))
    [outcome] = take_all(own_photos)
    assert (outcome.kind, outcome.new, outcome.known, outcome.aside) == ("accepted", 50, 50, 0)
    assert images_in(own_photos) == HELD + 50


def test_of_a_partly_bad_delivery_the_good_images_get_in_and_the_bad_ones_are_named(own_photos: Path) -> None:
    delivery = write_images(incoming(own_photos, "mixed"), range(HELD, HELD + 100))
    broken = sorted(delivery.rglob("*.png"))[:5]
    for path in broken:
        path.write_bytes(path.read_bytes()[:40])
    (delivery / "ten").mkdir()
    moved = sorted((delivery / "9").glob("*.png"))[0]
    moved.rename(delivery / "ten" / moved.name)
    ready(delivery)
    [outcome] = take_all(own_photos)
    assert (outcome.kind, outcome.new, outcome.aside) == ("partly accepted", 94, 6)
    kept = own_photos / outcome.quarantine
    reasons = pd.read_csv(kept / "reasons.csv")
    assert set(reasons["path"]) == {path.relative_to(delivery).as_posix() for path in broken} | {f"ten/{moved.name}"}
    assert "the data set has no class 'ten'" in " ".join(reasons["reason"])
    assert (kept / "mixed" / "ten" / moved.name).is_file()
    told = (kept / "tell-the-sender.txt").read_text()
    assert "94 examples are new; 6 cannot be used.\n" in told


def test_images_listed_in_a_csv_get_in_with_what_it_says_of_them(tmp_path: Path, own_photos: Path) -> None:
    _, labels = shuffled_digits()
    delivery = write_images(tmp_path / "flat", range(HELD, HELD + 60), ["x"] * 60) / "x"
    names = sorted(path.name for path in delivery.glob("*.png"))
    rows = [int(name.removeprefix("digit-").removesuffix(".png")) for name in names]
    listed = pd.DataFrame({"path": names, "label": labels[rows]})
    listed.to_csv(delivery / "labels.csv", index=False)
    shutil.copytree(delivery, incoming(own_photos, "listed"))
    ready(incoming(own_photos, "listed"))
    [outcome] = take_all(own_photos)
    assert (outcome.kind, outcome.new) == ("accepted", 60)
    assert images_in(own_photos) == HELD + 60


def test_a_sender_does_not_say_which_split_a_row_is_for(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    path = workspace / "data" / "patients.csv"
    path.parent.mkdir()
    split = np.resize(["train", "train", "train", "validation", "test"], HELD_ROWS)
    rows_of_table(0, HELD_ROWS).assign(split=split).to_csv(path, index=False)
    compose_params(workspace, ["data=table", f"data.path={path}", "data.label=diagnosis", "budget=quick"])
    moved = rows_of_table(HELD_ROWS, HELD_ROWS + 60).assign(split="holdout")
    moved.to_csv(incoming(workspace, "june.csv"), index=False)
    rows_of_table(HELD_ROWS + 60, HELD_ROWS + 120).to_csv(incoming(workspace, "july.csv"), index=False)
    for name in ("june.csv", "july.csv"):
        ready(incoming(workspace, name))
    taken = take_all(workspace)[1:]
    assert [(outcome.kind, outcome.new) for outcome in taken] == [("accepted", 60)] * 2
    held = pd.read_csv(path)
    assert held["split"][:HELD_ROWS].tolist() == split.tolist()
    assert held["split"][HELD_ROWS:].isna().all()
    assert sum(ingest(workspace, load_settings(workspace)).splits.values()) == HELD_ROWS + 120


def test_one_bad_row_of_many_is_set_aside_alone(own_patients: Path) -> None:
    given = pd.concat([rows_of_table(HELD_ROWS, 569)] * 10, ignore_index=True).astype({"mean radius": object})
    noise = np.random.default_rng(0).normal(0, 1e-3, len(given))
    given["mean texture"] = given["mean texture"] * (1 + noise)
    given.loc[77, "mean radius"] = "about twelve"
    given.to_csv(incoming(own_patients, "many.csv"), index=False)
    ready(incoming(own_patients, "many.csv"))
    [outcome] = take_all(own_patients)
    assert outcome.new + outcome.known + outcome.aside == len(given)
    reasons = pd.read_csv(own_patients / outcome.quarantine / "reasons.csv")
    assert "'about twelve' in column 'mean radius' is no number" in reasons.set_index("path")["reason"]["row:77"]


def test_a_delivery_waits_until_it_is_quiet_or_said_to_be_whole(own_photos: Path) -> None:
    write_images(incoming(own_photos, "growing"), range(HELD, HELD + 10))
    incoming(own_photos, "upload.csv.part").write_text("a,b\n")
    incoming(own_photos, "begun").mkdir()
    incoming(own_photos, "july_READY").touch()
    assert take_all(own_photos) == []
    assert incoming(own_photos, "growing").is_dir()
    ready(incoming(own_photos, "growing"))
    seen = {one.path.name: bool(one.waits) for one in arrivals(own_photos, quiet_seconds=60)}
    assert seen == {"growing": False, "upload.csv.part": True, "begun": True, "july_READY": True}
    told = {one.path.name: one.waits for one in arrivals(own_photos, quiet_seconds=0)}
    assert (told["begun"], told["july_READY"]) == ("it is empty", "there is no july beside it")


def test_a_real_change_is_set_aside_until_a_person_takes_it_in_and_the_record_says_despite_what(
    own_photos: Path, tmp_path: Path
) -> None:
    inverted = write_images(tmp_path / "inverted", range(HELD, HELD + 60))
    for path in inverted.rglob("*.png"):
        ImageOps.invert(Image.open(path)).save(path)
    [refused] = receive(own_photos, load_settings(own_photos), [inverted])
    assert refused.kind == "drifted" and "brightness" in refused.why
    [taken] = receive(own_photos, load_settings(own_photos), [inverted], despite_drift=True)
    assert (taken.kind, taken.new) == ("accepted", 60)
    assert taken.why == "60 examples are new, taken despite data/label_noise, data/drift, data/expectations."


def test_labels_in_doubt_are_told_and_are_no_test_examples(own_photos: Path) -> None:
    rows = np.arange(HELD, HELD + 200)
    labels = shuffled_digits()[1][rows]
    wrong = np.where(np.arange(200) < 20, (labels + 1 + np.arange(200) % 9) % 10, labels)
    ready(write_images(incoming(own_photos, "careless"), rows, wrong))
    [outcome] = take_all(own_photos)
    assert outcome.kind == "accepted" and outcome.new == 200
    assert "in doubt" in outcome.why and "nothing speaks against" not in outcome.why
    listed = pd.read_csv(own_photos / Path(outcome.report).parent / "tables" / "data.label_noise.csv")
    doubted = set(listed["path"][listed["flagged"]].str.rpartition("/")[2])
    careless = {f"digit-{row}.png" for row in rows[:20]}
    assert len(doubted & careless) >= 15 and len(doubted - careless) <= 4
    settings = load_settings(own_photos)
    ingest(own_photos, settings)
    manifest = pd.read_parquet(own_photos / "data" / "prepared" / "manifest.parquet")
    named = manifest["path"].str.contains("|".join(name.removesuffix(".png") + "[^0-9]" for name in doubted))
    assert named.sum() == len(doubted) and set(manifest["split"][named]) == {"train"}
    assert (manifest["split"] == "test").sum() > 150
