"""Tables as people have them: what enters the net is what the file means, and what was taken for what is told."""

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.errors import DataError
from recipe.settings import parse_settings
from recipe.settings.composition import compose
from tests.dataset.conftest import Prepare
from tests.dataset.entered import assert_entered, entered, told
from tests.workspaces import ROOT

ROWS = 240
DRAW = np.random.default_rng(0)
AMOUNTS = np.round(DRAW.lognormal(7, 1.5, ROWS), 2)  # 10 to 100,000, so that most have thousands
SIGNED = np.round(DRAW.normal(0, 20, ROWS), 2)
DAYS = pd.Series(pd.date_range("2019-01-05", periods=ROWS, freq="9D"))
MINUTES = pd.Series(pd.date_range("2019-01-05 00:07", periods=ROWS, freq="223h37min"))

Write = Callable[[float], str]


@pytest.fixture
def patients() -> pd.DataFrame:
    """Real rows: two numbers, a category, and whether the disease progressed more than the median."""
    frame = load_diabetes(as_frame=True, scaled=False).frame.iloc[:ROWS].reset_index(drop=True)
    return pd.DataFrame(
        {
            "bmi": frame["bmi"],
            "bp": frame["bp"],
            "sex": np.where(frame["sex"] == 1, "f", "m"),
            "label": np.where(frame["target"] > 140, "worse", "better"),
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def notes_on_reading(dataset: Dataset) -> list[str]:
    """The notes but for the offer to split by the dates, which are in order here."""
    return [note for note in dataset.notes if "data.split.by=time" not in note]


def commas(value: float) -> str:
    return f"{value:,.2f}"


def european(value: float, thousands: str = ".") -> str:
    return f"{value:,.2f}".replace(",", "T").replace(".", ",").replace("T", thousands)


@pytest.mark.parametrize(
    ("write", "separator"),
    [
        (lambda value: f"{value:,.2f}".replace(",", "'"), ","),
        (lambda value: f"{value:,.2f}".replace(",", "’"), ","),
        (lambda value: commas(value), ";"),
        (lambda value: european(value), ";"),
        (lambda value: european(value, " "), ";"),
        (lambda value: european(value, "\u202f"), ","),
        (lambda value: f"EUR {european(value)}", ";"),
        (lambda value: f"{european(value)} €", ";"),
        (lambda value: f"{european(value, ' ')} kr", ";"),
        (lambda value: f"US${commas(value)}", ","),
        (lambda value: f"CHF {value:,.2f}".replace(",", "'"), ","),
        (lambda value: f"£ {value}", ","),
        (lambda value: f"{value} %", ","),
        (lambda value: f"%{value}", ","),
    ],
)
def test_amounts_are_read_with_their_thousands_and_signs(
    prepare: Prepare, patients: pd.DataFrame, table: Path, write: Write, separator: str
) -> None:
    patients.assign(amount=[write(value) for value in AMOUNTS]).to_csv(table, sep=separator, index=False)
    dataset = prepare(kind="table", path=table)
    assert_entered(dataset, "amount", AMOUNTS)
    assert dataset.notes == ()


@pytest.mark.parametrize(
    "write",
    [
        lambda value: f"{value}".replace("-", "−"),
        lambda value: f"{value}".replace("-", "–"),
        lambda value: f"({-value})" if value < 0 else f"{value}",
        lambda value: f"{-value}-" if value < 0 else f"{value}",
        lambda value: f"-${-value}" if value < 0 else f"${value}",
        lambda value: f"€ {value}",
        lambda value: f"{value:+}",
    ],
)
def test_a_minus_of_any_shape_is_one(prepare: Prepare, patients: pd.DataFrame, table: Path, write: Write) -> None:
    patients.assign(delta=[write(value) for value in SIGNED]).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert_entered(dataset, "delta", SIGNED)
    assert dataset.notes == ()


def test_dots_between_thousands_are_such_where_other_columns_have_decimal_commas(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    whole = DRAW.integers(200, 9_000, ROWS)
    written = [f"{value:,}".replace(",", ".") for value in whole]
    patients.assign(spend=written).to_csv(table, sep=";", decimal=",", index=False)
    assert_entered(prepare(kind="table", path=table), "spend", whole)
    patients.assign(spend=written).to_csv(table, sep=";", index=False)
    assert_entered(prepare(kind="table", path=table), "spend", np.array([float(text) for text in written]))


def test_where_no_row_settles_it_a_sign_of_three_digits_is_named(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    whole = DRAW.integers(1_000, 9_000, ROWS)
    alone = pd.DataFrame({"spend": [f"{value / 1000:.3f}" for value in whole], "label": patients["label"]})
    alone.to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert told(dataset, "spend", "thousands or decimals", "data.read_as.spend=1.234,5")
    assert_entered(dataset, "spend", whole / 1000)
    asked = prepare(kind="table", path=table, read_as={"spend": "1.234,5"})
    assert_entered(asked, "spend", whole)
    assert asked.notes == ()


@pytest.mark.parametrize(
    ("dates", "form"),
    [
        (DAYS, "%b %d %Y"),
        (DAYS, "%B %d, %Y"),
        (DAYS, "%d.%m.%y"),
        (DAYS, "%d-%b-%y"),
        (DAYS, "%Y%m%d"),
        (DAYS, "%m/%d/%y"),
        (MINUTES, "%m/%d/%Y %I:%M %p"),
        (MINUTES, "%d/%m/%Y %H:%M"),
        (MINUTES, "%Y-%m-%dT%H:%M:%S+00:00"),
        (MINUTES, "%d %b %Y %I:%M:%S %p"),
        (MINUTES, "%a %b %d %H:%M:%S %Y"),
    ],
)
def test_dates_are_read_in_the_common_ways(
    prepare: Prepare, patients: pd.DataFrame, table: Path, dates: pd.Series, form: str
) -> None:
    patients.assign(seen=dates.dt.strftime(form)).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert_entered(dataset, "seen", dates.to_numpy())
    assert notes_on_reading(dataset) == []


def test_times_of_day_are_read(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    patients.assign(at=MINUTES.dt.strftime("%H:%M")).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    minutes = entered(dataset, "at").astype("datetime64[m]").astype(np.int64) % 1440
    assert np.abs(minutes - (MINUTES.dt.hour * 60 + MINUTES.dt.minute)).max() <= 1
    assert "at day sine" in dataset.preparation["features"]


def test_days_that_excel_counts_among_dates_are_read_and_told(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    written = DAYS.dt.strftime("%d/%m/%Y")
    serials = ((DAYS - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)).astype(int).astype("str")
    patients.assign(seen=written.where(np.arange(ROWS) % 4 > 0, serials)).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert_entered(dataset, "seen", DAYS.to_numpy())
    assert told(dataset, "60", "'seen'", "Excel")


def test_day_or_month_first_is_named_where_no_row_settles_it(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    days = pd.Series(pd.to_datetime([f"2023-{1 + row % 12:02}-{1 + row % 11:02}" for row in range(ROWS)]))
    patients.assign(seen=days.dt.strftime("%d/%m/%Y")).to_csv(table, index=False)
    assert told(prepare(kind="table", path=table), "'seen'", "data.read_as.seen=%d/%m/%Y")
    asked = prepare(kind="table", path=table, read_as={"seen": "%d/%m/%Y"})
    assert notes_on_reading(asked) == []
    assert_entered(asked, "seen", days.to_numpy())


def test_a_few_cells_of_another_kind_are_told_and_missing(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    cells = pd.Series(SIGNED).astype("str")
    cells[::60] = "n.b."
    patients.assign(delta=cells).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert told(dataset, "4 cells of 'delta'", "'n.b.'")
    assert_entered(dataset, "delta", np.where(np.arange(ROWS) % 60 == 0, np.nan, SIGNED))


@pytest.mark.parametrize(
    ("codes", "why"),
    [
        (["01005", "2134", "00501", "90210"], "leading zeros"),
        (["1E5", "2E3", "4E1", "301"], "exponents"),
        (["1234567890123456789", "2345678901234567891", "3456789012345678912", "4567891012345678913"], "digits"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_codes_are_no_numbers(
    prepare: Prepare, patients: pd.DataFrame, table: Path, codes: list[str], why: str, suffix: str
) -> None:
    drawn = np.array(codes)[np.arange(ROWS) % 4]
    file = table.with_suffix(suffix)
    patients = patients.assign(code=drawn)
    patients.to_csv(file, index=False) if suffix == ".csv" else patients.to_parquet(file)
    dataset = prepare(kind="table", path=file)
    assert_entered(dataset, "code", drawn)
    assert told(dataset, "'code'", why, "data.read_as.code=number")
    asked = prepare(kind="table", path=file, read_as={"code": "number"})
    assert_entered(asked, "code", np.array([float(code) for code in drawn]))


def test_long_whole_numbers_of_parquet_are_no_numbers(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    codes = 9_007_199_254_740_992 + np.arange(ROWS) % 3
    patients.assign(code=codes).to_parquet(table.with_suffix(".parquet"))
    dataset = prepare(kind="table", path=table.with_suffix(".parquet"))
    assert_entered(dataset, "code", codes.astype(str))


def test_whole_numbers_are_categories_where_the_settings_say_so(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    branch = np.arange(ROWS) % 7
    patients.assign(branch=branch).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table, read_as={"branch": "category"})
    assert_entered(dataset, "branch", branch.astype(str))


def test_a_column_to_read_that_is_not_there_is_one_clear_sentence(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    patients.to_csv(table, index=False)
    with pytest.raises(DataError, match=r"no column 'bmj' to read \(did you mean 'bmi'\?\)"):
        prepare(kind="table", path=table, read_as={"bmj": "category"})


@pytest.mark.parametrize("how", ["date", "number", "%d/%m/%Y"])
def test_a_way_to_read_a_column_that_fits_no_cell_is_refused_with_the_first(
    prepare: Prepare, patients: pd.DataFrame, table: Path, how: str
) -> None:
    patients.to_csv(table, index=False)
    with pytest.raises(
        DataError, match=rf"data\.read_as\.sex={how}: no cell of 'sex' can be read so; the first is '[fm]'"
    ):
        prepare(kind="table", path=table, read_as={"sex": how})


def test_numbers_beyond_single_precision_stay_apart_and_are_named(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    charge = AMOUNTS * 1e36
    patients.assign(charge=charge).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert_entered(dataset, "charge", charge)
    assert told(dataset, "'charge'", "beyond single precision")


def test_decimals_of_parquet_are_numbers(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    prices = [None if row % 9 == 0 else Decimal(f"{value:.2f}") for row, value in enumerate(AMOUNTS)]
    patients.assign(price=prices).to_parquet(table.with_suffix(".parquet"))
    dataset = prepare(kind="table", path=table.with_suffix(".parquet"))
    assert_entered(dataset, "price", np.where(np.arange(ROWS) % 9 == 0, np.nan, AMOUNTS))
    assert dataset.rows["price"].dtype == np.float64


def test_whole_numbers_with_gaps_keep_groups_apart(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    ids = pd.array(2**60 + np.arange(ROWS) // 4, dtype="Int64")
    ids[::11] = pd.NA
    patients.assign(group=ids).to_parquet(table.with_suffix(".parquet"))
    dataset = prepare(kind="table", path=table.with_suffix(".parquet"))
    assert dataset.manifest["group"].nunique() == 60
    assert dataset.manifest.groupby("group")["split"].nunique().max() == 1


@pytest.mark.parametrize("word", ["None", "NA", "N/A"])
def test_a_word_that_is_common_among_the_labels_is_a_class(
    prepare: Prepare, patients: pd.DataFrame, table: Path, word: str
) -> None:
    labels = patients["label"].where(np.arange(ROWS) % 4 > 0, word)
    patients.assign(label=labels).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert dataset.preparation["classes"] == sorted([word, "better", "worse"])
    assert len(dataset.quarantine) == 0
    assert told(dataset, f"'{word}'", "60", f"data.missing=['{word}']")
    asked = prepare(kind="table", path=table, missing=(word,))
    assert asked.preparation["classes"] == ["better", "worse"]
    assert len(asked.quarantine) == 60


def test_a_rare_word_among_the_labels_and_one_among_numbers_are_missing(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    patients.assign(label=patients["label"].where(np.arange(ROWS) > 2, "NA")).to_csv(table, index=False)
    assert len(prepare(kind="table", path=table).quarantine) == 3
    patients.assign(label=pd.Series(SIGNED).astype("str").where(np.arange(ROWS) % 5 > 0, "None")).to_csv(
        table, index=False
    )
    dataset = prepare(kind="table", path=table, task="auto")
    assert dataset.preparation["task"] == "regression"
    assert len(dataset.quarantine) == 48


def test_words_for_a_missing_value_are_a_setting(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    delta = np.where(np.arange(ROWS) % 6 == 0, -999, SIGNED)
    patients.assign(delta=delta, tone=np.where(np.arange(ROWS) % 5 == 0, "unknown", "NA")).to_csv(table, index=False)
    for file in (table, table.with_suffix(".parquet")):
        pd.read_csv(table, keep_default_na=False).to_parquet(table.with_suffix(".parquet"))
        dataset = prepare(kind="table", path=file, missing=("-999", "unknown"))
        assert_entered(dataset, "delta", np.where(delta == -999, np.nan, delta))
        assert_entered(dataset, "tone", np.where(np.arange(ROWS) % 5 == 0, None, "NA"))


def test_two_words_for_nothing_in_one_column_are_two_values(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    veneer = np.array(["None", "brick", "", "stone"])[np.arange(ROWS) % 4]
    patients.assign(veneer=veneer).to_csv(table, index=False)
    assert_entered(prepare(kind="table", path=table), "veneer", np.where(veneer == "", None, veneer))


def test_spaces_around_cells_names_and_labels_say_nothing(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    lines = patients.to_csv(index=False).splitlines()
    spaced = [line.replace(",", " , ") if row % 2 else line.replace(",", ",\u00a0") for row, line in enumerate(lines)]
    table.write_text("\n".join(spaced))
    dataset = prepare(kind="table", path=table)
    assert dataset.preparation["classes"] == ["better", "worse"]
    assert_entered(dataset, "sex", patients["sex"].to_numpy())
    assert_entered(dataset, "bmi", patients["bmi"].to_numpy())


def test_one_word_in_two_forms_of_unicode_is_one(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    even = np.arange(ROWS) % 2 == 0
    patients = patients.rename(columns={"sex": "gro\u0308\u00dfe"})
    patients["place"] = np.where(even, "K\u00f6ln", np.where(np.arange(ROWS) % 3, "Ko\u0308ln", "Bonn"))
    patients["label"] = np.where(even, "fr\u00fch", np.where(np.arange(ROWS) % 3, "fru\u0308h", "sp\u00e4t"))
    patients.to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert dataset.preparation["classes"] == ["fr\u00fch", "sp\u00e4t"]
    assert_entered(dataset, "place", np.where(~even & (np.arange(ROWS) % 3 == 0), "Bonn", "K\u00f6ln"))
    assert "gr\u00f6\u00dfe=f" in dataset.preparation["features"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_text_of_word_processors_and_spreadsheets_is_read(
    prepare: Prepare, patients: pd.DataFrame, table: Path, encoding: str
) -> None:
    place = np.where(np.arange(ROWS) % 2, "l’été", "“fin” – €")
    table.write_bytes(patients.assign(place=place).to_csv(sep="\t", index=False).encode(encoding))
    assert_entered(prepare(kind="table", path=table), "place", place)


def test_bytes_that_windows_does_not_define_are_what_browsers_take_them_for(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    place = np.where(np.arange(ROWS) % 2, "caf\u00e9", "th\u00e9\x81")
    table.write_bytes(patients.assign(place=place).to_csv(index=False).encode("latin-1"))
    dataset = prepare(kind="table", path=table)
    assert len(dataset.manifest) == ROWS
    assert_entered(dataset, "place", place)


def test_a_nul_in_a_cell_is_a_row_and_not_a_binary_file(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    lines = patients.to_csv(index=False).splitlines()
    lines[8] = lines[8].replace(",", "\0,", 1)
    table.write_text("\n".join(lines))
    dataset = prepare(kind="table", path=table)
    assert dataset.quarantine["path"].tolist() == ["row:7"]


def test_rows_of_spaces_or_of_nothing_are_counted_and_left_out(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    lines = patients.to_csv(index=False).splitlines()
    table.write_text("\n".join([*lines[:100], "   ", *lines[100:], ",,,", " , , ,"]) + "\n")
    dataset = prepare(kind="table", path=table)
    assert len(dataset.quarantine) == 0
    assert len(dataset.manifest) == ROWS
    assert told(dataset, "3 rows have nothing in any cell")


@pytest.mark.parametrize("name", ["Split", "SPLIT"])
def test_a_split_is_one_in_capitals_too(prepare: Prepare, patients: pd.DataFrame, table: Path, name: str) -> None:
    split = np.array(["train", "train", "val", "test"])[np.arange(ROWS) % 4]
    patients.assign(**{name: split, "Group": np.arange(ROWS)}).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    assert dataset.split_given
    assert {column["name"] for column in dataset.preparation["columns"]} == {"bmi", "bp", "sex"}
    assert told(dataset, f"'{name}'", "split")
    assert told(dataset, "'Group'", "group")


@pytest.mark.parametrize("setting", ["group_column", "split_column"])
def test_a_column_that_the_settings_name_and_that_is_not_there_is_refused(
    prepare: Prepare, patients: pd.DataFrame, table: Path, setting: str
) -> None:
    patients.to_csv(table, index=False)
    with pytest.raises(DataError, match=rf"no column 'sexx' .*did you mean 'sex'.*data\.{setting}"):
        prepare(kind="table", path=table, **{setting: "sexx"})


def test_an_index_of_parquet_is_a_column_where_it_has_a_name(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    file = table.with_suffix(".parquet")
    patients.set_index("sex").to_parquet(file)
    assert_entered(prepare(kind="table", path=file), "sex", patients["sex"].to_numpy())
    patients.sample(frac=1, random_state=0).to_parquet(file)
    dataset = prepare(kind="table", path=file)
    assert [column["name"] for column in dataset.preparation["columns"]] == ["bmi", "bp", "sex"]
    assert told(dataset, "index", "left out")


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.tsv", "rows.jsonl", "rows.json", "rows.jsonl.gz", "rows.xlsx"])
def test_files_as_they_are_kept_are_read(prepare: Prepare, patients: pd.DataFrame, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    patients = patients.assign(amount=AMOUNTS).mask(np.arange(ROWS * 5).reshape(ROWS, 5) % 53 == 0)
    patients["label"] = patients["label"].fillna("better")
    if name.endswith(".xlsx"):
        patients.to_excel(file, index=False)
    elif name == "rows.json":
        patients.to_json(file, orient="records")
    elif "json" in name:
        patients.to_json(file, orient="records", lines=True)
    else:
        patients.to_csv(file, index=False, sep="\t" if name.endswith("tsv") else ",")
    dataset = prepare(kind="table", path=file)
    for column in ("bmi", "bp", "amount"):
        assert_entered(dataset, column, patients[column].to_numpy())
    assert_entered(dataset, "sex", patients["sex"].astype(object).where(patients["sex"].notna(), None).to_numpy())


def test_a_line_that_is_no_json_is_quarantined(prepare: Prepare, patients: pd.DataFrame, tmp_path: Path) -> None:
    lines = patients.to_json(orient="records", lines=True).splitlines()
    lines[4] = lines[4][:20]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    dataset = prepare(kind="table", path=tmp_path / "rows.jsonl")
    assert dataset.quarantine["path"].tolist() == ["row:4"]
    assert len(dataset.manifest) == ROWS - 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel workbook of before 2007"),
        (b"ARROW1\0\0" + bytes(600), "Feather"),
        (b"SQLite format 3\0" + bytes(600), "SQLite"),
        (b"PK\x03\x04" + bytes(600), "unpack it"),
        (b"\x00\x01\x02\x03" * 200, "binary"),
    ],
)
def test_a_file_of_another_format_is_refused_by_name(prepare: Prepare, table: Path, content: bytes, words: str) -> None:
    table.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        prepare(kind="table", path=table)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "what"),
    [([[1, 2]], "lists or records"), ([{"a": 1}], "lists or records"), ([b"\x00\x01"], "bytes")],
)
def test_columns_of_no_values_are_refused_by_name_and_can_be_left_out(
    prepare: Prepare, patients: pd.DataFrame, table: Path, cells: list[object], what: str
) -> None:
    file = table.with_suffix(".parquet")
    patients.assign(odd=cells * ROWS).to_parquet(file)
    with pytest.raises(DataError, match=rf"{what} in the column 'odd': leave it out with data.ignore=\[odd\]"):
        prepare(kind="table", path=file)
    assert len(prepare(kind="table", path=file, ignore=("odd",)).manifest) == ROWS


def test_whole_numbers_of_many_values_are_a_quantity_and_numbered_classes_are_classes(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    rows = pd.concat([patients] * 10, ignore_index=True)
    age = DRAW.integers(18, 80, len(rows))
    rows.assign(label=age).to_csv(table, index=False)
    assert prepare(kind="table", path=table).preparation["task"] == "regression"
    rows.assign(label=np.arange(len(rows)) % 62).to_csv(table, index=False)
    assert prepare(kind="table", path=table).preparation["task"] == "classification"


def test_what_was_taken_is_one_line(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    patients.assign(seen=DAYS.dt.strftime("%b %d %Y"), one="same").to_csv(table, index=False, sep=";", decimal=",")
    taken = prepare(kind="table", path=table).taken
    assert taken == (
        "rows.csv: 240 rows (UTF-8, separated by semicolons, decimal commas); label label: 2 classes; "
        "inputs: 2 numbers (bmi, bp), 1 date (seen as %b %d %Y), 1 category (sex); left out: one (one value); "
        "168 train, 36 validation, 36 test."
    )


def test_a_column_of_which_most_rows_share_a_feature_is_named(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    street = [f"street {row // 2}" for row in range(ROWS)]
    patients.assign(street=street).to_csv(table, index=False)
    assert told(prepare(kind="table", path=table), "'street' has 120 values", "50 have a feature each")


def test_a_row_is_read_alike_alone_and_among_others(prepare: Prepare, patients: pd.DataFrame, tmp_path: Path) -> None:
    """What a cell means is decided where the data set is read, never by what else a file to predict holds."""
    table, alone = tmp_path / "rows.csv", tmp_path / "alone.csv"
    spend = [f"{value:,}".replace(",", ".") for value in DRAW.integers(200, 9_000, ROWS)]
    size = np.array(["1.10", "1.1", "2.50", "2.5"])[np.arange(ROWS) % 4]
    rows = patients.assign(spend=spend, size=size).to_csv(sep=";", decimal=",", index=False).splitlines()
    table.write_text("\n".join(rows))
    dataset = prepare(kind="table", path=table, read_as={"size": "category"})
    together = next(iter(kind_of(dataset.preparation).read_raw([table], dataset.preparation))).inputs
    np.testing.assert_array_equal(together, dataset.inputs)
    for row in range(12):
        alone.write_text(f"{rows[0]}\n{rows[row + 1]}")
        one = next(iter(kind_of(dataset.preparation).read_raw([alone], dataset.preparation))).inputs
        np.testing.assert_array_equal(one[0], dataset.inputs[row])


def test_a_packed_file_gives_the_data_set_its_name_without_the_packing(tmp_path: Path) -> None:
    (tmp_path / "houses.csv.gz").write_bytes(gzip.compress(b"a,label\n1,x\n"))
    settings = parse_settings(compose(ROOT, ["data=table", f"data.path={tmp_path / 'houses.csv.gz'}"]))
    assert settings.data.name == "houses"


# What real tables of packages showed


def test_two_digits_of_the_last_century_are_told_of_and_read_as_asked(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    days = pd.Series(pd.date_range("1955-03-01", periods=ROWS, freq="45D"))  # 1955 to 1984
    patients.assign(born=days.dt.strftime("%d/%m/%y")).to_csv(table, index=False)
    guessed = prepare(kind="table", path=table)
    assert told(guessed, "'born' has two digits for the year", "data.read_as.born=%d/%m/19%y")
    asked = prepare(kind="table", path=table, read_as={"born": "%d/%m/19%y"})
    assert_entered(asked, "born", days.to_numpy())
    assert not told(asked, "two digits")


def test_two_digits_of_this_century_are_no_concern(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    patients.assign(seen=DAYS.dt.strftime("%d/%m/%y")).to_csv(table, index=False)
    assert not told(prepare(kind="table", path=table), "two digits")


def test_numbers_that_hardly_repeat_are_a_quantity_however_few_the_rows(prepare: Prepare, table: Path) -> None:
    few = pd.DataFrame({"age": range(18), "boats": [*range(3, 17), 3, 4, 5, 6]})
    few.to_csv(table, index=False)
    assert prepare(kind="table", path=table, label="boats").preparation["task"] == "regression"
    pd.DataFrame({"age": range(18), "boats": [0, 1, 2] * 6}).to_csv(table, index=False)
    assert prepare(kind="table", path=table, label="boats").preparation["task"] == "classification"


def test_a_designed_experiment_is_split_within_its_cells(prepare: Prepare, table: Path) -> None:
    """Two treatments by three doses, ten animals each: equal rows are no copies, and a split has some of each cell."""
    lengths = np.random.default_rng(0).normal(18, 7, 60).round(1)
    cells = [(treatment, dose) for treatment in ("juice", "acid") for dose in (0.5, 1.0, 2.0) for _ in range(10)]
    frame = pd.DataFrame(cells, columns=["treatment", "dose"]).assign(length=lengths)
    frame.to_csv(table, index=False)
    dataset = prepare(kind="table", path=table, label="length")
    for split in ("train", "validation", "test"):
        assert len(frame.iloc[dataset.where(split)][["treatment", "dose"]].drop_duplicates()) >= 4
    again = prepare(kind="table", path=table, label="length")
    assert again.manifest["split"].tolist() == dataset.manifest["split"].tolist()


def test_the_label_among_what_is_ignored_is_said_to_be_the_label(
    prepare: Prepare, patients: pd.DataFrame, table: Path
) -> None:
    patients.to_csv(table, index=False)
    with pytest.raises(DataError, match=r"data\.ignore names 'label', which is the label of"):
        prepare(kind="table", path=table, ignore=["label"])


def test_the_share_that_shares_a_feature_is_of_all_rows(prepare: Prepare, patients: pd.DataFrame, table: Path) -> None:
    names = np.array([f"name {number}" for number in range(ROWS)], dtype=object)
    names[::2] = "Smith"
    names[::3] = None
    patients.assign(name=names).to_csv(table, index=False)
    dataset = prepare(kind="table", path=table)
    rare = pd.Series(names).map(pd.Series(names).value_counts()).eq(1).mean()
    assert not told(dataset, "share one") or told(dataset, f"{rare:.0%} of the rows")


def test_a_split_by_time_is_not_offered_where_the_date_is_all_there_is(prepare: Prepare, table: Path) -> None:
    pd.DataFrame({"when": DAYS.astype("str"), "label": np.arange(ROWS) * 0.5}).to_csv(table, index=False)
    assert not told(prepare(kind="table", path=table), "data.split.by=time")
