"""What the machine did while a stage worked is on disk when it has ended."""

import json
import threading
import time
from pathlib import Path

import pytest

from recipe import machine
from recipe.machine import sampled


def test_processor_and_memory_are_sampled_from_the_first_moment_to_the_last(tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    with sampled(path, seconds=0.05):
        time.sleep(0.3)
    series = json.loads(path.read_text())
    assert {"cpu_utilization_percentage", "system_memory_usage_megabytes"} <= set(series)
    for points in series.values():
        times = [second for second, _ in points]
        assert times == sorted(times) and len(times) >= 4
        assert times[0] < 0.2 and times[-1] >= 0.25
    assert all(megabytes > 0 for _, megabytes in series["system_memory_usage_megabytes"])


def test_a_block_that_fails_writes_nothing_and_leaves_no_thread(tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    with pytest.raises(ValueError, match="no such class"), sampled(path):
        raise ValueError("no such class")
    assert not path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "machine"]


def test_a_long_stage_has_fewer_samples_and_not_a_longer_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_SAMPLES", 8)
    with sampled(tmp_path / "system.json", seconds=0.01):
        time.sleep(0.6)
    points = json.loads((tmp_path / "system.json").read_text())["cpu_utilization_percentage"]
    assert 4 <= len(points) <= 9
    assert points[-1][0] >= 0.5
