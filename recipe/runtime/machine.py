"""What the machine does while a stage works: processor, memory and GPUs, sampled beside it for the tracker to draw."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

SECONDS = 2.0  # between samples; a stage of a minute has thirty
LEAST_SECONDS = 0.1  # over which the processor's load means something (psutil's manual)
MOST_SAMPLES = 1000  # then every other is dropped, and half as many are taken from there on
MEGABYTE = 1e6  # as MLflow counts them
MILLIWATTS = 1e3  # a watt, as NVIDIA's library counts

Series = dict[str, list[tuple[float, float]]]  # name to (seconds since the start, value)


@contextmanager
def sampled(seconds: float = SECONDS) -> Iterator[Series]:
    """Give what is filled with samples of the block while it runs, one at either end.

    The names are those that MLflow gives its own system metrics.
    """
    ended = threading.Event()
    series: Series = defaultdict(list)
    thread = threading.Thread(target=_sample, args=(series, ended, seconds), name="machine", daemon=True)
    thread.start()
    try:
        yield series
    finally:
        ended.set()
        thread.join()


def _sample(series: Series, ended: threading.Event, seconds: float) -> None:
    began, gpus = time.monotonic(), _gpus()
    psutil.cpu_percent()  # the first call only begins to count
    ended.wait(LEAST_SECONDS)
    last = False
    while not last:
        for name, value in {**_processor_and_memory(), **_of_gpus(gpus)}.items():
            series[name].append((round(time.monotonic() - began, 2), round(value, 1)))
        if max(map(len, series.values())) > MOST_SAMPLES:
            seconds *= 2
            for name in series:
                series[name] = series[name][::2]
        last = ended.is_set()
        ended.wait(seconds)


def _processor_and_memory() -> dict[str, float]:
    memory = psutil.virtual_memory()
    return {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": memory.used / MEGABYTE,
        "system_memory_usage_percentage": memory.percent,
    }


def gpu_names() -> list[str]:
    """What NVIDIA's GPUs here are called, in their order; none where there is no driver."""
    import pynvml

    return [str(pynvml.nvmlDeviceGetName(gpu)) for gpu in _gpus()]


def _gpus() -> list[Any]:
    """NVIDIA's GPUs; none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _of_gpus(gpus: list[Any]) -> dict[str, float]:
    return {f"gpu_{number}_{name}": value for number, gpu in enumerate(gpus) for name, value in _of_gpu(gpu).items()}


def _of_gpu(gpu: Any) -> dict[str, float]:
    """What one GPU tells of itself: a card in parts does not say how busy it is, a small one not what it draws."""
    import pynvml

    readings: dict[str, float] = {}
    with suppress(pynvml.NVMLError):
        memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
        readings["memory_usage_megabytes"] = memory.used / MEGABYTE
        readings["memory_usage_percentage"] = 100 * memory.used / memory.total
    with suppress(pynvml.NVMLError):
        readings["utilization_percentage"] = pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu
    with suppress(pynvml.NVMLError):
        readings["power_usage_watts"] = pynvml.nvmlDeviceGetPowerUsage(gpu) / MILLIWATTS
    return readings
