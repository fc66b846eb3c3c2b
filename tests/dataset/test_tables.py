import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from recipe.dataset.preparation import prepare_rows
from recipe.dataset.table_files import read_table
from recipe.errors import DataError
from tests.dataset.conftest import Prepare


@pytest.fixture
def patients() -> pd.DataFrame:
    """Two hundred real rows of ten measurements, and whether the disease progressed more than the median."""
    frame = load_diabetes(as_frame=True, scaled=False).frame.iloc[:200]
    worse = np.where(frame.pop("target") > 140, "worse", "better")
    return frame.assign(outcome=worse)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_a_csv_and_a_parquet_file_of_the_same_rows_are_the_same_data_set(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    patients.to_csv(table, index=False)
    patients.to_parquet(table.with_suffix(".parquet"))
    csv = prepare(kind="table", path=table, label="outcome")
    parquet = prepare(kind="table", path=table.with_suffix(".parquet"), label="outcome")
    assert csv.manifest["content_id"].equals(parquet.manifest["content_id"])
    np.testing.assert_array_equal(csv.inputs, parquet.inputs)
    assert csv.preparation == parquet.preparation
    assert csv.preparation["classes"] == ["better", "worse"]
    assert csv.manifest["path"][3] == "row:3"


def test_statistics_come_from_the_training_split_alone(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    patients.to_csv(table, index=False)
    dataset = prepare(kind="table", path=table, label="outcome")
    training = dataset.inputs[dataset.where("train")]
    np.testing.assert_allclose(training.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(training.std(axis=0), 1, atol=1e-5)


def test_categories_dates_missing_values_and_numbers_as_text_become_features(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    rows = len(patients)
    days = pd.date_range("2019-03-01", periods=rows, freq="3D")
    patients = patients.assign(
        sex=np.where(patients["sex"] == 1, "f", "m"),
        bmi=patients["bmi"].where(np.arange(rows) % 5 != 0),
        visit=days.strftime("%d.%m.%Y"),
        cost=[f"${value:,.2f}" for value in np.linspace(900, 5_000, rows)],
        clinic=["" if row % 7 == 0 else "north" if row % 2 else "south" for row in range(rows)],
        constant="same",
        name=[f"patient {row}" for row in range(rows)],
    )
    patients.to_csv(table, index=False)
    dataset = prepare(kind="table", path=table, label="outcome")
    features = dataset.preparation["features"]
    assert [name for name in features if name.startswith(("sex", "bmi", "visit", "cost", "clinic"))] == [
        *("sex=f", "sex=m", "bmi", "bmi missing"),
        *("visit days", "visit year sine", "visit year cosine", "visit week sine", "visit week cosine"),
        *("cost", "clinic=north", "clinic=south", "clinic missing"),
    ]
    assert dataset.preparation["dropped"] == {"constant": "one value", "name": "all values differ"}
    assert np.isfinite(dataset.inputs).all()
    position = features.index("cost")
    np.testing.assert_allclose(
        np.diff(dataset.inputs[:, position]), np.diff(dataset.inputs[:2, position])[0], rtol=0.01
    )
    assert dataset.inputs[:, features.index("clinic missing")].sum() == len(range(0, rows, 7))


def test_unseen_categories_and_missing_cells_are_prepared_in_serving(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    patients.assign(sex=np.where(patients["sex"] == 1, "f", "m")).to_csv(table, index=False)
    preparation = prepare(kind="table", path=table, label="outcome").preparation
    raw = pd.read_csv(table, nrows=2).drop(columns="outcome")
    raw["sex"] = ["x", None]
    raw.loc[1, "bmi"] = np.nan
    prepared = prepare_rows(raw, preparation)
    sexes = [preparation["features"].index(name) for name in ("sex=f", "sex=m")]
    assert prepared[:, sexes].tolist() == [[0, 0], [0, 0]]
    assert np.isfinite(prepared).all()
    with pytest.raises(ValueError, match="lack the columns bmi"):
        prepare_rows(raw.drop(columns="bmi"), preparation)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encodings_and_separators_are_found_out(
    prepare: Prepare, patients: pd.DataFrame, table: Path, encoding: str, separator: str
) -> None:
    places = np.where(np.arange(len(patients)) % 2, "Köln, Süd", "Århus; nord")
    patients.assign(place=places).to_csv(table, index=False, encoding=encoding, sep=separator)
    dataset = prepare(kind="table", path=table, label="outcome")
    assert {"place=Köln, Süd", "place=Århus; nord"} <= set(dataset.preparation["features"])


def test_decimal_commas_are_numbers(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    patients.to_csv(table, index=False)
    point = prepare(kind="table", path=table, label="outcome")
    patients.to_csv(table, index=False, sep=";", decimal=",")
    comma = prepare(kind="table", path=table, label="outcome")
    assert comma.preparation["features"] == point.preparation["features"]


def test_rows_that_are_cut_short_or_no_text_are_quarantined(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    lines = patients.assign(place="Köln").to_csv(index=False).encode().splitlines()
    lines[3] = b"1,2,3"
    lines[5] = lines[5].replace("ö".encode(), b"\xff")
    table.write_bytes(b"\n".join(lines))
    dataset = prepare(kind="table", path=table, label="outcome")
    reasons = dict(zip(dataset.quarantine["path"], dataset.quarantine["reason"], strict=True))
    assert reasons == {
        "row:2": "the row has 3 cells where the header has 12",
        "row:4": "the row holds bytes that are not text",
    }
    assert set(dataset.quarantine["kind"]) == {"malformed"}
    assert dataset.manifest["path"].tolist()[:4] == ["row:0", "row:1", "row:3", "row:5"]
    assert dataset.rows is not None
    assert {len(part) for part in (dataset.manifest, dataset.inputs, dataset.targets, dataset.rows)} == {198}


def test_rows_without_a_label_are_quarantined(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    patients.loc[[4, 9], "outcome"] = None
    patients.to_csv(table, index=False)
    dataset = prepare(kind="table", path=table, label="outcome")
    assert dataset.quarantine[["path", "reason", "kind"]].to_numpy().tolist() == [
        ["row:4", "the label is missing", "label"],
        ["row:9", "the label is missing", "label"],
    ]


def test_labels_that_are_no_finite_number_are_quarantined_in_a_regression(prepare: Prepare, table: Path) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    target = frame["target"].astype(object)
    target.iloc[[0, 1, 2]] = ["inf", "unknown", None]
    frame.assign(target=target).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table, label="target", task="regression")
    assert dataset.quarantine["reason"].tolist() == [
        "the label is not a finite number",
        "the label is not a finite number",
        "the label is missing",
    ]
    target_statistics = dataset.preparation["target"]
    units = dataset.targets[:, 0] * target_statistics["std"][0] + target_statistics["mean"][0]
    np.testing.assert_allclose(units, frame["target"].iloc[3:], rtol=1e-4)


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (lambda target: target, "regression"),
        (lambda target: target / 7, "regression"),
        (lambda target: target // 100, "classification"),
        (lambda target: (target > 100).map({True: "high", False: "low"}), "classification"),
    ],
)
def test_the_task_follows_the_label(prepare: Prepare, table: Path, labels: object, task: str) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    assert callable(labels)
    frame.assign(target=labels(frame["target"])).to_csv(table, index=False)
    assert prepare(kind="table", path=table, label="target").preparation["task"] == task


def test_ids_stay_when_rows_are_dropped_added_and_shuffled(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    patients = pd.concat([patients, patients.iloc[:1]], ignore_index=True)
    patients.to_csv(table, index=False)
    before = prepare(kind="table", path=table, label="outcome").manifest
    assert before["id"].is_unique
    assert before["content_id"].iloc[0] == before["content_id"].iloc[-1]
    more = patients.iloc[:20].assign(age=99.5)
    pd.concat([patients.iloc[10:], more]).sample(frac=1, random_state=0).to_csv(table, index=False)
    after = prepare(kind="table", path=table, label="outcome").manifest
    assert set(before["id"].iloc[10:-1]) <= set(after["id"])


def test_breast_cancer_wine_and_diabetes_run_through_the_table_source(prepare: Prepare, table: Path) -> None:
    load_breast_cancer(as_frame=True).frame.to_csv(table, index=False)
    builtin = prepare(kind="builtin", name="breast_cancer", path="-", label="target")
    own = prepare(kind="table", path=table, label="target")
    assert builtin.preparation["classes"] == ["benign", "malignant"]
    assert builtin.manifest["content_id"].equals(own.manifest["content_id"])
    assert prepare(kind="builtin", name="diabetes", path="-", label="target").preparation["task"] == "regression"
    wine = prepare(kind="builtin", name="wine", path="-", label="target")
    assert wine.inputs.shape == (178, 13) and wine.preparation["classes"] == ["class_0", "class_1", "class_2"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,label\n", "has a header but no rows"),
        (b"a,a,label\n1,2,x\n1,2,y\n", "more than one column named 'a'"),
        (b"\x89PNG\0\0\0", "is a binary file"),
        (b"PAR1 but no more", "is not a Parquet file that can be read"),
        (b"This is a letter.\nIt has lines\nand no columns.\n", "has a single column"),
        (b"Dear all, hello,\nthis is, as such, a text\nof\nlines\n", "is not a table"),
        (
            b"a,lable\n1,x\n2,y\n",
            r"no column 'label' for the label \(did you mean 'lable'\?\); it has a, lable: set data.label",
        ),
        (b"a,label\n1,\n2,\n", "Every label in .* is missing"),
        (b"a,label\n1,x\n2,x\n3,x\n", "All 3 examples of .* have the label 'x'"),
        (b"a,label\n1,x\n2,y\n3,z\n", "Each of the 3 classes of .* has one example only"),
        (b"split,label\ntrain,x\ntest,y\n", "has no column beside 'label' to learn from"),
        (b"a,split,label\n1,fold1,x\n2,fold2,y\n3,fold1,x\n", "holds 'fold1', which is none of train"),
        (b"a,b,c,label\n" + b"1,1,1,x\n2,2,2,y\n" * 2, "are too few for train, validation and test"),
        (b'a,label\n"1,x\n' + b"2,y\n" * 300, "has a quote in line 2 that is never closed"),
        (b"a,b,c,label\n" + b"1,1,1,x\n" * 9 + b"2,2,2,y\n" * 9, "are too few for train, validation and test"),
    ],
)
def test_a_file_that_is_no_table_is_one_clear_sentence(
    prepare: Prepare, table: Path, content: bytes, words: str
) -> None:
    table.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        prepare(kind="table", path=table)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_file_are_one_clear_sentence(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder where a CSV or Parquet file is due"):
        prepare(kind="table", path=tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        prepare(kind="table", path=tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"no built-in data set 'digit' \(did you mean 'digits'\?\)"):
        prepare(kind="builtin", name="digit", path="-")


def test_nothing_is_left_behind_when_ingest_fails(prepare: Prepare, table: Path, workspace: Path) -> None:
    table.write_bytes(b"a,label\n1,x\n2,x\n")
    with pytest.raises(DataError):
        prepare(kind="table", path=table)
    assert list((workspace / "data").iterdir()) == []


@pytest.mark.parametrize("scale", [0.9, 25.0])
def test_decimal_commas_with_three_places_are_no_thousands(prepare: Prepare, table: Path, scale: float) -> None:
    draw = np.random.default_rng(0)
    values = np.round(draw.uniform(0, scale, 120), 3)
    pd.DataFrame({"a": values, "label": values * 2}).to_csv(table, index=False, sep=";", decimal=",")
    dataset = prepare(kind="table", path=table, label="label", task="regression")
    assert dataset.preparation["columns"][0]["mean"] == pytest.approx(values.mean(), rel=0.2)
    assert dataset.preparation["target"]["mean"][0] == pytest.approx(2 * values.mean(), rel=0.2)


def test_thousands_stay_thousands_with_a_slip_of_the_pen(prepare: Prepare, table: Path) -> None:
    values = [f"{1000 + 37 * row:,}" for row in range(120)]
    values[7] = "12,34"
    pd.DataFrame({"a": values, "label": ["x", "y"] * 60}).to_csv(table, index=False)
    assert prepare(kind="table", path=table).preparation["columns"][0]["mean"] > 1000


def test_a_column_to_ignore_is_no_feature(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    patients.assign(patient=range(len(patients))).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table, label="outcome", ignore=("patient", "bmi"))
    assert dataset.rows is not None
    assert not {"patient", "bmi"} & {*dataset.preparation["features"], *dataset.rows}


def test_reading_a_csv_takes_a_few_times_its_size_and_no_more(tmp_path: Path) -> None:
    """In a process of its own, whose peak is its own: what it holds above its imports, beside the size of the file."""
    file = tmp_path / "table.csv"
    row = ",".join(["0.123456"] * 20 + ["a"]) + "\n"
    file.write_text(",".join([f"x{place}" for place in range(20)] + ["label"]) + "\n" + row * 80_000)
    peak = (
        "import resource, sys; from pathlib import Path; from recipe.dataset.table_files import read_table; "
        "from recipe.dataset.readings import read_columns, typed; "
        "from recipe.dataset.tables import bytes_ids, content_ids; "
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024; "
        "began = peak(); frame = read_table(Path(sys.argv[1])).frame; "
        "content_ids(frame); bytes_ids(frame); typed(frame, read_columns(frame, None, None, {})); print(peak() - began)"
    )
    done = subprocess.run([sys.executable, "-c", peak, str(file)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8 * file.stat().st_size


def test_a_first_line_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes("größe,länge,läb".encode() + b"\xe9l\n" + "ä,ö,ü\n".encode() * 20)
    with pytest.raises(DataError, match="not text in its first line"):
        read_table(file)


def test_rows_keep_their_numbers_in_a_file_that_is_read_in_many_parts(tmp_path: Path) -> None:
    file, lines = tmp_path / "table.csv", ["a,text,label", ""]
    for row in range(60_000):
        lines += [f"{row},{'x' * 100}"] if row % 9_000 == 7 else [f'{row},"{"x" * 100},\n{row}",a']
    file.write_text("\n".join(lines))
    table = read_table(file)
    assert [item.path for item in table.malformed] == [f"row:{row}" for row in range(7, 60_000, 9_000)]
    assert table.frame["a"].astype(int).tolist() == table.frame.index.tolist()


def test_a_row_of_many_cells_is_read(tmp_path: Path) -> None:
    file, cells = tmp_path / "table.csv", 50_000
    file.write_text(",".join(f"gene {place}" for place in range(cells)) + "\n" + ",".join(["0.1234567"] * cells))
    assert read_table(file).frame.shape == (1, cells)


@pytest.mark.parametrize("bad", [b'"3,x\n', b'3,"x\n'])
def test_a_quote_that_is_never_closed_is_told_with_its_line(tmp_path: Path, bad: bytes) -> None:
    file = tmp_path / "table.csv"
    for rows in (300, 2_000_000):
        file.write_bytes(b'a,label\n1,"x\ny"\n2,x\n' + bad + b"4,y\n" * rows)
        with pytest.raises(DataError, match=r"line 5 .*never closed"):
            read_table(file)


def test_rows_that_run_together_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text('a,label\n1,x\n\n2,"y\n3,x\n4",y,\n5,y\n6,x\n')
    (refused,) = read_table(file).malformed
    assert (refused.path, refused.reason) == (
        "row:1",
        "the row has 4 cells where the header has 2 (lines 4 to 6 run together: is a quote not closed?)",
    )
