"""What MLflow shows of a pipeline, a stage and a training."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recipe.evidence import Finding, Verdict, worst
from recipe.report import markdown
from recipe.report.findings import STAGES, reached, taken
from recipe.report.numbers import scored, scored_interval
from recipe.runtime.workspace import fingerprint
from recipe.settings import Settings
from recipe.settings.identity import plain
from recipe.settings.metrics import deciding
from recipe.tracking.pipeline_run import CODE, DATA_VERSION, NOT_IN_PARAMS, NOTE, VERDICT, VERDICTS, Pipeline
from recipe.tracking.registry import TEST_METRIC

FINAL_TEST = "squeeze/final_test"
UNMET: tuple[Verdict, ...] = ("fail", "warn")
MET_OR_NOT: tuple[Verdict, ...] = ("pass", *UNMET)
NOTE_LENGTH = TAG_LENGTH = 8000  # MLflow's limit of a tag and of a description, mlflow/utils/validation.py
SHORT = 8
# A screen shows hardly more points of a curve apart; and a point costs 0.2 ms on sqlite, so that a stage of many
# trainings has fewer of each.
CURVE_POINTS, LEAST_CURVE_POINTS, STAGE_POINTS = 200, 20, 6000

Points = Sequence[tuple[str, float, int, int]]  # name, value, milliseconds since 1970, step


@dataclass(frozen=True)
class Content:
    """What one MLflow run shows; `milliseconds` are its start and end since 1970."""

    name: str
    milliseconds: tuple[int, int]
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    points: Points = ()
    status: str = "FINISHED"


def of_pipeline(pipeline: Pipeline, stage: str, when: tuple[int, int], verdicts: str = "") -> Content:
    """The pipeline's run: what one tells runs apart by, and the metric that decides, by its own name.

    `stage` has just been published; the verdict is that of every stage that the run has reached. `verdicts` are those
    of before, which other thresholds may have given.
    """
    stages = list(reached(pipeline.workspace, stage))
    findings = [finding for name in stages for finding in pipeline.findings(name)]
    return Content(
        _name(pipeline, findings, stages[-1]),
        when,
        params=shown_settings(pipeline.settings),
        tags={
            VERDICT: worst(findings),
            VERDICTS: _verdicts(verdicts, findings, pipeline.settings),
            DATA_VERSION: pipeline.data_version,
            CODE: pipeline.code(),
            "recipe.reached": stages[-1],
            NOTE: _taken(pipeline),
            **pipeline.origin(stages[-1]),
        },
        metrics=_deciding(pipeline, findings) | _counted(findings) | {"seconds": (when[1] - when[0]) / 1000},
        status=_status(findings),
    )


def shown_settings(settings: Settings) -> dict[str, Any]:
    """The settings that a pipeline's run shows as its parameters."""
    return flat({name: value for name, value in plain(settings).items() if name not in NOT_IN_PARAMS})


def of_stage(pipeline: Pipeline, stage: str, findings: Sequence[Finding], when: tuple[int, int]) -> Content:
    """A stage, with its verdicts as tags and its findings as the description."""
    return Content(
        stage,
        when,
        params=flat(plain(pipeline.settings)["stages"][stage]),
        tags={
            VERDICT: worst(list(findings)),
            DATA_VERSION: pipeline.data_version,
            NOTE: _note(findings),
            **pipeline.origin(stage),
            **{finding.practice: str(finding.verdict) for finding in findings},
        },
        metrics=_metrics(pipeline, stage),
        points=_system_points(pipeline.record(stage).load, when[0]),
        status=_status(findings),
    )


def of_training(training: Mapping[str, Any], points: int, when: tuple[int, int]) -> Content:
    """A training, with at most `points` of each of its curves."""
    curves = {name: _thinned(curve, points) for name, curve in training["curves"].items()}
    # A metric of the whole training may share its name with a curve, whose last point it need not be.
    final = {f"final {name}" if name in curves else name: value for name, value in training["metrics"].items()}
    return Content(
        training["name"] or training["key"],
        when,
        params=flat(training["params"]),
        metrics={name: value for name, value in final.items() if value is not None},
        points=[(name, value, when[0], int(step)) for name, curve in curves.items() for step, value in curve],
    )


def _name(pipeline: Pipeline, findings: Sequence[Finding], last: str) -> str:
    """What the first column of MLflow's table says: `digits cnn 98.6 % accuracy [97.1, 99.3], 2 warn`."""
    told = [pipeline.settings.data.name, short_name(pipeline.settings.model.target)]
    test, metric = _test(findings), metric_of(pipeline)
    if test is None or test.measured is None:
        told += [] if last == STAGES[-1] else ["to", last]
    else:
        interval = scored_interval(metric, test.interval or (test.measured, test.measured))
        told += [scored(metric, test.measured), metric, interval]
    unmet = Counter(finding.verdict for finding in findings if finding.verdict in UNMET)
    verdicts = [f"{unmet[verdict]} {verdict}" for verdict in UNMET if unmet[verdict]]
    return ", ".join([" ".join(filter(None, told)), *(verdicts or ["pass"])])


