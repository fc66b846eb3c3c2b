import json
from pathlib import Path

import pytest

from recipe.errors import WorkspaceError
from recipe.evidence import at_most
from recipe.report.findings import collect, read, save
from recipe.runtime.machine_record import MachineRecord, keep_record
from recipe.settings import load_settings
from tests.report.workspaces import change, found, measure, new_workspace, record, with_table


def reached(workspace: Path, gated: str | None = None) -> list[str]:
    return [stage.stage for stage in collect(workspace, load_settings(workspace), gated).stages]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A run up to overfit, as DVC has recorded it."""
    new_workspace(tmp_path)
    (tmp_path / "net.py").write_text("width = 16\n", encoding="utf-8")
    for stage in ("ingest", "data", "baseline", "overfit"):
        measure(tmp_path, stage, found(f"{stage}/first"), found(f"{stage}/second"))
    record(
        tmp_path,
        {
            "ingest": {"outs": {"data/prepared": "prepared.dir"}},
            "data": {"deps": {"data/prepared": "prepared.dir"}},
            "baseline": {"deps": {"data/prepared": "prepared.dir", "net.py": None}, "params": {"batch_size": 32}},
            "overfit": {
                "deps": {"data/prepared": "prepared.dir", "net.py": None},
                "params": {"budget.name": "standard"},
            },
        },
    )
    return tmp_path


def test_findings_keep_the_order_of_the_recipe_and_of_their_stage(workspace: Path) -> None:
    result = collect(workspace, load_settings(workspace))
    assert [finding.practice for finding in result.findings] == [
        f"{stage}/{practice}" for stage in ("ingest", "data", "baseline", "overfit") for practice in ("first", "second")
    ]


def test_what_was_timed_is_read_with_the_summary_and_is_no_part_of_what_was_measured(workspace: Path) -> None:
    measured = workspace / "reports" / "data" / "measured.json"
    before = measured.read_bytes()
    keep_record(workspace, measured, MachineRecord(timed={"data/first": "It answers twice as fast."}))
    stages = {stage.stage: stage for stage in collect(workspace, load_settings(workspace)).stages}
    first, second = stages["data"].findings
    assert first.summary.endswith("It answers twice as fast.") and "fast" not in second.summary
    assert measured.read_bytes() == before


def test_a_changed_threshold_keeps_what_later_stages_found(workspace: Path) -> None:
    change(workspace, "thresholds.data.imbalance.max_ratio", 3.0)
    assert reached(workspace, gated="data") == ["ingest", "data", "baseline", "overfit"]


def test_what_was_measured_under_other_settings_is_not_shown_as_of_this_run(workspace: Path) -> None:
    change(workspace, "batch_size", 64)
    assert reached(workspace, gated="data") == ["ingest", "data"]


def test_what_was_measured_on_other_data_is_not_shown_as_of_this_run(workspace: Path) -> None:
    record(
        workspace,
        {
            "ingest": {"outs": {"data/prepared": "changed.dir"}},
            "data": {"deps": {"data/prepared": "prepared.dir"}},
        },
    )
    assert reached(workspace, gated="ingest") == ["ingest"]


def test_what_an_edited_model_file_measured_before_is_not_shown_as_of_this_run(workspace: Path) -> None:
    (workspace / "net.py").write_text("width = 32\n", encoding="utf-8")
    assert reached(workspace, gated="data") == ["ingest", "data"]


def test_a_stage_that_has_yet_to_run_again_hides_what_follows(workspace: Path) -> None:
    (workspace / "reports" / "baseline" / "measured.json").unlink()
    assert reached(workspace, gated="data") == ["ingest", "data"]


def test_nothing_is_shown_past_a_closed_gate(workspace: Path) -> None:
    measure(workspace, "data", found("data/leakage", requirements=(at_most(3, 0),)))
    result = collect(workspace, load_settings(workspace), gated="data")
    assert [(stage.stage, stage.verdict) for stage in result.stages] == [("ingest", "pass"), ("data", "fail")]
    assert result.verdict == "fail"


def test_a_stage_measured_by_hand_is_judged_without_the_ones_before_it(tmp_path: Path) -> None:
    new_workspace(tmp_path)
    measure(tmp_path, "tune", found("tune/confirm"))
    assert reached(tmp_path, gated="tune") == ["tune"]


def test_findings_json_holds_what_the_contract_promises(workspace: Path) -> None:
    finding = found("data/imbalance", measured=1.5, interval=(1.2, 1.8), requirements=(at_most(1.5, 10.0, "warn"),))
    measure(workspace, "data", with_table(workspace, finding, ["split,class,count", "train,0,120"]), seconds=2.5)
    save(workspace / "reports", collect(workspace, load_settings(workspace)))

    content = json.loads((workspace / "reports" / "findings.json").read_text(encoding="utf-8"))
    assert content["run"]["data"] == "digits"
    assert content["stages"][1] == {"stage": "data", "verdict": "pass", "seconds": 2.5, "mlflow_run_id": None}
    assert content["findings"][2] == {
        "practice": "data/imbalance",
        "hypothesis": "data/imbalance holds.",
        "verdict": "pass",
        "measured": 1.5,
        "interval": [1.2, 1.8],
        "expected": "at most 10",
        "tolerance": None,
        "summary": "Seen as it should be.",
        "advice": "",
        "figures": [],
        "table": "tables/data.imbalance.csv",
        "seconds": 0.0,
    }
    assert (
        (workspace / "reports" / "tables" / "data.imbalance.csv").read_text(encoding="utf-8").endswith("train,0,120\n")
    )


def test_findings_json_reads_back_as_it_was_written(workspace: Path) -> None:
    result = collect(workspace, load_settings(workspace))
    save(workspace / "reports", result)
    again = read(workspace / "reports")
    save(workspace / "reports", again)
    assert read(workspace / "reports") == again
    assert [stage.findings for stage in again.stages] == [stage.findings for stage in result.stages]


def test_a_table_that_its_stage_no_longer_writes_goes_from_the_report(workspace: Path) -> None:
    measure(workspace, "data", with_table(workspace, found("data/blank"), ["id,path", "1,a.png"]))
    save(workspace / "reports", collect(workspace, load_settings(workspace)))
    (workspace / "reports" / "data" / "tables" / "data.blank.csv").unlink()
    measure(workspace, "data", found("data/blank"))
    save(workspace / "reports", collect(workspace, load_settings(workspace)))
    assert list((workspace / "reports" / "tables").iterdir()) == []


def test_a_half_written_measurement_is_one_clear_sentence(workspace: Path) -> None:
    (workspace / "reports" / "data" / "measured.json").write_text('{"stage": "data", "find', encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"measured\.json is not what the stage data writes .*recipe run"):
        collect(workspace, load_settings(workspace))


def test_findings_json_says_what_is_knowledge_beside_its_verdict(workspace: Path) -> None:
    measure(workspace, "data", found("data/blank", requirements=(at_most(0, 0),)), found("data/known"))
    save(workspace / "reports", collect(workspace, load_settings(workspace)))
    content = json.loads((workspace / "reports" / "findings.json").read_text(encoding="utf-8"))
    assert {entry["practice"]: entry["verdict"] for entry in content["findings"]}["data/known"] == "pass"
    assert "data/known" in content["run"]["knowledge"] and "data/blank" not in content["run"]["knowledge"]
    assert len({frozenset(entry) for entry in content["findings"]}) == 1
    assert read(workspace / "reports").findings[-1].word == "knowledge"
