"""A split by time: the earliest examples are trained on, the latest are the test, whatever else there is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from recipe.dataset.ingestion import ledger_of
from recipe.dataset.splits import SPLITS
from recipe.dataset.stored import Dataset
from recipe.dataset.time_split import no_later_than_training, split_by_time
from recipe.errors import DataError
from recipe.settings import Settings, Split
from tests.dataset.conftest import Prepare
from tests.dataset.entered import told

SETTINGS = Split(by="time", validation=0.15, test=0.15)
BY_TIME = {"by": "time", "validation": 0.15, "test": 0.15}
ROWS = 200
DAYS = pd.date_range("2024-01-01", periods=ROWS, freq="D")
DRAW = np.random.default_rng(0)


def split(times: Sequence[Any], content: Sequence[str] | None = None, group: Sequence[str] | None = None) -> pd.Series:
    """The split of examples at these times."""
    names = content if content is not None else [f"example {row}" for row in range(len(times))]
    groups = group if group is not None else [None] * len(times)
    examples = pd.DataFrame({"content_id": names, "group": pd.Series(list(groups), dtype="str"), "time": list(times)})
    return split_by_time(examples, SETTINGS, "when", "the data")


def sales(rows: int = ROWS) -> pd.DataFrame:
    """A row a day: two numbers, a shop, and whether much was sold."""
    draw = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "price": draw.normal(5, 1, rows).round(4),
            "visitors": draw.integers(0, 500, rows),
            "shop": draw.choice(["north", "south"], rows),
            "when": pd.date_range("2024-01-01", periods=rows, freq="D").strftime("%Y-%m-%d"),
            "label": draw.choice(["much", "little"], rows),
        }
    )


@pytest.fixture
def ingested(prepare: Prepare, tmp_path: Path) -> Callable[..., Dataset]:
    """The rows as a CSV, prepared, by time unless `split` says otherwise."""

    def run(rows: pd.DataFrame, **data: Any) -> Dataset:
        rows.to_csv(tmp_path / "sales.csv", index=False)
        return prepare(kind="table", path=tmp_path / "sales.csv", **{"split": BY_TIME, **data})

    return run


def days(dataset: Dataset, name: str) -> list[str]:
    """When the examples of a split were, in order."""
    return sorted(dataset.manifest["time"].iloc[dataset.where(name)].astype("str").tolist())


# What goes where


def test_the_earliest_are_trained_on_and_the_latest_are_the_test_by_the_shares() -> None:
    splits = split(DAYS)
    assert splits.tolist() == ["train"] * 140 + ["validation"] * 30 + ["test"] * 30


def test_the_order_of_the_rows_changes_nothing(ingested: Callable[..., Dataset]) -> None:
    straight, shuffled = ingested(sales()), ingested(sales().sample(frac=1, random_state=3))
    for name in SPLITS:
        assert days(straight, name) == days(shuffled, name)
    assert days(straight, "train")[-1] < days(straight, "validation")[0]
    assert days(straight, "validation")[-1] < days(straight, "test")[0]


def test_equal_times_stay_on_one_side_of_a_cut() -> None:
    months = pd.to_datetime(pd.Series(DAYS).dt.strftime("%Y-%m-01"))
    splits = split(months)
    assert splits.groupby(months).nunique().max() == 1
    assert splits.value_counts().to_dict() == {"train": 152, "validation": 30, "test": 18}


def test_a_last_day_that_holds_most_is_the_test_whole() -> None:
    splits = split([1, 2, 3, 4, *[5] * 96])
    assert splits.value_counts().to_dict() == {"test": 96, "train": 3, "validation": 1}


def test_a_group_goes_by_its_latest_time_so_that_training_ends_before_the_cuts() -> None:
    times = np.arange(ROWS)
    groups = [f"customer {row % 140}" if row < 140 or row > 180 else f"one day {row}" for row in range(ROWS)]
    splits = split(times, group=groups)
    assert splits.groupby(groups).nunique().max() == 1
    latest = pd.Series(times).groupby(groups).transform("max")
    assert latest[splits == "train"].max() < latest[splits == "validation"].min()
    assert latest[splits == "validation"].max() < latest[splits == "test"].min()
    assert times[splits == "train"].max() < latest[splits != "train"].min()
    early = no_later_than_training(pd.DataFrame({"time": times}), splits)
    assert early == int((times[splits != "train"] <= times[splits == "train"].max()).sum()) > 0


def test_groups_that_reach_over_a_cut_are_told(ingested: Callable[..., Dataset]) -> None:
    rows = sales().assign(
        group=[f"customer {row % 100}" if row in (3, 5, 103, 105, 199) else row for row in range(ROWS)]
    )
    rows.loc[199, "group"] = "customer 3"
    dataset = ingested(rows)
    assert dataset.manifest["group"].groupby(dataset.manifest["group"]).size().max() == 3
    assert told(dataset, "2 of the", "are no later than the latest of training", "later ones of their group")
    assert not told(ingested(sales()), "no later than")


def test_copies_go_by_their_latest_time() -> None:
    content = [f"picture {row}" for row in range(ROWS)]
    content[199] = content[0]
    splits = split(DAYS, content)
    assert splits[0] == splits[199] == "test"


def test_rows_that_differ_in_their_time_alone_are_two_events_and_keep_their_ids_whatever_the_split(
    ingested: Callable[..., Dataset],
) -> None:
    rows = sales()
    rows.loc[199, ["price", "visitors", "shop", "label"]] = rows.loc[0, ["price", "visitors", "shop", "label"]]
    by_time = ingested(rows)
    assert by_time.manifest["content_id"].is_unique
    assert [by_time.manifest["split"].iloc[row] for row in (0, 199)] == ["train", "test"]
    by_chance = ingested(rows, split={"validation": 0.15, "test": 0.15})
    assert by_chance.manifest["content_id"].tolist() == by_time.manifest["content_id"].tolist()


def test_rows_without_a_time_are_in_quarantine_with_the_reason_and_told(ingested: Callable[..., Dataset]) -> None:
    rows = sales()
    rows.loc[[4, 90], "when"] = ["", "soon"]
    dataset = ingested(rows)
    assert dataset.quarantine[["path", "reason"]].to_numpy().tolist() == [
        ["row:4", "column 'when' is empty, and the split goes by it"],
        ["row:90", "'soon' in column 'when' is no date as ISO8601"],
    ]
    assert len(dataset.manifest) == ROWS - 2
    assert told(dataset, "2 rows are left out for want of a time in 'when'")


# As the set grows


def test_the_cuts_move_on_as_the_set_grows_and_nothing_is_remembered(
    ingested: Callable[..., Dataset], workspace: Path
) -> None:
    before, after = ingested(sales(200)), ingested(sales(200).pipe(lambda rows: pd.concat([rows, later(rows)])))
    assert set(days(before, "test")) <= set(days(after, "train")) | set(days(after, "validation"))
    assert days(after, "test")[0] > days(before, "test")[-1]
    assert not list((workspace / ".recipe").rglob("*.parquet"))
    assert days(ingested(sales(200)), "test") == days(before, "test")


def later(rows: pd.DataFrame) -> pd.DataFrame:
    """As many rows of the days after."""
    dates = pd.to_datetime(rows["when"]) + pd.Timedelta(days=len(rows))
    return rows.assign(when=dates.dt.strftime("%Y-%m-%d"), price=rows["price"] + 1)


def test_a_ledger_of_before_there_were_splits_by_time_is_found_again(default_settings: Settings) -> None:
    data = default_settings.data.model_copy(update={"name": "digits", "path": "digits"})
    assert ledger_of(Path("/work"), Path("/work/digits"), data, False).name == LEDGER_OF_BEFORE


LEDGER_OF_BEFORE = "digits-e11b9ca62b68178c.parquet"


# What the net gets, and what is told


@pytest.mark.parametrize("ignore", [(), ("when",)])
def test_the_column_that_splits_is_no_input_ignored_or_not(
    ingested: Callable[..., Dataset], ignore: tuple[str, ...]
) -> None:
    dataset = ingested(sales(), ignore=ignore)
    assert [column["name"] for column in dataset.preparation["columns"]] == ["price", "visitors", "shop"]
    assert dataset.taken.endswith(
        "140 train to 2024-05-19, 30 validation to 2024-06-18, 30 test to 2024-07-18, by when, which is no input."
    )
    assert dataset.time_column == "when"


def test_one_of_several_columns_of_dates_is_named_and_the_other_stays_an_input(
    ingested: Callable[..., Dataset],
) -> None:
    rows = sales().assign(born=pd.to_datetime("1980-01-01") + pd.to_timedelta(DRAW.integers(0, 9000, ROWS), "D"))
    dataset = ingested(rows, split={**BY_TIME, "column": "when"})
    assert [column["name"] for column in dataset.preparation["columns"]] == ["price", "visitors", "shop", "born"]


def test_a_named_column_of_numbers_has_an_order_too(ingested: Callable[..., Dataset]) -> None:
    rows = sales().drop(columns="when").assign(year=1990 + np.arange(ROWS) // 8)
    dataset = ingested(rows, split={**BY_TIME, "column": "year"})
    assert "train to 2006, " in dataset.taken
    assert "year" not in [column["name"] for column in dataset.preparation["columns"]]


def test_dates_are_read_as_the_settings_say(ingested: Callable[..., Dataset]) -> None:
    rows = sales().assign(when=pd.Series(DAYS).dt.strftime("%d/%m/%Y"))
    dataset = ingested(rows, read_as={"when": "%d/%m/%Y"})
    assert days(dataset, "train")[0] == "2024-01-01"
    assert days(dataset, "test")[-1] == "2024-07-18"


def test_images_go_by_a_column_of_their_list(prepare: Prepare, digit_folder: Path) -> None:
    paths = sorted(path.relative_to(digit_folder).as_posix() for path in digit_folder.rglob("*.png"))
    order = np.random.default_rng(0).permutation(len(paths))
    listed = pd.DataFrame({"path": paths, "label": [path[0] for path in paths], "taken": DAYS[order].astype("str")})
    listed.loc[0, "taken"] = "unknown"
    listed.to_csv(digit_folder / "labels.csv", index=False)
    dataset = prepare(kind="image_folder", path=digit_folder, split=BY_TIME)
    assert days(dataset, "train")[-1] < days(dataset, "validation")[0] <= days(dataset, "validation")[-1]
    assert days(dataset, "validation")[-1] < days(dataset, "test")[0]
    assert dataset.quarantine["reason"].tolist() == ["'unknown' in column 'taken' is no date as ISO8601"]
    assert "taken" not in dataset.user_columns
    assert dataset.taken.endswith("by taken, which is no input.")


# What cannot be split so


def test_too_few_times_are_told() -> None:
    with pytest.raises(DataError, match="end at 2 different times by 'when', too few for train, validation and test"):
        split([1] * 50 + [2] * 50)


REFUSED: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], str]] = {
    "no date": (lambda rows: rows.drop(columns="when"), {}, "has no column of dates for data.split.by=time: name"),
    "several": (
        lambda rows: rows.assign(paid=rows["when"]),
        {},
        "has 2 columns of dates, .* such as data.split.column=when; the others are paid",
    ),
    "a column that is not there": (lambda rows: rows, {"column": "whem"}, "no column 'whem' .*did you mean 'when'"),
    "a category": (lambda rows: rows, {"column": "shop"}, r"'shop' .* does not say when a row was, .*read_as\.shop="),
    "times of day": (
        lambda rows: rows.assign(at="12:30").drop(columns="when"),
        {},
        "has no column of dates for data.split.by=time",
    ),
    "a split of its own": (
        lambda rows: rows.assign(split=np.array(["train", "train", "val", "test"])[np.arange(ROWS) % 4]),
        {},
        "has a split of its own, and data.split.by=time would make another",
    ),
    "the second class only late": (
        lambda rows: rows.assign(label=np.where(np.arange(ROWS) < 150, "old", "new")),
        {},
        "All 140 training examples .* are of the class 'old', since others come later by 'when'",
    ),
    "nothing else to learn from": (lambda rows: rows[["when", "label"]], {}, "no column beside 'label' and 'when'"),
}


@pytest.mark.parametrize(("change", "settings", "words"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_such_split_is_told_in_a_sentence(
    ingested: Callable[..., Dataset],
    change: Callable[[pd.DataFrame], pd.DataFrame],
    settings: dict[str, Any],
    words: str,
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        ingested(change(sales()), split={**BY_TIME, **settings})
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_images_without_a_list_have_no_times(prepare: Prepare, digit_folder: Path) -> None:
    with pytest.raises(DataError, match=r"has no column of dates for data\.split\.by=time: leave it out"):
        prepare(kind="image_folder", path=digit_folder, split=BY_TIME)
    with pytest.raises(DataError, match="digits has no column of dates"):
        prepare(kind="builtin", name="digits", path="-", split=BY_TIME)


# The offer

OFFER = "data.split.by=time trains on the earliest and tests on the latest."
LATE = sales().assign(when=pd.Series(DAYS + pd.to_timedelta(DRAW.integers(0, 9, ROWS), "D")).astype("str"))
PANEL = pd.concat([sales(60).assign(shop=f"shop {number}") for number in range(5)])


@pytest.mark.parametrize(
    "rows", [sales(), sales()[::-1], LATE, PANEL], ids=["in order", "backwards", "some came late", "shop after shop"]
)
def test_rows_in_the_order_of_a_date_are_offered_a_split_by_time(
    ingested: Callable[..., Dataset], rows: pd.DataFrame
) -> None:
    dataset = ingested(rows, split={"validation": 0.15, "test": 0.15})
    assert told(dataset, "The rows lie in the order of 'when'", OFFER)
    assert not told(ingested(rows), OFFER)


def test_the_offer_names_the_column_where_there_are_several(ingested: Callable[..., Dataset]) -> None:
    rows = sales().rename(columns={"when": "sold on"})
    rows.insert(0, "born", DRAW.permutation(pd.date_range("1950-01-01", periods=ROWS, freq="40D").astype("str")))
    dataset = ingested(rows, split={"validation": 0.15, "test": 0.15})
    assert told(dataset, "data.split.by=time 'data.split.column=sold on' trains on")


NOT_OFFERED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "birthdays in an order of chance": lambda rows: rows.assign(when=DRAW.permutation(rows["when"])),
    "few rows": lambda rows: rows.head(40),
    "a few dates": lambda rows: rows.assign(when=rows["when"].str[:7]),
    "a split of its own": lambda rows: rows.assign(split=np.array(["train", "val", "test"])[np.arange(ROWS) % 3]),
    "a number that counts": lambda rows: rows.assign(when=np.arange(ROWS)),
}


@pytest.mark.parametrize("change", NOT_OFFERED.values(), ids=NOT_OFFERED)
def test_nothing_is_offered_where_the_order_says_nothing(
    ingested: Callable[..., Dataset], change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    assert not told(ingested(change(sales()), split={"validation": 0.15, "test": 0.15}), "data.split.by=time")


def test_a_thousand_files_of_birthdays_in_an_order_of_chance_are_offered_nothing() -> None:
    from recipe.dataset.time_order import _is_in_order

    assert not any(
        _is_in_order(np.random.default_rng(seed).integers(0, 20_000, 50).astype(float)) for seed in range(999)
    )


# What it is for


def test_a_model_that_gains_by_a_look_at_the_future_is_shown(ingested: Callable[..., Dataset]) -> None:
    """What drifts along is known from its neighbours in time by chance alone, and tells nothing of what comes next."""
    draw = np.random.default_rng(3)
    count = 1_500
    drifting = np.cumsum(draw.normal(0, 1, (count, 4)), axis=0).round(3)
    weather = np.repeat(draw.integers(0, 2, count // 10), 10)  # the same for ten days, whatever else
    rows = pd.DataFrame(drifting, columns=list("abcd")).assign(
        when=pd.date_range("2020-01-01", periods=count, freq="D").astype("str"),
        label=np.where(weather == 1, "wet", "dry"),
    )

    def accuracy(dataset: Dataset) -> float:
        training, test = dataset.where("train"), dataset.where("test")
        model = KNeighborsClassifier(1).fit(dataset.inputs[training], dataset.targets[training])
        return float(model.score(dataset.inputs[test], dataset.targets[test]))

    by_chance = accuracy(ingested(rows, ignore=["when"], split={"validation": 0.15, "test": 0.15}))
    by_time = accuracy(ingested(rows))
    assert by_chance > 0.8
    assert by_time == pytest.approx(0.5, abs=0.1)
