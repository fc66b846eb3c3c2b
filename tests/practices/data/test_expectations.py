import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from recipe.dataset.stored import Dataset
from recipe.errors import SettingsError
from recipe.evidence import judge
from recipe.practices.data.expectations import expectations
from tests.faults.data import breast_cancer, composed, table

LIMITS = composed().thresholds.of("data")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def patients(workspace: Path) -> Dataset:
    return table(workspace, breast_cancer())


def test_a_sound_manifest_meets_every_expectation(patients: Dataset) -> None:
    finding = judge(expectations(patients), LIMITS)

    assert finding.verdict == "pass"
    assert len(finding.table) >= 8
    assert finding.table["met"].all()


@pytest.mark.fault("data/expectations", "fail: an expectation is not met, such as an id that is there twice")
def test_an_id_that_is_there_twice_fails_and_is_named(patients: Dataset) -> None:
    ids = patients.manifest["id"].tolist()
    twice = patients.manifest.assign(id=[ids[1], *ids[1:]])

    finding = judge(expectations(replace(patients, manifest=twice)), LIMITS)

    unmet = finding.table[~finding.table["met"]]
    assert finding.verdict == "fail"
    assert unmet[["expectation", "column"]].to_numpy().tolist() == [["expect_column_values_to_be_unique", "id"]]


def test_a_suite_of_ones_own_sees_the_raw_columns_and_each_expectation_is_accounted_for(
    workspace: Path, patients: Dataset
) -> None:
    _write_suite(
        workspace / "conf" / "expectations" / "patients.json",
        ("expect_column_values_to_be_between", {"column": "mean radius", "min_value": 0, "max_value": 20}),
        ("expect_column_values_to_be_in_set", {"column": "diagnosis", "value_set": ["benign", "malignant"]}),
        ("expect_column_mean_to_be_between", {"column": "no such column", "min_value": 0}),
    )

    finding = judge(expectations(patients), LIMITS)

    own = finding.table[finding.table["suite"] == "patients"]
    assert finding.verdict == "fail"
    assert finding.measured == 2
    assert dict(zip(own["column"], own["met"], strict=True)) == {
        "mean radius": False,
        "diagnosis": True,
        "no such column": False,
    }
    assert own["detail"].str.contains("does not exist").sum() == 1


OURS = (
    ("expect_no_duplicate_content", {"columns": ["content_id"]}),
    ("expect_no_conflicting_labels", {}),
    ("expect_no_leakage_across", {"column": "content_id"}),
    ("expect_label_share_between", {"label": "benign", "min_share": 0.5, "max_share": 0.7}),
)


def test_our_own_expectations_hold_for_a_sound_table(workspace: Path, patients: Dataset) -> None:
    _write_suite(workspace / "conf" / "expectations" / "ours.json", *OURS)

    finding = judge(expectations(patients), LIMITS)

    assert finding.verdict == "pass"
    assert {name for name, _ in OURS} <= set(finding.table["expectation"])


def test_our_own_expectations_name_copies_contradictions_leaks_and_a_class_that_grew(
    workspace: Path, patients: Dataset
) -> None:
    _write_suite(workspace / "conf" / "expectations" / "ours.json", *OURS)
    manifest = patients.manifest.copy()
    train = manifest.index[manifest["split"] == "train"]
    test = manifest.index[manifest["split"] == "test"]
    manifest.loc[test[:3], "content_id"] = manifest.loc[train[:3], "content_id"].to_numpy()
    manifest.loc[test[:3], "label"] = "malignant"
    manifest.loc[train[:3], "label"] = "benign"
    manifest.loc[train[10:200], "label"] = "benign"

    finding = judge(expectations(replace(patients, manifest=manifest)), LIMITS)

    unmet = finding.table[~finding.table["met"]].set_index("expectation")["detail"]
    assert {name for name, _ in OURS} <= set(unmet.index)
    assert "does not hold for 3 of 569" in unmet["expect_no_duplicate_content"]
    assert "does not hold for 6 of 569" in unmet["expect_no_leakage_across"]
    assert "does not hold for 6 of 569" in unmet["expect_no_conflicting_labels"]
    docs = (workspace / "reports" / "data" / "data_docs" / "ours.html").read_text()
    assert "may have another" in docs and "benign" in docs


def test_a_share_beyond_one_is_no_expectation(workspace: Path, patients: Dataset) -> None:
    _write_suite(workspace / "conf" / "expectations" / "ours.json", ("expect_no_duplicate_content", {"max_share": 1.5}))

    with pytest.raises(SettingsError, match="in a way that does not fit"):
        expectations(patients)


def test_an_unknown_expectation_is_an_error_that_names_the_file_and_the_nearest_type(
    workspace: Path, patients: Dataset
) -> None:
    _write_suite(
        workspace / "conf" / "expectations" / "odd.json", ("expect_column_values_to_be_uniqe", {"column": "id"})
    )

    with pytest.raises(SettingsError) as error:
        expectations(patients)

    assert re.search(
        r"odd\.json.*'expect_column_values_to_be_uniqe'.*'expect_column_values_to_be_unique'", str(error.value)
    )


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"expectations": [3]}', '{"expectations": [{"type": "expect_column_to_exist", "kwargs": {}}]}'],
)
def test_a_file_that_is_no_suite_is_an_error_in_one_line(workspace: Path, patients: Dataset, content: str) -> None:
    path = workspace / "conf" / "expectations" / "broken.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)

    with pytest.raises(SettingsError, match=r"broken\.json") as error:
        expectations(patients)

    assert "\n" not in str(error.value)


def test_an_expectation_that_a_module_of_ones_own_defines_is_evaluated(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "clinic_rules.py").write_text(
        "from great_expectations.expectations import ExpectColumnValuesToBeBetween\n"
        "class ExpectColumnValuesToBeRadii(ExpectColumnValuesToBeBetween):\n"
        "    min_value: float = 5\n"
        "    max_value: float = 30\n"
    )
    monkeypatch.syspath_prepend(workspace)
    _write_suite(workspace / "rules.json", ("expect_column_values_to_be_radii", {"column": "mean radius"}))
    suites = f"stages.data.expectations.suites={workspace / 'rules.json'}"
    patients = table(workspace, breast_cancer(), suites, "stages.data.expectations.modules=[clinic_rules]")

    finding = judge(expectations(patients), LIMITS)

    assert finding.verdict == "pass"
    assert "expect_column_values_to_be_radii" in set(finding.table["expectation"])


def test_a_missing_suite_is_an_error(workspace: Path) -> None:
    patients = table(workspace, breast_cancer(), "stages.data.expectations.suites=nowhere.json")

    with pytest.raises(SettingsError, match=r"nowhere\.json"):
        expectations(patients)


def test_the_data_docs_open_offline(workspace: Path, patients: Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    _write_suite(
        workspace / "conf" / "expectations" / "patients.json",
        ("expect_column_values_to_be_between", {"column": "mean radius", "min_value": 0, "max_value": 20}),
    )

    expectations(patients)

    pages = {page.name: page.read_text() for page in (workspace / "reports" / "data" / "data_docs").iterdir()}
    assert set(pages) == {"index.html", "manifest.html", "patients.html"}
    assert 'href="patients.html"' in pages["index.html"]
    assert "mean radius" in pages["patients.html"]
    for page in pages.values():
        assert "//" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
        assert "<script" not in page and "<link" not in page
    assert capfd.readouterr() == ("", "")


def _write_suite(path: Path, *called: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in called]
    path.write_text(json.dumps({"name": path.stem, "expectations": entries}))
