from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from recipe.dataset.kind import kind_named
from recipe.inspection.drift import WHOLE, Sample, drift
from recipe.settings import Stages
from tests.faults.data import breast_cancer, digits

SETTINGS = Stages.default().data.drift
ROUNDS = 25  # at a rate of 1 % more than 3 of them are flagged once in 10,000 runs
MOST_FLAGGED = 3

Images = np.ndarray


def images(rows: np.ndarray, change: Callable[[Images], Images] = lambda images: images) -> Sample:
    """Some of the real digits, with what ingest measures of images; `change` gets and gives bytes as floats."""
    pixels, labels = digits()
    inputs = np.clip(np.round(change(pixels[rows].astype(float))), 0, 255).astype(np.uint8)[:, np.newaxis]
    levels = inputs.reshape(len(rows), -1) / 255
    measured = {"width": 8, "height": 8, "mode": "L", "brightness": levels.mean(1), "contrast": levels.std(1)}
    columns = pd.DataFrame(measured, index=range(len(rows)))
    return Sample(columns, kind_named("image_folder").pooled(inputs), pd.Series(labels[rows]).astype("str"))


def rows_of(frame: pd.DataFrame) -> Sample:
    """Rows of the real breast cancer table, standardised by the whole of it."""
    whole = breast_cancer().drop(columns="diagnosis")
    numbers = frame[whole.columns].apply(pd.to_numeric, errors="coerce").fillna(whole.median())
    inputs = ((numbers - whole.mean()) / whole.std()).to_numpy(np.float32)
    return Sample(frame.drop(columns="diagnosis"), inputs, frame["diagnosis"])


def halves(count: int, batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint draws from `count` rows: all others, and the batch."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[batch:]), np.sort(order[:batch])


def split_table(batch: int = 150) -> tuple[pd.DataFrame, pd.DataFrame]:
    reference, rows = halves(569, batch, 0)
    return breast_cancer().iloc[reference].copy(), breast_cancer().iloc[rows].reset_index(drop=True)


def flagged(table: pd.DataFrame) -> list[str]:
    return list(table.loc[table["flagged"], "column"])


def row_of(table: pd.DataFrame, column: str) -> pd.Series:
    return table.set_index("column").loc[column]


@pytest.mark.parametrize("batch", [5, 50, 898])
def test_random_parts_of_the_digits_are_flagged_no_more_than_stated(batch: int) -> None:
    draws = [halves(1797, batch, seed) for seed in range(ROUNDS)]

    found = [flagged(drift(images(rest), images(rows), SETTINGS)) for rest, rows in draws]

    assert sum(map(bool, found)) <= MOST_FLAGGED


@pytest.mark.parametrize("batch", [1, 20, 150])
def test_random_parts_of_a_table_are_flagged_no_more_than_stated(batch: int) -> None:
    draws = [halves(569, batch, seed) for seed in range(ROUNDS)]
    whole = breast_cancer()

    found = [flagged(drift(rows_of(whole.iloc[rest]), rows_of(whole.iloc[rows]), SETTINGS)) for rest, rows in draws]

    assert sum(map(bool, found)) <= MOST_FLAGGED


def test_a_column_that_moved_by_half_a_standard_deviation_is_found_and_mostly_named() -> None:
    reference, batch = split_table()
    named = []
    for column in reference.columns[:10]:
        moved = batch.assign(**{column: batch[column] + reference[column].std() / 2})
        found = flagged(drift(rows_of(reference), rows_of(moved), SETTINGS))
        assert found and set(found) <= {column, WHOLE}
        named.append(column in found)

    assert sum(named) >= 8


def test_a_column_that_moved_is_told_by_both_medians() -> None:
    reference, batch = split_table()
    batch["mean radius"] += reference["mean radius"].std()

    table = drift(rows_of(reference), rows_of(batch), SETTINGS, "diagnosis")

    medians = [f"{frame['mean radius'].median():.4g}" for frame in (batch, reference)]
    assert row_of(table, "mean radius")["flagged"]
    assert row_of(table, "mean radius")["detail"] == "The median is {} where the reference has {}.".format(*medians)
    assert list(table.columns) == ["column", "score", "p_value", "flagged", "detail"]
    assert set(table["column"]) == {*reference.columns, WHOLE}


def test_a_column_in_another_unit_is_named() -> None:
    reference, batch = split_table()
    batch["worst smoothness"] *= 1.1  # its mean is six standard deviations

    assert "worst smoothness" in flagged(drift(rows_of(reference), rows_of(batch), SETTINGS))


def test_more_missing_cells_are_told_first() -> None:
    reference, batch = split_table()
    batch.loc[::4, "mean texture"] = np.nan

    table = drift(rows_of(reference), rows_of(batch), SETTINGS)

    assert flagged(table)[0] == "mean texture"
    assert row_of(table, "mean texture")["detail"].startswith("25.3 % are missing where the reference has 0.0 %; ")


def test_a_move_of_the_middle_does_not_hide_behind_missing_cells() -> None:
    reference, batch = split_table()
    reference.loc[::10, "mean texture"] = np.nan
    batch["mean texture"] += reference["mean texture"].std() / 2
    batch.loc[::5, "mean texture"] = np.nan

    assert "mean texture" in flagged(drift(rows_of(reference), rows_of(batch), SETTINGS))


def test_numbers_that_became_text_count_as_missing() -> None:
    reference, batch = split_table()
    batch["mean area"] = "large"

    table = drift(rows_of(reference), rows_of(batch), SETTINGS)

    assert row_of(table, "mean area")["detail"] == "100.0 % are missing where the reference has 0.0 %."
    assert row_of(table, "mean area")["flagged"]


def test_a_replaced_category_is_named_as_new() -> None:
    reference, batch = split_table()
    rng = np.random.default_rng(0)
    for frame in (reference, batch):
        frame["clinic"] = rng.choice(["north", "south", "west"], len(frame))
    batch["clinic"] = batch["clinic"].replace("west", "harbour")

    table = drift(rows_of(reference), rows_of(batch), SETTINGS)

    assert flagged(table) == ["clinic"]
    assert "'harbour' is new" in row_of(table, "clinic")["detail"]


def test_a_code_written_as_a_number_is_a_category() -> None:
    reference, batch = split_table()
    rng = np.random.default_rng(0)
    for frame in (reference, batch):
        frame["site"] = rng.integers(1, 6, len(frame))
    batch["site"] = batch["site"].replace(3, 4)

    table = drift(rows_of(reference), rows_of(batch), SETTINGS)

    assert flagged(table) == ["site"]
    assert "'3' makes up 0.0 %" in row_of(table, "site")["detail"] or "'4' makes up" in row_of(table, "site")["detail"]


def test_later_dates_are_named_with_both_medians() -> None:
    reference, batch = split_table()
    reference["visit"] = pd.date_range("2024-01-01", periods=len(reference)).strftime("%d.%m.%Y")
    batch["visit"] = pd.date_range("2025-06-01", periods=len(batch)).strftime("%d.%m.%Y")

    table = drift(rows_of(reference), rows_of(batch), SETTINGS)

    assert flagged(table) == ["visit"]
    assert row_of(table, "visit")["detail"] == "The median is 2025-08-14 where the reference has 2024-07-28."


def test_a_class_three_times_as_frequent_is_named_with_its_shares() -> None:
    _, labels = digits()
    reference, others = halves(1797, 700, 0)
    threes = others[labels[others] == 3][:38]
    batch = np.sort(np.concatenate([threes, others[labels[others] != 3][:112]]))

    table = drift(images(reference), images(batch), SETTINGS)

    assert "label" in flagged(table)
    assert row_of(table, "label")["detail"].startswith("'3' makes up 25.3 % where the reference has ")


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: 255 - pixels,
        lambda pixels: 1.2 * pixels,
        lambda pixels: 0.8 * pixels,
        lambda pixels: np.roll(pixels, 1, axis=2),
        lambda pixels: pixels + np.random.default_rng(0).normal(0, 25, pixels.shape),
    ],
    ids=["inverted", "brighter", "fainter", "shifted", "noisy"],
)
def test_changed_images_are_told_from_the_reference(change: Callable[[Images], Images]) -> None:
    reference, batch = halves(1797, 50, 0)

    assert WHOLE in flagged(drift(images(reference), images(batch, change), SETTINGS))


