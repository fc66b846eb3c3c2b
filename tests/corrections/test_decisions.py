"""What a person decides about single examples reaches the targets, the quarantine and the splits, and can be undone."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipe.cli import BAD_INPUT, CLOSED, OPEN, run_command
from recipe.corrections.file import read_decisions
from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import Dataset, load_dataset
from recipe.errors import DataError
from recipe.evidence import judge
from recipe.practices.data.blank import blank
from recipe.practices.data.duplicates import duplicates
from recipe.practices.data.unreadable import unreadable
from recipe.runtime.text_files import MOST_BYTES
from recipe.settings import Settings
from recipe.settings.composition import compose_params
from tests.dataset.conftest import default_settings, digit_folder, digit_images  # noqa: F401
from tests.faults.data import breast_cancer, composed
from tests.workspaces import make_workspace, recipe

HEADER = "id,action,value,why\n"
DECISIONS = Path("data") / "decisions.csv"

Ingest = Callable[[str], Dataset]


def ingested(workspace: Path, settings: Settings, text: str) -> Dataset:
    """The data set as it is prepared with the decisions in `text`."""
    path = workspace / DECISIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + text, encoding="utf-8")
    ingest(workspace, settings, decisions=read_decisions(path, str(DECISIONS)))
    return load_dataset(workspace, settings)


@pytest.fixture
def digits(tmp_path: Path) -> Ingest:
    """The digits, prepared with decisions."""
    return lambda text: ingested(tmp_path, composed("data=digits"), text)


def test_the_targets_the_quarantine_and_the_splits_follow_and_come_back(digits: Ingest) -> None:
    before = digits("")
    ids, splits, labels = (before.manifest[name].tolist() for name in ("id", "split", "label"))
    train, test = before.where("train")[:3].tolist(), before.where("test")[:3].tolist()
    first, second = ("3" if labels[row] != "3" else "5" for row in (train[0], test[0]))
    after = digits(
        f"{ids[train[0]]},relabel,{first},looks like it\n{ids[test[0]]},relabel,{second},\n"
        f"{ids[test[1]]},drop,,torn\n"
        f"{ids[train[2]]},group,writer 7,\n{ids[test[2]]},group,writer 7,\n"
    )
    manifest = after.manifest.set_index("id")
    assert after.targets[manifest.index.get_loc(ids[train[0]])] == int(first)
    assert manifest.loc[ids[test[0]], ["label", "decided"]].tolist() == [second, "relabel"]
    assert ids[test[1]] not in manifest.index and len(after.inputs) == len(before.inputs) - 1
    [left_out] = after.quarantine.to_dict("records")
    assert (left_out["id"], left_out["reason"], left_out["kind"]) == (ids[test[1]], "decided: torn", "decided")
    assert manifest.loc[[ids[train[2]], ids[test[2]]], "split"].tolist() == ["train", "train"]
    others = [row for row in range(len(ids)) if row not in (test[1], test[2])]
    assert manifest.loc[[ids[row] for row in others], "split"].tolist() == [splits[row] for row in others]
    assert np.array_equal(after.inputs[manifest.index.get_loc(ids[-1])], before.inputs[-1])
    assert any("2 relabelled, 1 dropped, 2 put in a group" in note for note in after.notes)

    undone = digits("")
    pd.testing.assert_frame_equal(undone.manifest, before.manifest)
    assert np.array_equal(undone.targets, before.targets) and np.array_equal(undone.inputs, before.inputs)
    assert undone.quarantine.empty and undone.notes == before.notes


def test_where_no_split_is_remembered_a_correction_moves_nothing_either(tmp_path: Path) -> None:
    settings = composed("data=digits")
    before = ingested(tmp_path / "a", settings, "").manifest.set_index("id")
    ids = before.index.tolist()
    text = "".join(f"{id},relabel,8,\n" for id in ids[:60]) + "".join(f"{id},drop,,\n" for id in ids[60:90])
    after = ingested(tmp_path / "b", settings, text).manifest.set_index("id")
    assert after["split"].equals(before["split"].drop(ids[60:90]))


def test_a_table_and_a_regression_are_corrected_by_content_id(tmp_path: Path) -> None:
    rows = breast_cancer().copy()
    path = tmp_path / "rows.csv"
    rows.to_csv(path, index=False)
    settings = _settings_of(path, "data.label=diagnosis")
    before = ingested(tmp_path, settings, "").manifest
    relabelled, dropped = before["id"].iloc[[5, 9]]
    other = next(name for name in ("benign", "malignant") if name != before["label"].iloc[5])
    new = rows.iloc[:3].assign(**{"mean radius": [1.5, 2.5, 3.5]})
    pd.concat([rows, new], ignore_index=True).sample(frac=1, random_state=0).to_csv(path, index=False)
    after = ingested(tmp_path, settings, f"{relabelled},relabel,{other},\n{dropped},drop,,\n")
    assert after.manifest.set_index("id").loc[relabelled, "label"] == other
    assert dropped not in set(after.manifest["id"])
    assert len(after.inputs) == len(after.targets) == len(after.rows) == len(after.manifest)

    regression = composed("data=diabetes")
    id = ingested(tmp_path / "r", regression, "").manifest["id"].iloc[0]
    numbers = ingested(tmp_path / "r", regression, f"{id},relabel,99.5,\n")
    target = numbers.preparation["target"]
    assert numbers.targets[0, 0] * target["std"][0] + target["mean"][0] == pytest.approx(99.5, rel=1e-5)
    with pytest.raises(DataError, match=r"Line 2 .* no number, as a regression needs"):
        ingested(tmp_path / "r", regression, f"{id},relabel,high,\n")


def _settings_of(path: Path, *overrides: str) -> Settings:
    settings = composed("data=table", "data.path=.", *overrides)
    return settings.model_copy(update={"data": settings.data.model_copy(update={"path": str(path)})})


def test_a_split_that_the_user_gives_stays_as_it_is(tmp_path: Path) -> None:
    rows = breast_cancer().copy()
    given = [("train", "train", "validation", "test")[place % 4] for place in range(len(rows))]
    rows.assign(split=given).to_csv(tmp_path / "rows.csv", index=False)
    settings = _settings_of(tmp_path / "rows.csv", "data.label=diagnosis")
    ids = ingested(tmp_path, settings, "").manifest["id"]
    after = ingested(tmp_path, settings, f"{ids[0]},group,a,\n{ids[3]},group,a,\n{ids[1]},drop,,\n").manifest
    assert after["split"].tolist() == [one for place, one in enumerate(given) if place != 1]
    assert after["group"].notna().sum() == 2


def test_a_class_all_of_whose_examples_are_relabelled_is_no_class_any_more(tmp_path: Path) -> None:
    rows = breast_cancer().copy()
    rows.loc[[3, 40], "diagnosis"] = "Benign"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    settings = _settings_of(tmp_path / "rows.csv", "data.label=diagnosis")
    before = ingested(tmp_path, settings, "")
    strays = before.manifest["id"][before.manifest["label"] == "Benign"]
    after = ingested(tmp_path, settings, "".join(f"{id},relabel,benign,\n" for id in strays))
    assert after.preparation["classes"] == ["benign", "malignant"] and set(after.targets) == {0, 1}


def test_ids_of_another_set_are_told_in_a_note(digits: Ingest) -> None:
    dataset = digits("feed,drop,,\nbeef,relabel,no label of this one,\n")
    assert "decided" not in dataset.manifest
    assert "2 decisions of data/decisions.csv name examples that digits does not have" in " ".join(dataset.notes)


def test_what_a_person_kept_is_doubted_no_more(tmp_path: Path, digit_folder: Path) -> None:  # noqa: F811
    shutil.copy(digit_folder / "0" / "01.png", digit_folder / "1" / "copy.png")
    (digit_folder / "0" / "blank.png").write_bytes(_blank_image())
    settings = composed("data=image_folder", "data.path=.")
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"path": str(digit_folder)})})
    before = ingested(tmp_path / "w", settings, "")
    assert judged(duplicates, before) == "fail" and judged(blank, before) != "pass"
    ids = before.manifest.set_index("path")["id"]
    kept = [ids[name] for name in ("0/01.png", "1/copy.png", "0/blank.png")]
    after = ingested(tmp_path / "w", settings, "".join(f"{id},keep,,looked at\n" for id in kept))
    assert after.kept.sum() == 3
    assert judged(duplicates, after) == judged(blank, after) == "pass"
    half = ingested(tmp_path / "w", settings, f"{kept[0]},keep,,\n{kept[2]},drop,,\n")
    assert judged(duplicates, half) == "fail"
    assert judged(unreadable, half) == "pass"


def _blank_image() -> bytes:
    import io

    from PIL import Image

    content = io.BytesIO()
    Image.new("L", (8, 8), 200).save(content, "PNG")
    return content.getvalue()


def judged(practice: Callable[[Dataset], object], dataset: Dataset) -> str:
    return judge(practice(dataset), dataset.settings.thresholds.of("data")).verdict


def test_a_split_may_not_be_emptied(digits: Ingest) -> None:
    manifest = digits("").manifest
    ids = manifest["id"][manifest["split"] == "test"]
    with pytest.raises(DataError, match="no example of digits is left for test"):
        digits("".join(f"{id},drop,,\n" for id in ids))


BAD = {
    "id,action,value\na,drop,\n": "Line 1 .* has no column 'why'",
    "id,action,value,why,why\n": "Line 1 .* more than one column 'why'",
    HEADER + "a,delete,,\n": r"Line 2 .* 'delete'.* one of relabel, drop, keep, group",
    HEADER + "a,dropp,,\n": r"did you mean 'drop'",
    HEADER + ",drop,,\n": "Line 2 .* no id",
    HEADER + "a,relabel,,\n": "Line 2 .* relabel takes a label",
    HEADER + "a,keep,7,\n": "Line 2 .* keep takes no value",
    HEADER + "\na,drop,,\na,relabel,7,\n": "Line 4 .* relabel 7 .* and line 3 says drop: delete one",
    HEADER + "a,group,x,\na,group,y,\n": "Line 3 ",
    HEADER + "a,drop,,\na,group,y,\n": "Line 3 ",
    HEADER + "a,drop,,it is, to me, torn\n": "Line 2 .* has 6 cells where 4",
    HEADER + 'a,drop,,"torn\n': "Line 2 .* not CSV",
    HEADER + "a,drop,,tor\0n\n": "Line 2 ",
}


@pytest.mark.parametrize("content", BAD)
def test_a_bad_file_is_answered_with_its_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=BAD[content]):
        read_decisions(path, "decisions.csv")


def test_other_encodings_and_huge_files_are_answered_too(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(HEADER.encode() + b"a,drop,,zerrissen\nb,drop,,\xfcbel\n")
    with pytest.raises(DataError, match=r"Line 3 of d\.csv is not UTF-8"):
        read_decisions(path, "d.csv")
    with open(path, "wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(DataError, match="larger than 64 MB"):
        read_decisions(path, "d.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_decisions(tmp_path, "d.csv")


def test_a_file_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes('\ufeffid;action;value;why;note\r\na;relabel;\'=1+1;"two\r\nlines";x\r\nb; keep ;;;\r\n'.encode())
    lines = read_decisions(path, "d.csv").lines
    assert [(one.id, one.action, one.value, one.line) for one in lines] == [
        ("a", "relabel", "=1+1", 2),
        ("b", "keep", "", 4),
    ]
    path.write_text(HEADER + "a,relabel,7,\na,group,x,\na,relabel,7,again\nb,keep,,\nb,group,x,\n")
    assert [one.line for one in read_decisions(path, "d.csv").lines] == [2, 3, 5, 6]
    assert read_decisions(tmp_path / "none.csv", "none.csv").lines == ()


# `recipe decide`


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that holds the digits prepared."""
    workspace = make_workspace(tmp_path_factory.mktemp("decide") / "workspace")
    compose_params(workspace, ["data=digits"])
    ingest(workspace, composed("data=digits"))
    return workspace


