import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.practices.data.duplicates import duplicates
from tests.faults.data import arrays, breast_cancer, composed, digits, image_folder, ingested, table

LIMITS = composed().thresholds.of("data")
COLUMNS = ["id_a", "path_a", "id_b", "path_b", "label_a", "label_b", "conflict", "kind"]


def test_a_copied_and_a_reencoded_image_are_found_by_content(tmp_path: Path) -> None:
    paths = image_folder(tmp_path / "images")
    shutil.copy(paths[0], paths[0].with_name("copy.png"))
    Image.open(paths[1]).save(paths[1].with_name("again.bmp"))
    dataset = ingested(tmp_path, "data=image_folder", f"data.path={tmp_path / 'images'}")

    finding = judge(duplicates(dataset), LIMITS)

    kinds = {frozenset((row["path_a"], row["path_b"])): row["kind"] for _, row in finding.table.iterrows()}
    assert kinds == {
        frozenset(("0/0000.png", "0/copy.png")): "bytes",
        frozenset(("1/0001.png", "1/again.bmp")): "content",
    }
    assert finding.measured == pytest.approx(2 / 302)
    assert finding.verdict == "pass"
    assert list(finding.table.columns) == COLUMNS


@pytest.mark.fault("data/duplicates", "warn: many copies; fail: copies with different labels")
def test_copies_with_different_labels_fail_and_come_first() -> None:
    images, labels = digits()
    order = [*range(len(images)), 0, 1]

    finding = judge(duplicates(arrays(images[order], [*labels, labels[0], 7])), LIMITS)

    assert finding.verdict == "fail"
    assert finding.table["conflict"].tolist() == [True, False]
    assert finding.table.loc[0, ["label_a", "label_b"]].tolist() == ["1", "7"]
    assert "pairs" in finding.figures


def test_more_copies_than_allowed_warn() -> None:
    images, labels = digits()
    order = [*range(len(images)), *range(40)]

    finding = judge(duplicates(arrays(images[order], labels[order])), LIMITS)

    assert finding.verdict == "warn"
    assert finding.measured == pytest.approx(40 / 1837)


def test_a_large_group_is_listed_to_a_thousand_pairs_and_then_its_chain() -> None:
    images, labels = digits()
    order = [*range(400), *[0] * 99]

    pairs = duplicates(arrays(images[order], labels[order])).table

    assert len(pairs) == 1000 + 99 - sum(b - a == 1 for a, b in _first_pairs(100, 1000))
    assert set(pairs["id_a"]) | set(pairs["id_b"]) == {"digit-0", *(f"digit-{place}" for place in range(400, 499))}


def test_rows_equal_but_for_their_number_are_copies(tmp_path: Path) -> None:
    frame = pd.concat([breast_cancer(), breast_cancer().iloc[:3]], ignore_index=True)
    frame.insert(0, "patient_id", np.arange(len(frame)) + 1000)

    finding = duplicates(table(tmp_path, frame))

    assert finding.table["kind"].tolist() == ["but_id"] * 3
    assert finding.table["path_b"].tolist() == ["row:569", "row:570", "row:571"]


def test_equal_rows_of_a_coarse_table_are_no_contradiction(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": chance.choice(["f", "m"], 400), "age": chance.integers(1, 80, 400)})
    frame["diagnosis"] = chance.choice(["yes", "no"], 400)

    finding = judge(duplicates(table(tmp_path, frame)), LIMITS)

    assert finding.verdict == "pass"
    assert "coarse" in finding.summary


def coarse(count: int = 2000, columns: int = 4) -> pd.DataFrame:
    """Columns of ten values each, in which some hundred pairs of rows are equal by chance."""
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({name: chance.integers(0, 10, count) for name in "abcdef"[:columns]})
    return frame.assign(diagnosis=chance.choice(["yes", "no"], count))


def test_copies_in_a_coarse_table_beyond_what_chance_makes_warn(tmp_path: Path) -> None:
    frame = coarse()
    healthy = judge(duplicates(table(tmp_path / "healthy", frame)), LIMITS)
    assert healthy.verdict == "pass"
    assert "none is beyond that" in healthy.summary
    copied = pd.concat([frame, frame.iloc[:200]], ignore_index=True)

    finding = judge(duplicates(table(tmp_path / "copied", copied)), LIMITS)

    assert finding.verdict == "warn"
    assert 100 < int(finding.summary.partition(" copies and 0 groups")[0].split()[-1]) <= 200


def test_coarse_columns_that_follow_one_cause_make_no_copies(tmp_path: Path) -> None:
    """Four columns of ten values that correlate by a half: four times as many rows meet as independent ones would."""
    chance = np.random.default_rng(0)
    cause = chance.normal(size=2000)
    frame = pd.DataFrame({name: pd.qcut(cause + chance.normal(size=2000), 10, labels=False) for name in "abcd"})

    finding = judge(duplicates(table(tmp_path, frame.assign(diagnosis=chance.choice(["yes", "no"], 2000)))), LIMITS)

    assert finding.verdict == "pass"


def test_contradictions_in_a_coarse_table_beyond_what_chance_makes_fail(tmp_path: Path) -> None:
    frame = coarse()
    turned = frame.iloc[:200].assign(diagnosis=frame["diagnosis"].map({"yes": "no", "no": "yes"}))

    finding = judge(duplicates(table(tmp_path, pd.concat([frame, turned], ignore_index=True))), LIMITS)

    assert finding.verdict == "fail"


@pytest.mark.parametrize("columns", [[0, 5, 10, 20], [0, 2, 3, 4], list(range(10))])
def test_coarse_columns_that_depend_on_each_other_make_no_copies(tmp_path: Path, columns: list[int]) -> None:
    """Thirds of real measurements meet many times as often as independent ones would."""
    real = breast_cancer()
    thirds = real.iloc[:, columns].apply(lambda column: pd.qcut(column, 3, labels=["low", "middle", "high"]))

    finding = judge(duplicates(table(tmp_path, thirds.assign(diagnosis=real["diagnosis"]))), LIMITS)

    assert finding.verdict == "pass"


def test_a_copied_and_contradicted_row_of_fine_measurements_is_no_coincidence(tmp_path: Path) -> None:
    frame = breast_cancer()
    turned = frame.iloc[:1].assign(diagnosis="benign" if frame["diagnosis"].iloc[0] == "malignant" else "malignant")

    finding = judge(duplicates(table(tmp_path, pd.concat([frame, turned], ignore_index=True))), LIMITS)

    assert finding.verdict == "fail"
    assert "coarse" not in finding.summary


@pytest.mark.parametrize("name", ["digits", "mnist5k", "breast_cancer", "diabetes"])
def test_real_data_hold_no_copies(real: Callable[[str], Dataset], name: str) -> None:
    finding = judge(duplicates(real(name)), LIMITS)

    assert finding.verdict == "pass"
    assert finding.measured == 0


def _first_pairs(members: int, count: int) -> list[tuple[int, int]]:
    pairs = [(a, b) for a in range(members) for b in range(a + 1, members)]
    return pairs[:count]
