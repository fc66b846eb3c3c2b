"""What the machine did while a stage worked is known when it has ended."""

import threading
import time
from types import SimpleNamespace

import pynvml
import pytest

from recipe.runtime import machine
from recipe.runtime.machine import gpu_names, sampled


def test_processor_and_memory_are_sampled_from_the_first_moment_to_the_last() -> None:
    with sampled(seconds=0.05) as series:
        time.sleep(0.3)
    assert {"cpu_utilization_percentage", "system_memory_usage_megabytes"} <= set(series)
    for points in series.values():
        times = [second for second, _ in points]
        assert times == sorted(times) and len(times) >= 4
        assert times[0] < 0.2 and times[-1] >= 0.25
    assert all(megabytes > 0 for _, megabytes in series["system_memory_usage_megabytes"])


def test_a_block_that_fails_leaves_no_thread() -> None:
    with pytest.raises(ValueError, match="no such class"), sampled():
        raise ValueError("no such class")
    assert not [thread for thread in threading.enumerate() if thread.name == "machine"]


def test_a_long_stage_has_fewer_samples_and_not_a_longer_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_SAMPLES", 8)
    with sampled(seconds=0.01) as series:
        time.sleep(0.6)
    points = series["cpu_utilization_percentage"]
    assert 4 <= len(points) <= 9
    assert points[-1][0] >= 0.5


def test_gpus_are_named_and_sampled_by_the_names_of_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """NVIDIA's library is pretended; the second card is in parts, and does not say how busy it is."""
    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda number: number,
        "nvmlDeviceGetName": lambda gpu: f"Card {gpu}",
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=2e9 * (gpu + 1), total=8e9),
        "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=90) if gpu == 0 else not_supported(),
        "nvmlDeviceGetPowerUsage": lambda gpu: 350_000,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    with sampled() as series:
        pass
    seen = {name: points[-1][1] for name, points in series.items() if name.startswith("gpu")}
    assert seen == {
        "gpu_0_memory_usage_megabytes": 2000,
        "gpu_0_memory_usage_percentage": 25,
        "gpu_0_utilization_percentage": 90,
        "gpu_0_power_usage_watts": 350,
        "gpu_1_memory_usage_megabytes": 4000,
        "gpu_1_memory_usage_percentage": 50,
        "gpu_1_power_usage_watts": 350,
    }
    assert gpu_names() == ["Card 0", "Card 1"]


def not_supported() -> None:
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
