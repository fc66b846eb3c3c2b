from pathlib import Path

import pytest

from recipe.evidence import judge
from recipe.practices.data.unreadable import unreadable
from tests.faults.data import arrays, composed, digits, image_folder, ingested

LIMITS = composed().thresholds.of("data")


def test_a_truncated_and_an_empty_file_are_named_with_their_reasons(tmp_path: Path) -> None:
    paths = image_folder(tmp_path / "images")
    paths[0].write_bytes(paths[0].read_bytes()[:60])
    paths[1].write_bytes(b"")
    dataset = ingested(tmp_path, "data=image_folder", f"data.path={tmp_path / 'images'}")

    finding = judge(unreadable(dataset), LIMITS)

    assert finding.verdict == "warn"
    assert finding.measured == 2 / 300
    assert set(finding.table["path"]) == {"0/0000.png", "1/0001.png"}
    assert finding.table["reason"].str.len().min() > 5


@pytest.mark.fault("data/unreadable", "warn: a file that does not decode; fail: more than the quarantine may hold")
def test_more_unreadable_files_than_the_quarantine_may_hold_fail(tmp_path: Path) -> None:
    for path in image_folder(tmp_path / "images")[:30]:
        path.write_bytes(b"no image")
    dataset = ingested(tmp_path, "data=image_folder", f"data.path={tmp_path / 'images'}")

    assert judge(unreadable(dataset), LIMITS).verdict == "fail"


def test_readable_digits_pass() -> None:
    finding = judge(unreadable(arrays(*digits())), LIMITS)

    assert finding.verdict == "pass"
    assert finding.measured == 0
    assert list(finding.table.columns) == ["id", "path", "reason"]
