"""What the machine did belongs to one result, and is no part of it."""

from pathlib import Path

from recipe.runtime.machine_record import MachineRecord, keep_record, read_record


def test_a_record_is_found_again_wherever_its_result_comes_back(tmp_path: Path) -> None:
    measured = tmp_path / "measured.json"
    first, second = MachineRecord(seconds=2.5, gpus=["a card"], load={"cpu": [[0.0, 1.0]]}), MachineRecord(seconds=9.0)
    measured.write_text("one", encoding="utf-8")
    keep_record(tmp_path, measured, first)
    measured.write_text("another", encoding="utf-8")
    keep_record(tmp_path, measured, second)
    assert read_record(tmp_path, measured) == second
    measured.write_text("one", encoding="utf-8")
    assert read_record(tmp_path, measured) == first


def test_what_was_made_elsewhere_or_is_broken_has_an_empty_record(tmp_path: Path) -> None:
    measured = tmp_path / "measured.json"
    assert read_record(tmp_path, measured) == MachineRecord()
    measured.write_text("pulled", encoding="utf-8")
    assert read_record(tmp_path, measured) == MachineRecord()
    keep_record(tmp_path, measured, MachineRecord(seconds=1.0))
    (path,) = (tmp_path / ".recipe" / "machine").iterdir()
    for broken in ("", "[]", "{}x", '{"minutes": 3}', "null"):
        path.write_text(broken, encoding="utf-8")
        assert read_record(tmp_path, measured) == MachineRecord()
