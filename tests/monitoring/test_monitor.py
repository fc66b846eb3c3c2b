"""Batches from production: what is healthy is left alone, what has changed is named, and each is written down."""

import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from prefect.logging import disable_run_logger

from flows.monitor import monitor_production
from recipe.cli import BAD_INPUT, CLOSED, OPEN, run_command
from recipe.dataset.builtin import PICTURES
from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import Dataset, load_dataset
from recipe.evidence import Finding
from recipe.inference.export import export_model
from recipe.monitoring.history import JOURNAL, batches, read_entries
from recipe.monitoring.monitor import monitor
from recipe.monitoring.pending import newest_batch, note_failure
from recipe.settings import load_settings
from recipe.settings.composition import compose
from recipe.tracking.connection import connect, workspace_uri
from recipe.tracking.decisions import enter
from recipe.tracking.registry import register_model
from recipe.transforms import Standardize
from tests.exported import trained, write_diabetes, write_tumours
from tests.workspaces import ROOT

LONGEST = 450  # characters of a sentence, paths included
TEST_TAGS = {"test": "0.97", "test_low": "0.95", "test_high": "0.985"}


def prepared(workspace: Path, *overrides: str) -> Dataset:
    """A workspace with settings and prepared data, as `recipe run --until ingest` leaves it."""
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "dvc.yaml").write_text("stages: {}\n")
    (workspace / "params.yaml").write_text(json.dumps(compose(ROOT, overrides)))
    settings = load_settings(workspace)
    ingest(workspace, settings)
    return load_dataset(workspace, settings)


def export(workspace: Path, dataset: Dataset, net: torch.nn.Module) -> None:
    """`net`, trained for a moment on the training split, as the workspace's final model."""
    rows = dataset.where("train")
    inputs, targets = (torch.from_numpy(np.array(part[rows])) for part in (dataset.inputs, dataset.targets))
    transform = None
    loss = torch.nn.functional.cross_entropy if targets.dim() == 1 else torch.nn.functional.mse_loss
    if dataset.preparation["kind"] == "images":
        inputs = inputs / 255
        transform = Standardize(dataset.preparation["pixels"]["mean"], dataset.preparation["pixels"]["std"])
    net = trained(net, transform(inputs) if transform else inputs, targets, loss)
    folder = workspace / "models" / "final"
    export_model(
        folder,
        [net],
        transform=transform,
        preparation=dict(dataset.preparation),
        temperature=1.0,
        example=inputs[:2],
    )


def small_net(dataset: Dataset) -> torch.nn.Module:
    torch.manual_seed(0)
    classes = dataset.preparation["classes"]
    size = int(np.prod(dataset.inputs.shape[1:]))
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(size, 32), torch.nn.ReLU(), torch.nn.Linear(32, len(classes or [0]))
    )


@pytest.fixture(scope="module")
def digits_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("monitored") / "digits"
    dataset = prepared(workspace, "data=digits")
    export(workspace, dataset, small_net(dataset))
    return workspace


@pytest.fixture(scope="module")
def tumours_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("monitored") / "tumours"
    workspace.mkdir()
    write_tumours(workspace / "tumours.csv")
    dataset = prepared(workspace, "data=table", f"data.path={workspace / 'tumours.csv'}", "data.label=diagnosis")
    export(workspace, dataset, small_net(dataset))
    return workspace


