"""`python -m benchmarks`: every figure, printed as it comes and kept in benchmarks/figures.json."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.accuracy import accuracy, goal
from benchmarks.error_budget import coverage, foretold
from benchmarks.loop_speed import loop_speed
from benchmarks.start_up import start_up

KEPT = Path(__file__).with_name("figures.json")


def main() -> None:
    """Measure speed first, while the machine is fresh, then what is foretold, then accuracy."""
    figures: dict[str, Any] = {
        "measured": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "loop_speed": [],
        "foretold": [],
        "accuracy": [],
    }
    for ratio in loop_speed():
        print(f"{ratio.model}: {ratio.same_optimizer} of a bare loop, {ratio.default_adam} of torch's default Adam")
        figures["loop_speed"].append(asdict(ratio))
    figures["start_up_seconds"] = start_up()
    for name, seconds in figures["start_up_seconds"].items():
        print(f"{name}: {seconds} s")
    found = list(foretold())
    share, low, high = coverage(found)
    print(
        f"error budget: {share:.3f} [{low:.3f}, {high:.3f}] of {len(found)} foretold figures hold what came", flush=True
    )
    figures["foretold"] = [asdict(one) | {"inside": one.inside} for one in found]
    for figure in accuracy():
        print(
            f"{figure.data} {figure.predictor}: {figure.metric} {figure.mean} [{figure.low}, {figure.high}], "
            f"{figure.minutes} minutes a run{goal(figure)}",
            flush=True,
        )
        figures["accuracy"].append(asdict(figure))
    KEPT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
