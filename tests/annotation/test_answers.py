"""What people answered is on the disk at once, and is read back whatever cut it off."""

from pathlib import Path

import pandas as pd
import pytest

from recipe.annotation.agreement import agreement, closeness
from recipe.annotation.answers import HEADER, Answer, add_answer, read_answers
from recipe.annotation.sample import drawn
from recipe.errors import DataError
from recipe.statistics.intervals import wilson
from tests.faults.data import ingested


def answer(id: str, label: str, who: str = "anna", turn: int = 1) -> Answer:
    return Answer(id, who, label, 1.5, "2026-12-01T15:00:00+00:00", turn)


def test_the_last_line_of_an_example_counts_and_an_empty_one_takes_it_back(tmp_path: Path) -> None:
    path = tmp_path / "data" / "annotations.csv"
    given = [
        answer("a", "1"),
        answer("b", "=7"),
        answer("a", "2"),
        answer("a", "3", turn=2),
        answer("b", ""),
        answer("c", "4", 'ö, "x"'),
    ]
    for one in given:
        add_answer(path, one)
    assert path.read_text(encoding="utf-8").startswith(f"{HEADER}\na,anna,1,1.5,")
    assert read_answers(path, "annotations.csv") == [given[2], given[3], given[5]]
    assert "'=7" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_line_that_was_cut_off_anywhere_takes_no_other_with_it(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    add_answer(path, answer("a", "1"))
    add_answer(path, answer("b", 'two, in "quotes"'))
    path.write_bytes(path.read_bytes()[:-cut])
    add_answer(path, answer("c", "3"))
    assert [one.id for one in read_answers(path, "annotations.csv")] in (["a", "c"], ["a", "b", "c"])


def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text("path,label\na.png,7\n")
    with pytest.raises(DataError, match=r"Line 1 of annotations\.csv is not id,who"):
        read_answers(path, "annotations.csv")
    path.write_bytes(f"{HEADER}\nf\xfcr\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"Line 2 .* is not UTF-8"):
        read_answers(path, "annotations.csv")
    assert read_answers(tmp_path / "none.csv", "none.csv") == []


def test_a_sample_has_each_class_in_an_order_that_tells_nothing_and_is_the_same_for_all(tmp_path: Path) -> None:
    manifest = ingested(tmp_path, "data=digits").manifest
    rows = drawn(manifest, "test", 50, strata=True)
    assert rows == drawn(manifest.copy(), "test", 50, strata=True)
    labels = manifest["label"].iloc[rows]
    assert labels.value_counts().between(4, 6).all() and labels.nunique() == 10
    assert set(manifest["split"].iloc[rows]) == {"test"}
    assert labels.iloc[:10].nunique() < 10  # one of each first would tell the tenth
    shuffled = manifest.sample(frac=1, random_state=0).reset_index(drop=True)
    again = drawn(shuffled, "test", 50, strata=True)
    assert shuffled["id"].iloc[again].tolist() == manifest["id"].iloc[rows].tolist()
    assert len(drawn(manifest, "test", 10_000, strata=True)) == len(drawn(manifest, "test", None, strata=True))
    skewed = manifest.assign(label=["rare" if row == rows[0] else "common" for row in range(len(manifest))])
    assert rows[0] in drawn(skewed, "test", 2, strata=True)


def test_kappa_is_cohens_and_its_interval_holds_what_it_says() -> None:
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = agreement(first, second, wilson(35, 50))
    assert found.share.value == 0.7 and found.kappa.value == pytest.approx(0.4)  # Cohen's own kind of example
    full = agreement(["a", "b"] * 20, ["a", "b"] * 20, wilson(40, 40))
    assert full.kappa.value == 1.0 and 0.7 < full.kappa.low < full.kappa.high == 1.0


def test_closeness_is_that_of_the_textbook() -> None:
    given = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]).to_numpy()
    exact, off = closeness(given, given), closeness(given, given + 1)
    assert (exact.rmse, exact.r2, exact.correlation.value) == (0.0, 1.0, pytest.approx(1.0))
    assert (off.rmse, off.r2) == (1.0, 0.5) and off.correlation.value == pytest.approx(1.0)
    assert closeness(given[:2], given[:2]).correlation.value != closeness(given[:2], given[:2]).correlation.value