@pytest.fixture(scope="module")
def monday(digits_made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace in which a healthy batch of images was monitored by the command, and what that said."""
    workspace = Path(shutil.copytree(digits_made, tmp_path_factory.mktemp("monday") / "workspace"))
    batch = put(workspace / "production" / "monday", held_out(workspace, 150)[0])
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(io.StringIO()) as told:
        patched.chdir(workspace)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert run_command(["monitor", str(batch)]) == OPEN
    return workspace, told.getvalue()


@pytest.fixture
def digits(digits_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of its own with the digits and a model, in which the test stands."""
    return own_copy(digits_made, tmp_path, monkeypatch)


@pytest.fixture
def tumours(tumours_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_copy(tumours_made, tmp_path, monkeypatch)


def own_copy(made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    workspace = folder / "workspace"
    shutil.copytree(made, workspace)
    monkeypatch.chdir(workspace)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return workspace


def held_out(workspace: Path, count: int, start: int = 0) -> tuple[np.ndarray, list[str]]:
    """Images (N, H, W) and labels of the test split, of all writers."""
    dataset = load_dataset(workspace, load_settings(workspace))
    rows = np.random.default_rng(0).permutation(dataset.where("test"))[start : start + count]
    return np.array(dataset.inputs[rows])[:, 0], dataset.manifest["label"].iloc[rows].tolist()


def put(folder: Path, images: np.ndarray, labels: list[str] | None = None) -> Path:
    """`images` as PNG files, flat, or a folder a class."""
    for place, image in enumerate(images):
        path = (folder / labels[place] if labels else folder) / f"{place:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def rows_held_out(
    workspace: Path, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows
) -> Path:
    """The raw rows of the test split as a CSV."""
    dataset = load_dataset(workspace, load_settings(workspace))
    assert dataset.rows is not None
    change(dataset.rows.iloc[dataset.where("test")].reset_index(drop=True)).to_csv(path, index=False)
    return path


def monitored(workspace: Path, batch: Path) -> dict[str, Finding]:
    """Each finding, by the name of what was looked at."""
    result = monitor(workspace, batch, workspace / "reports" / "monitor")
    return {one.practice.partition("/")[2]: one for one in result.findings}


def verdicts(found: dict[str, Finding]) -> set[str]:
    return {str(one.verdict) for one in found.values()}


# Healthy batches


def test_held_out_images_are_as_training_was(monday: tuple[Path, str]) -> None:
    workspace, told = monday
    reports = workspace / "reports" / "monitor"
    assert "unfamiliar" in told
    assert told.rstrip().endswith(str(reports / "index.html"))
    content = json.loads((reports / "findings.json").read_text())
    assert [one["practice"] for one in content["findings"]] == [
        f"monitor/{name}" for name in ("unreadable", "drift", "unfamiliar", "confidence", "figure")
    ]
    assert content["run"]["verdict"] == "pass"
    page = (reports / "index.html").read_text()
    assert "<h1>Production is as training was.</h1>" in page
    assert "not reached" not in page
    assert content["findings"][-1]["verdict"] == "skip"
    for finding in content["findings"]:
        for file in [*finding["figures"], *([finding["table"]] if finding["table"] else [])]:
            assert (reports / file).is_file()


def test_the_tables_have_the_columns_that_programs_read(monday: tuple[Path, str]) -> None:
    tables = monday[0] / "reports" / "monitor" / "tables"
    drift, unfamiliar = (pd.read_csv(tables / name) for name in ("data.drift.csv", "monitor.unfamiliar.csv"))
    assert list(drift.columns) == ["column", "score", "p_value", "flagged", "detail"]
    assert list(unfamiliar.columns) == ["id", "path", "score", "flagged"]
    assert len(unfamiliar) == 150 and unfamiliar["id"].is_unique
    assert unfamiliar["score"].is_monotonic_decreasing and unfamiliar["score"].between(0, 1).all()


def test_held_out_rows_are_as_training_was_with_labels_and_without(tumours: Path) -> None:
    bare = rows_held_out(tumours, tumours / "bare.csv", lambda rows: rows.drop(columns="diagnosis"))
    labelled = rows_held_out(tumours, tumours / "labelled.csv")

    assert verdicts(monitored(tumours, bare)) == {"pass", "skip"}
    found = monitored(tumours, labelled)
    assert verdicts(found) == {"pass"}
    assert found["figure"].measured is not None and 0.5 < found["figure"].measured <= 1


def test_a_regression_has_its_r2_and_its_predictions_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    write_diabetes(workspace / "patients.csv")
    dataset = prepared(workspace, "data=table", f"data.path={workspace / 'patients.csv'}", "data.label=target")
    export(workspace, dataset, small_net(dataset))

    found = monitored(workspace, rows_held_out(workspace, workspace / "batch.csv"))

    assert found["confidence"].measured is not None and found["confidence"].verdict == "pass"
    entry = read_entries(workspace)[0]
    assert entry.confidence is None and entry.figure is not None and entry.labelled == len(dataset.where("test"))
    assert entry.figure.value == found["figure"].measured


def test_a_batch_of_five_raises_no_alarm(digits: Path) -> None:
    assert verdicts(monitored(digits, put(digits / "few", held_out(digits, 5)[0]))) == {"pass", "skip"}


# What has changed


@pytest.mark.fault("monitor/unfamiliar", "fail: inverted images, which are unlike anything seen")
@pytest.mark.fault("monitor/confidence", "warn: answers that are less sure than on validation")
def test_inverted_images_are_named_by_what_was_measured_of_them(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = put(digits / "inverted", 255 - held_out(digits, 60)[0])

    assert run_command(["monitor", str(batch)]) == CLOSED

    assert "'brightness' differs from training (1.00): The median is" in " ".join(capsys.readouterr().out.split())
    found = {
        one["practice"]: one for one in json.loads((digits / "reports/monitor/findings.json").read_text())["findings"]
    }
    assert found["monitor/drift"]["verdict"] == found["monitor/unfamiliar"]["verdict"] == "fail"
    assert found["monitor/unfamiliar"]["measured"] == 1.0
    assert found["monitor/confidence"]["verdict"] == "warn"
    assert read_entries(digits)[0].drifted[:1] == ("brightness",)


def test_digits_of_another_source_and_noise_are_unlike_anything_seen(digits: Path) -> None:
    source = PICTURES["mnist5k"]()
    noise = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)

    foreign = monitored(digits, put(digits / "foreign", source.images[::100, :, :, 0]))
    random = monitored(digits, put(digits / "noise", noise))

    assert foreign["drift"].verdict == foreign["unfamiliar"].verdict == "fail"
    assert random["drift"].verdict == random["unfamiliar"].verdict == "fail"
    assert random["unfamiliar"].measured == 1.0
    assert (digits / "reports/monitor/figures/monitor.unfamiliar.furthest.png").is_file()


def test_a_few_strangers_among_familiar_inputs_are_listed_first(digits: Path) -> None:
    images = held_out(digits, 150)[0]
    images[[3, 77]] = np.random.default_rng(0).integers(0, 256, (2, 8, 8))

    monitored(digits, put(digits / "batch", images))

    table = pd.read_csv(digits / "reports/monitor/tables/monitor.unfamiliar.csv")
    assert set(table["path"][:2]) == {"003.png", "077.png"}
    assert table["flagged"][:2].all()


@pytest.mark.fault("monitor/drift", "fail: a column that is shifted")
def test_a_shifted_column_is_named(tumours: Path) -> None:
    dataset = load_dataset(tumours, load_settings(tumours))
    assert dataset.rows is not None
    shift = dataset.rows["mean texture"].std()
    batch = rows_held_out(
        tumours, tumours / "batch.csv", lambda rows: rows.assign(**{"mean texture": rows["mean texture"] + shift})
    )

    found = monitored(tumours, batch)

    assert found["drift"].verdict == "fail"
    assert "mean texture" in read_entries(tumours)[0].drifted


def test_a_column_without_a_single_number_is_named_and_drawn(tumours: Path) -> None:
    worded = rows_held_out(
        tumours, tumours / "batch.csv", lambda rows: rows.assign(**{"mean radius": "about seventeen"})
    )

    found = monitored(tumours, worded)

    assert found["drift"].verdict == "fail"
    assert read_entries(tumours)[0].drifted[0] == "mean radius"
    assert "columns" in found["drift"].figures


@pytest.mark.fault("monitor/figure", "fail: a figure below the test figure, beyond chance")
def test_a_figure_below_the_test_figure_beyond_chance_is_an_alarm(digits: Path) -> None:
    images, labels = held_out(digits, 120)
    wrong = [str((int(label) + 1) % 10) for label in labels]

    found = monitored(digits, put(digits / "batch", images, wrong))

    assert found["figure"].verdict == "fail"
    assert re.match(r"Accuracy 0\.\d+ \[.*\] on 120 labelled inputs, where models/final has ", found["figure"].summary)
    assert found["figure"].measured is not None and found["figure"].measured < 0.5
    assert found["drift"].verdict == "pass"


def test_a_class_that_the_model_does_not_know_counts_as_wrong_and_is_new(digits: Path) -> None:
    images, labels = held_out(digits, 100)
    labels = [label if place % 3 else "letter" for place, label in enumerate(labels)]

    found = monitored(digits, put(digits / "batch", images, labels))

    assert found["drift"].verdict == "fail" and "'letter' is new" in found["drift"].summary
    assert found["figure"].verdict == "fail"


# Inputs that cannot be read


@pytest.mark.fault("monitor/unreadable", "warn: an input that cannot be read")
def test_unreadable_images_are_counted_and_listed_and_the_rest_is_compared(digits: Path) -> None:
    batch = put(digits / "batch", held_out(digits, 80)[0])
    (batch / "torn.png").write_bytes((batch / "000.png").read_bytes()[:50])
    (batch / "empty.png").write_bytes(b"")
    (batch / ".hidden").write_bytes(b"")

    found = monitored(digits, batch)

    assert found["unreadable"].verdict == "warn"
    assert found["unreadable"].measured == 2 / 82
    assert found["drift"].verdict == "pass"
    assert set(pd.read_csv(digits / "reports/monitor/tables/monitor.unreadable.csv")["path"]) == {
        "torn.png",
        "empty.png",
    }


def test_torn_rows_are_listed_by_their_number(tumours: Path) -> None:
    batch = rows_held_out(tumours, tumours / "batch.csv")
    lines = batch.read_text().splitlines()
    batch.write_text("\n".join([*lines[:4], "1,2", *lines[4:]]))

    found = monitored(tumours, batch)

    assert found["unreadable"].verdict == "warn"
    assert pd.read_csv(tumours / "reports/monitor/tables/monitor.unreadable.csv")["path"].tolist() == ["row:3"]
    assert read_entries(tumours)[0].unreadable == 1


# Labels that come later, and figures over time


def test_labels_that_come_later_add_the_figure_to_the_same_batch(digits: Path) -> None:
    images, labels = held_out(digits, 100)
    monitored(digits, put(digits / "first", images))
    monitored(digits, put(digits / "second", held_out(digits, 60, start=150)[0]))
    monitored(digits, put(digits / "first labelled", images, labels))

    entries = read_entries(digits)
    points = batches(entries, "digits")

    assert [entry.figure is None for entry in entries] == [True, True, False]
    assert [point.batch for point in points] == ["first labelled", "second"]
    assert points[0].when == entries[0].when
    assert points[0].figure is not None and points[0].figure.low <= points[0].figure.value <= points[0].figure.high
    assert points[0].confidence == entries[0].confidence
    assert (digits / "reports/monitor/figures/monitor.figure.over_time.png").is_file()


def test_a_labels_csv_labels_what_it_names_of_a_flat_folder(digits: Path) -> None:
    images, labels = held_out(digits, 90)
    batch = put(digits / "batch", images)
    named = pd.DataFrame({"path": [f"{place:03}.png" for place in range(60)], "label": labels[:60]})
    pd.concat([named, pd.DataFrame({"path": ["gone.png"], "label": ["1"]})]).to_csv(batch / "labels.csv", index=False)

    found = monitored(digits, batch)

    assert found["unreadable"].measured == 1 / 91 and found["unreadable"].summary.startswith("1 of 91 inputs")
    assert (read_entries(digits)[0].rows, read_entries(digits)[0].labelled) == (90, 60)


def test_the_same_rows_in_another_order_are_the_same_batch(tumours: Path) -> None:
    monitored(tumours, rows_held_out(tumours, tumours / "bare.csv", lambda rows: rows.drop(columns="diagnosis")))
    monitored(tumours, rows_held_out(tumours, tumours / "labelled.csv", lambda rows: rows.iloc[::-1]))

    [point] = batches(read_entries(tumours), "tumours")

    assert point.figure is not None


def test_a_line_of_the_journal_that_a_crash_cut_off_is_passed_over(digits: Path) -> None:
    batch = put(digits / "batch", held_out(digits, 30)[0])
    (digits / ".recipe").mkdir(exist_ok=True)
    (digits / ".recipe" / JOURNAL).write_text('{"when": "2026-11')

    monitored(digits, batch)

    assert len(read_entries(digits)) == 1


# The model


def test_where_the_registry_does_not_answer_the_final_model_is_asked_and_that_is_said(
    digits: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    found = monitored(digits, put(digits / "batch", *held_out(digits, 100)))
    assert "models/final" in found["figure"].summary
    assert "MLflow at http://127.0.0.1:9 cannot be used" in caplog.text
    assert "the final model here is taken" in caplog.text


def test_the_registered_champion_is_asked_and_its_test_figure_is_the_level(digits: Path) -> None:
    uri = workspace_uri(digits)
    client = connect(uri)
    run = client.create_run(client.create_experiment("digits", artifact_location=str(digits / "mlruns")))
    enter(client, "digits", register_model(client, "digits", digits / "models" / "final", run.info.run_id, TEST_TAGS))
    shutil.rmtree(digits / "models")

    found = monitored(digits, put(digits / "batch", *held_out(digits, 100)))

    assert found["figure"].expected == "0.9700, but for chance"
    assert read_entries(digits)[0].champion == "digits version 1"


def test_without_a_model_the_data_alone_are_compared(digits: Path) -> None:
    shutil.rmtree(digits / "models")

    found = monitored(digits, put(digits / "batch", *held_out(digits, 100)))

    assert found["drift"].verdict == found["unfamiliar"].verdict == "pass"
    assert found["confidence"].verdict == found["figure"].verdict == "skip"
    assert found["confidence"].summary == found["figure"].summary and "no model yet" in found["figure"].summary


def test_a_model_of_other_images_is_not_asked(digits: Path) -> None:
    settings = load_settings(digits)
    smaller = settings.model_copy(update={"data": settings.data.model_copy(update={"name": "mnist5k"})})
    ingest(digits, smaller)

    found = monitored(digits, put(digits / "batch", np.zeros((5, 28, 28), np.uint8)))

    assert found["confidence"].verdict == "skip"
    assert "models/final takes images of 1 x 8 x 8 where the data have 1 x 28 x 28" in found["confidence"].summary


# Bad input


def bad_inputs(workspace: Path) -> dict[str, Path]:
    (workspace / "empty").mkdir()
    (workspace / "nothing").mkdir()
    (workspace / "nothing" / "notes.png").write_text("no picture")
    (workspace / "file.png").write_bytes(b"")
    return {
        "missing": workspace / "absent",
        "empty": workspace / "empty",
        "unreadable": workspace / "nothing",
        "file": workspace / "file.png",
    }


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", r"absent does not exist: name a folder of images\."),
        ("empty", r"empty holds no files: name a folder of images\."),
        ("unreadable", r"None of the 1 images in .*nothing can be read; .* Name a folder of images\."),
        ("file", r"file\.png is a file where a folder of images is due: name the folder\."),
    ],
)
def test_a_folder_that_is_no_batch_is_one_sentence(
    digits: Path, name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["monitor", str(bad_inputs(digits)[name])]) == BAD_INPUT
    assert_one_sentence(capsys, sentence)
    assert not read_entries(digits)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"batch\.csv does not exist: name a CSV or Parquet file\."),
        ("", r"batch\.csv is empty: name a file with data\."),
        ("mean radius,mean texture\n", r"batch\.csv has a header but no rows: name a file with data\."),
        ("radius,texture\n1,2\n", r"has no column 'mean radius' for the model \(did you mean 'radius'\?\); it has "),
    ],
)
def test_a_table_that_is_no_batch_is_one_sentence(
    tumours: Path, content: str | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tumours / "batch.csv").write_text(content)

    assert run_command(["monitor", "batch.csv"]) == BAD_INPUT
    assert_one_sentence(capsys, sentence)