def test_other_writers_are_told_from_the_reference() -> None:
    by_writer = np.arange(1797)  # the digits come writer after writer

    table = drift(images(by_writer[:1200]), images(by_writer[1200:1500]), SETTINGS)

    assert flagged(table)[0] == WHOLE


def test_copies_in_the_batch_are_no_drift() -> None:
    reference, batch = halves(1797, 100, 0)
    plain = drift(images(reference), images(batch), SETTINGS)
    doubled = drift(images(reference), images(np.repeat(batch, 2)), SETTINGS)

    assert abs(row_of(doubled, WHOLE)["score"] - row_of(plain, WHOLE)["score"]) < 0.1
    assert not row_of(doubled, WHOLE)["flagged"]


def test_what_is_constant_empty_or_numbers_the_rows_does_not_move() -> None:
    reference, batch = split_table()
    for frame, start in ((reference, 0), (batch, 10_000)):
        frame["unit"] = "mm"
        frame["remark"] = None
        frame["patient id"] = range(start, start + len(frame))

    table = drift(rows_of(reference), rows_of(batch), SETTINGS)

    assert not flagged(table)
    assert list(table.set_index("column").loc[["unit", "remark", "patient id"], "score"]) == [0, 0, 0]


def test_a_column_that_the_batch_lacks_is_flagged_and_one_more_is_not() -> None:
    reference, batch = split_table()
    sample = rows_of(batch)
    columns = sample.columns.drop(columns="mean area").assign(colour="red")

    table = drift(rows_of(reference), Sample(columns, sample.vectors, None), SETTINGS)

    assert flagged(table) == ["mean area"]
    assert row_of(table, "colour")["score"] == 0
    assert "label" not in set(table["column"])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_a_handful_of_rows_is_compared_without_alarm(count: int) -> None:
    reference, batch = split_table()

    table = drift(rows_of(reference), rows_of(batch.iloc[:count]), SETTINGS)

    assert not flagged(table)
    assert table["score"].between(0, 1).all()
    assert table["p_value"].between(0, 1).all()


def test_five_rows_of_another_kind_are_flagged() -> None:
    reference, batch = split_table()
    batch["mean radius"] += 40

    assert flagged(drift(rows_of(reference), rows_of(batch.iloc[:5]), SETTINGS)) == ["mean radius"]


def test_the_same_samples_give_the_same_table() -> None:
    reference, batch = (images(rows) for rows in halves(1797, 300, 0))

    first, second = (drift(reference, batch, SETTINGS) for _ in range(2))

    pd.testing.assert_frame_equal(first, second)