@pytest.fixture
def workspace(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(prepared)
    (prepared / DECISIONS).write_text(HEADER)
    return prepared


@pytest.fixture
def ids(workspace: Path) -> list[str]:
    return load_dataset(workspace, composed("data=digits")).manifest["id"].tolist()


def decide(workspace: Path, text: str) -> int:
    (workspace / "mine.csv").write_text(HEADER + text, encoding="utf-8")
    return run_command(["decide", "mine.csv"])


def test_new_decisions_are_added_and_known_ones_passed_over(
    workspace: Path, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    own = f'{HEADER}{ids[0]},drop,,"torn, I think"\r\n{ids[1]},relabel,3,'  # as its owner wrote it, to the last byte
    (workspace / DECISIONS).write_bytes(own.encode())
    assert decide(workspace, f"{ids[1]},relabel,3,\n{ids[1]},group,a,=cmd()\n{ids[2]},keep,,\n") == OPEN
    assert (workspace / DECISIONS).read_bytes().decode() == f"{own}\n{ids[1]},group,a,'=cmd()\n{ids[2]},keep,,\n"
    assert capsys.readouterr().out == (
        "Took 2 into data/decisions.csv; 1 stood there already. Carry out what is in there with `recipe run`.\n"
    )
    assert decide(workspace, f"{ids[2]},keep,,\n") == OPEN
    assert read_decisions(workspace / DECISIONS, "").lines[2].why == "=cmd()"


def test_a_conflict_is_shown_and_nothing_is_written(
    workspace: Path, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / DECISIONS).write_text(f"{HEADER}{ids[0]},drop,,\n")
    before = (workspace / DECISIONS).read_bytes()
    assert decide(workspace, f"{ids[1]},keep,,\n{ids[0]},relabel,7,\n") == CLOSED
    told = capsys.readouterr().out
    assert "drop" in told and "relabel 7" in told and ids[0] in told and ids[1] not in told
    assert "Nothing was taken" in told
    assert (workspace / DECISIONS).read_bytes() == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nobody,drop,,", "about no example of digits, the first in line 2, nobody"),
        ("{id},relabel,eleven,", "Line 2 .* has the label 'eleven', which is no label of the data set"),
        ("{id},burn,,", "Line 2 .* 'burn'"),
    ],
)
def test_what_is_unknown_is_named(
    line: str, told: str, workspace: Path, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide(workspace, line.format(id=ids[0])) == BAD_INPUT
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert re.search(told, error)
    assert (workspace / DECISIONS).read_text() == HEADER


def test_what_was_dropped_can_be_decided_on_again(workspace: Path, ids: list[str]) -> None:
    (workspace / DECISIONS).write_text(f"{HEADER}{ids[0]},drop,,\n")
    ingest(workspace, composed("data=digits"), decisions=read_decisions(workspace / DECISIONS, ""))
    assert decide(workspace, f"{ids[0]},drop,,\n") == OPEN
    assert decide(workspace, f"{ids[0]},keep,,\n") == CLOSED
    ingest(workspace, composed("data=digits"))


def test_a_file_that_is_not_there_or_no_data_is_one_sentence(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["decide", "nowhere.csv"]) == BAD_INPUT
    assert run_command(["run", "data=digits", "data.decisions=nowhere.csv"]) == BAD_INPUT
    empty = make_workspace(tmp_path / "empty")
    compose_params(empty, ["data=digits"])
    monkeypatch.chdir(empty)
    assert decide(empty, "") == BAD_INPUT
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and "begin one with the line id,action,value,why" in errors[1]
    assert "`recipe run --until ingest` first" in errors[2]


@pytest.mark.slow
def test_a_run_carries_decisions_out_and_their_deletion_undoes_them(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    asked = ("data=digits", "budget=quick")
    assert recipe(workspace, "run", *asked, "--until", "ingest").returncode == OPEN
    assert (workspace / DECISIONS).read_text() == HEADER
    settings = composed(*asked)
    before = load_dataset(workspace, settings)
    (relabelled, given), (dropped, _) = before.manifest[["id", "label"]].iloc[[0, 1]].itertuples(index=False)
    label = "7" if given != "7" else "1"
    mine = tmp_path / "mine.csv"
    mine.write_text(f"{HEADER}{relabelled},relabel,{label},\n{dropped},drop,,torn\n")
    assert recipe(workspace, "decide", str(mine)).returncode == OPEN
    told = recipe(workspace, "run", *asked, "--until", "data")
    assert told.returncode == OPEN, told.stderr
    assert "2 decisions of data/decisions.csv: 1 relabelled, 1 dropped" in " ".join(told.stdout.split())
    after = load_dataset(workspace, settings)
    assert after.targets[0] == int(label) and len(after.manifest) == len(before.manifest) - 1
    assert "decided: torn" in (workspace / "reports" / "tables" / "data.quarantine.csv").read_text()
    (workspace / DECISIONS).write_text(HEADER)
    assert recipe(workspace, "run", *asked, "--until", "ingest").returncode == OPEN
    pd.testing.assert_frame_equal(load_dataset(workspace, settings).manifest, before.manifest)