def test_a_folder_where_a_table_is_due_is_one_sentence(tumours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["monitor", "data"]) == BAD_INPUT
    assert_one_sentence(capsys, "data is a folder where a CSV or Parquet file is due: name the file")


def test_no_prepared_data_are_one_sentence(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = put(digits / "batch", held_out(digits, 5)[0])
    shutil.rmtree(digits / "data")

    assert run_command(["monitor", str(batch)]) == BAD_INPUT
    assert_one_sentence(capsys, "There are no prepared data in .* make them with `recipe run --until ingest`")


def test_a_broken_setting_is_one_sentence(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = json.loads((digits / "params.yaml").read_text())
    settings["monitor"]["max_unfamilar"] = 0.1
    (digits / "params.yaml").write_text(json.dumps(settings))

    assert run_command(["monitor", "batch"]) == BAD_INPUT
    assert_one_sentence(capsys, "did you mean 'max_unfamiliar'")


def test_a_model_that_cannot_be_read_is_one_sentence(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = put(digits / "batch", held_out(digits, 5)[0])
    (digits / "models/final/artifacts/program.pt2").write_bytes(b"torn")

    assert run_command(["monitor", str(batch)]) == BAD_INPUT
    assert_one_sentence(capsys, "The model in .*models/final cannot be read")


def assert_one_sentence(capsys: pytest.CaptureFixture[str], pattern: str) -> None:
    told = capsys.readouterr()
    assert told.out == ""
    [line] = told.err.splitlines()
    assert re.search(pattern, line), line
    assert line.startswith("recipe: ") and len(line) < LONGEST


# Several batches in a folder


def test_the_newest_table_that_was_not_monitored_is_next(tumours: Path) -> None:
    folder = tumours / "production"
    folder.mkdir()
    for day, name in enumerate(("monday", "tuesday")):
        path = rows_held_out(tumours, folder / f"{name}.csv", lambda rows, day=day: rows.iloc[day:])
        os.utime(path, (1_000_000 + day, 1_000_000 + day))
    (folder / "notes.md").write_text("no table")

    taken = []
    while (batch := newest_batch(tumours, folder)) is not None:
        taken.append(batch.stem)
        monitored(tumours, batch)

    assert taken == ["tuesday", "monday"]
    assert newest_batch(tumours, folder / "monday.csv") == folder / "monday.csv"


def test_a_batch_that_cannot_be_read_waits_behind_the_others_until_it_changes(tumours: Path) -> None:
    folder = tumours / "production"
    folder.mkdir()
    monday, tuesday, wednesday = (folder / f"{name}.csv" for name in ("monday", "tuesday", "wednesday"))
    for day, path in enumerate((monday, tuesday, wednesday)):
        os.utime(rows_held_out(tumours, path), (1_000_000 + day, 1_000_000 + day))
    for path in (tuesday, wednesday):
        path.write_text("width,height\n1,2\n")

    assert newest_batch(tumours, folder) == wednesday
    with disable_run_logger():
        assert monitor_production.fn("production").is_failed()
    assert newest_batch(tumours, folder) == tuesday
    note_failure(tumours, tuesday, time.time())
    assert newest_batch(tumours, folder) == monday
    monitored(tumours, monday)
    assert newest_batch(tumours, folder) == wednesday
    note_failure(tumours, wednesday, time.time())
    assert newest_batch(tumours, folder) == tuesday

    rows_held_out(tumours, wednesday)
    assert newest_batch(tumours, folder) == wednesday


def test_a_folder_of_folders_holds_batches_unless_these_are_classes(digits: Path) -> None:
    images, labels = held_out(digits, 20)
    put(digits / "production" / "2026-11-01", images)

    assert newest_batch(digits, digits / "production") == digits / "production" / "2026-11-01"
    assert newest_batch(digits, put(digits / "flat", images)) == digits / "flat"
    assert newest_batch(digits, put(digits / "classes", images, labels)) == digits / "classes"
