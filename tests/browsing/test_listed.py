from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipe.browsing.listed import found_by, listed_in, suspicion
from recipe.evidence import Finding
from recipe.pipeline.stage import saved

IDS = pd.Series(["a", "b", "c", "=d"])


def finding(practice: str, **columns: object) -> Finding:
    return Finding(summary="", table=pd.DataFrame(columns), practice=practice)


def listed(folder: Path, *findings: Finding) -> list:
    return listed_in([saved(one, folder, "data") for one in findings], folder, IDS)


def test_a_list_of_examples_gives_scores_and_flags(tmp_path: Path) -> None:
    [one] = listed(
        tmp_path, finding("data/new", id=["b", "a"], score=[0.9, 0.2], flagged=[True, False], axis=["x", "y"])
    )

    assert one.scores[:2].tolist() == [0.2, 0.9] and np.isnan(one.scores[2:]).all()
    assert one.flagged.tolist() == [False, True, False, False]
    assert one.told.to_dict("records") == [{"row": 1, "other": -1, "why axis": "x"}]


def test_what_a_table_without_flags_lists_is_flagged(tmp_path: Path) -> None:
    [one] = listed(tmp_path, finding("data/blank", id=["c"], path=["p"], reason=["black"], score=[1.0]))

    assert one.flagged.tolist() == [False, False, True, False]


def test_both_sides_of_a_pair_are_flagged_and_lead_to_each_other(tmp_path: Path) -> None:
    pairs = finding("data/near", id_a=["a"], path_a=["p"], id_b=["c"], path_b=["q"], kind=["near"], score=[0.7])

    [one] = listed(tmp_path, pairs)

    assert one.flagged.tolist() == [True, False, True, False]
    assert one.scores[[0, 2]].tolist() == [0.7, 0.7]
    assert one.told[["row", "other", "why kind"]].values.tolist() == [[0, 2, "near"], [2, 0, "near"]]


def test_an_id_that_a_spreadsheet_would_compute_is_known_again(tmp_path: Path) -> None:
    [one] = listed(tmp_path, finding("data/blank", id=["=d"], reason=["+1+1"]))

    assert one.flagged.tolist() == [False, False, False, True]
    assert one.told["why reason"].tolist() == ["+1+1"]


def test_what_is_no_list_of_examples_or_names_unknown_ones_says_nothing_of_any(tmp_path: Path) -> None:
    checks = finding("data/expectations", column=["width"], met=[True])
    columns = finding("data/bias", column=["width"], score=[0.9], flagged=[True])
    quarantined = finding("data/unreadable", id=["z", ""], path=["p", "q"], reason=["empty", "empty"])
    empty = finding("data/duplicates", id_a=[], id_b=[], conflict=[])

    found = listed(tmp_path, checks, columns, quarantined, empty, Finding(summary="", practice="data/drift"))

    assert [one.practice for one in found] == ["data/bias", "data/unreadable", "data/duplicates"]
    assert [one.columns for one in found] == [("width",), (), ()]
    assert not any(one.flagged.any() for one in found)
    assert found_by(found, 4) == [""] * 4


def test_suspicion_is_the_highest_score_of_any_table(tmp_path: Path) -> None:
    found = listed(
        tmp_path, finding("data/x", id=["a", "b"], score=[0.4, 0.8]), finding("data/y", id=["a"], score=[0.6])
    )

    assert suspicion(found, 4).tolist() == pytest.approx([0.6, 0.8, np.nan, np.nan], nan_ok=True)
    assert found_by(found, 4) == ["data/x, data/y", "data/x", "", ""]
