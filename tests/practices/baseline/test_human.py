"""What a person reaches, beside the data set and beside another person."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recipe.annotation.annotated import Annotated, annotated
from recipe.annotation.answers import Answer, add_answer
from recipe.annotation.sample import drawn
from recipe.dataset.test_ledger import readings
from recipe.practices.baseline.human import human
from recipe.settings import Settings
from recipe.training.experiment import Experiment
from tests.faults.data import composed, ingested

Said = Callable[[str, int], str]


@pytest.fixture
def people(tmp_path: Path) -> Callable[..., Annotated]:
    """What people said of the first of a sample: for each a function of the given label and the place."""

    def make(data: str, count: int, turn: int = 1, split: str = "test", **people: Said) -> Annotated:
        settings: Settings = composed(f"data={data}")
        dataset = ingested(tmp_path, f"data={data}")
        rows = drawn(dataset.manifest, split, count, strata=dataset.preparation["classes"] is not None)
        for who, said in people.items():
            for place, row in enumerate(rows):
                example = dataset.manifest.iloc[row]
                label = said(example["label"], place)
                given = Answer(example["id"], who, label, 2.0, "2026-12-01T15:00:00+00:00", turn)
                add_answer(tmp_path / "data" / "annotations.csv", given)
        return annotated(tmp_path, settings, tmp_path)

    return make


def wrong_on(places: range) -> Said:
    return lambda given, place: str((int(given) + 1) % 10) if place in places else given


def test_where_nobody_has_annotated_it_says_how(people: Callable[..., Annotated], digits_cnn: Experiment) -> None:
    for finding in (human(people("digits", 10)), human(digits_cnn)):
        assert finding.skipped and "`recipe annotate --sample 100`" in finding.summary


def test_a_person_is_held_to_the_given_labels_and_the_reading_is_kept(
    people: Callable[..., Annotated], tmp_path: Path
) -> None:
    finding = human(people("digits", 100, anna=wrong_on(range(6))))
    assert finding.measured == 0.94 and finding.interval == pytest.approx((0.8752, 0.9722), abs=1e-4)
    assert finding.summary.startswith(
        "anna labels 94 of 100 test examples as the data set does: 0.9400 [0.8752, 0.9722], kappa 0.933 ["
    )
    assert finding.summary.endswith("2.0 s a label.") and set(finding.figures) == {"confusion"}
    human(people("digits", 100))
    [first, again] = readings(tmp_path, "digits")
    assert (first.reader, first.examples, first.figure) == ("baseline/human", 100, 0.94)
    assert (first.data, first.model) == (again.data, again.model)  # the same answers, which tell nothing new


def test_two_people_and_two_passes_are_compared_on_what_both_labelled(people: Callable[..., Annotated]) -> None:
    people("digits", 60, anna=wrong_on(range(6)))
    people("digits", 40, ben=wrong_on(range(3)))
    table = human(people("digits", 20, turn=2, anna=wrong_on(range(0)))).table
    pairs = {(one["who"], one["beside"]): (one["examples"], one["figure"]) for one in table.to_dict("records")}
    assert set(pairs) == {
        ("anna", "the data set"),
        ("ben", "the data set"),
        ("anna in pass 2", "the data set"),
        ("anna", "ben"),
        ("anna", "anna in pass 2"),
        ("ben", "anna in pass 2"),
    }
    assert pairs["anna", "the data set"] == (60, 0.9)
    assert pairs["anna", "anna in pass 2"][0] == 20
    assert table["kappa_low"].le(table["kappa"]).all() and table["kappa"].le(table["kappa_high"]).all()


def test_a_quantity_is_held_to_its_variance(people: Callable[..., Annotated]) -> None:
    def near(given: str, place: int) -> str:
        return str(float(given) + (10 if place % 2 else -10))

    finding = human(people("diabetes", 60, anna=near, ben=lambda given, place: given))
    rows = finding.table.set_index(["who", "beside"])
    assert rows.loc[("anna", "the data set"), "rmse"] == pytest.approx(10)
    assert rows.loc[("anna", "ben"), "rmse"] == pytest.approx(10)
    assert 0.9 < finding.measured < 1 and rows.loc[("ben", "the data set"), "figure"] == 1.0
    assert "off by 10 (RMSE)" in finding.summary and set(finding.figures) == {"beside_given"}
    assert np.isnan(rows["kappa"]).all()


def test_labels_of_the_validation_split_read_no_test_label(people: Callable[..., Annotated], tmp_path: Path) -> None:
    finding = human(people("digits", 30, split="validation", anna=wrong_on(range(0))))
    assert "30 of 30 validation examples" in finding.summary and finding.interval[1] == 1.0
    assert readings(tmp_path, "digits") == []


def test_ids_of_another_set_are_passed_over(people: Callable[..., Annotated], tmp_path: Path) -> None:
    add_answer(tmp_path / "data" / "annotations.csv", Answer("feed", "anna", "7", 1.0, "", 1))
    assert human(people("digits", 10)).skipped
    assert json.dumps(human(people("digits", 10, anna=wrong_on(range(1)))).measured) == "0.9"