def _verdicts(before: str, findings: Sequence[Finding], settings: Settings) -> str:
    """A line for each set of thresholds that the run was judged by: when, by which, the verdict, what was not met."""
    unmet = [f"{finding.practice} {finding.verdict}" for finding in findings if finding.verdict in UNMET]
    by = f" by thresholds {fingerprint(settings.thresholds.model_dump(mode='json'))[:SHORT]}: "
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    line = f"{now}{by}{worst(list(findings))}{''.join(f', {one}' for one in unmet)}"
    lines = before.splitlines()
    if lines and by in lines[-1]:
        last = lines.pop()
        line = last if last.partition(by)[2] == line.partition(by)[2] else line
    lines.append(line[:TAG_LENGTH])
    while len("\n".join(lines)) > TAG_LENGTH:
        lines.pop(0)
    return "\n".join(lines)


def _test(findings: Iterable[Finding]) -> Finding | None:
    return next((finding for finding in findings if finding.practice == FINAL_TEST), None)


def metric_of(pipeline: Pipeline) -> str:
    """The name of the metric that decides."""
    preparation = read_json(pipeline.workspace / "data" / "prepared" / "preparation.json") or {}
    return deciding(preparation.get("task", ""), pipeline.settings.metrics)


def _deciding(pipeline: Pipeline, findings: Iterable[Finding]) -> dict[str, float]:
    """The metric on the test set by its name, with the ends of its interval, and the others; none before the test."""
    test, name = _test(findings), metric_of(pipeline)
    if test is None or test.measured is None:
        return {}
    low, high = test.interval or (test.measured, test.measured)
    measured = read_json(pipeline.workspace / "metrics" / "final.json") or {}
    others = {other: measured[other] for other in pipeline.settings.metrics or () if other in measured}
    return others | {name: test.measured, f"{name}_low": low, f"{name}_high": high}


def _counted(findings: Sequence[Finding]) -> dict[str, float]:
    """How many practices have each verdict."""
    verdicts = Counter(finding.verdict for finding in findings)
    return {f"practices {verdict}": float(verdicts[verdict]) for verdict in MET_OR_NOT}


def _metrics(pipeline: Pipeline, stage: str) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in flat(read_json(pipeline.workspace / "metrics" / f"{stage}.json") or {}).items()
        if isinstance(value, (int, float))
    }


def _taken(pipeline: Pipeline) -> str:
    """What was taken of the data, as the description that MLflow's page of the run begins with."""
    told = taken(pipeline.workspace)
    points = [f"- {markdown.text(note)}" for note in told.get("notes", ())]
    return "\n".join([markdown.text(told.get("taken", "")), "", *points])[:NOTE_LENGTH]


def _note(findings: Iterable[Finding]) -> str:
    """The findings as the table that MLflow shows as a run's description."""
    rows = [f"| {finding.practice} | {finding.word} | {markdown.text(finding.summary)} |" for finding in findings]
    return "\n".join(["| practice | verdict | finding |", "| --- | --- | --- |", *rows])[:NOTE_LENGTH]


def _system_points(load: Mapping[str, Any], start: int) -> Points:
    """What the machine did, {name: [[seconds, value], ...]}, where MLflow's page looks for it."""
    return [
        (f"system/{name}", value, start + int(1000 * seconds), step)
        for name, series in load.items()
        for step, (seconds, value) in enumerate(_thinned(series, CURVE_POINTS))
    ]


def _thinned(curve: Sequence[tuple[float, float | None]], most: int) -> list[tuple[float, float]]:
    """At most `most` of the finite points, evenly spaced, the first and the last among them."""
    points = [(step, value) for step, value in curve if value is not None]
    if len(points) <= most:
        return points
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]


def _status(findings: Sequence[Finding]) -> str:
    return "FAILED" if worst(list(findings)) == "fail" else "FINISHED"


def test_tags(findings: Iterable[Finding], metric: str) -> dict[str, str]:
    """The metric on the test set and its interval, as tags of a registered model; none before there is one."""
    test = _test(findings)
    if test is None or test.measured is None:
        return {}
    low, high = test.interval or (test.measured, test.measured)
    figures = {"test": test.measured, "test_low": low, "test_high": high}
    return {TEST_METRIC: metric} | {name: f"{value:.6g}" for name, value in figures.items()}


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}, with names that MLflow takes; what is None is left out."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[re.sub(r"[^\w./: -]", "_", f"{prefix}{name}")] = value
    return found


def short_name(target: str | None) -> str:
    """What a class or function is called in a run's name."""
    return (target or "").rpartition(".")[2].lower()


def read_json(path: Path) -> Any:
    """What `path` holds; None where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
