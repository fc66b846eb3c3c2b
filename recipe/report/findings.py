"""The findings of a run: what its stages measured, judged by the present thresholds, merged into findings.json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from recipe.errors import WorkspaceError
from recipe.evidence import SEVERITY, Finding, Verdict, from_json, judge, worst
from recipe.runtime.machine_record import MachineRecord, read_record
from recipe.runtime.workspace import fingerprint, write_json, write_whole
from recipe.settings import Settings, Stages, load_settings
from recipe.settings.identity import identity
from recipe.versioning.freshness import is_current, read_lock

STAGES = tuple(Stages.model_fields)  # in the recipe's order
FINDINGS = "findings.json"
FACTS = Path("data/prepared/facts.json")
TABLES = "tables"


@dataclass(frozen=True)
class StageResult:
    """One stage: its judged findings, what it took in seconds, and its run in MLflow once it is published."""

    stage: str
    findings: tuple[Finding, ...]
    seconds: float
    mlflow_run_id: str | None = None

    @property
    def verdict(self) -> Verdict:
        return worst(list(self.findings))


@dataclass(frozen=True)
class RunResult:
    """A run: what was run, and the stages that it has reached, in the recipe's order."""

    run: Mapping[str, Any]
    stages: tuple[StageResult, ...]

    @property
    def verdict(self) -> Verdict:
        return max((stage.verdict for stage in self.stages), key=SEVERITY.__getitem__, default="pass")

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for stage in self.stages for finding in stage.findings)

    def stage(self, name: str) -> StageResult | None:
        return next((stage for stage in self.stages if stage.stage == name), None)


def collect(workspace: Path, settings: Settings, gated: str | None = None) -> RunResult:
    """The run as the workspace holds it, every stage judged by the present thresholds.

    What `gated`, the stage whose gate asks, was built on has just been reproduced, so it counts as it is. What comes
    later counts only while it still belongs to the present settings and data: nothing is shown past a closed gate, a
    stage that has yet to run again, or one that DVC would run again.

    Raises:
        WorkspaceError: a measured.json cannot be read.
        SettingsError: a practice names a threshold that the settings do not hold.
    """
    run_ids = _published(workspace)
    stages: list[StageResult] = []
    for name in reached(workspace, gated):
        stage = read_judged(workspace / "reports", name, settings)
        stages.append(replace(stage, mlflow_run_id=run_ids.get(name)))
        if stages[-1].verdict == "fail":
            break
    return RunResult(describe(settings) | (taken(workspace) if stages else {}), tuple(stages))


def taken(workspace: Path) -> dict[str, Any]:
    """What ingest took of the source, in a line, and what it has to say beside, `notes`; nothing before it has run."""
    try:
        facts = json.loads((workspace / FACTS).read_text(encoding="utf-8"))
        return {"taken": facts["taken"], "notes": facts["notes"]}
    except (OSError, ValueError, KeyError):
        return {}


def describe(settings: Settings) -> dict[str, Any]:
    """The run in a few words that a person tells runs apart by; `settings` is the fingerprint of all of them."""
    return {
        "data": settings.data.name,
        "model": settings.model.target or "none",
        "budget": settings.budget.name,
        "seed": settings.seed,
        "settings": fingerprint(settings.model_dump(mode="json", by_alias=True)),
        "updated": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def read_judged(reports: Path, stage: str, settings: Settings, held_to: str | None = None) -> StageResult:
    """What `stage` measured, judged by the thresholds of `settings`: its own, or those called `held_to`.

    Raises:
        WorkspaceError, SettingsError: see `collect`.
    """
    measured = read_measured(reports, stage)
    limits = settings.thresholds.of(held_to or stage)
    return replace(measured, findings=tuple(judge(finding, limits) for finding in measured.findings))


def read_measured(reports: Path, stage: str) -> StageResult:
    """What `stage` measured, not yet judged; figures and tables named relative to `reports`.

    Raises:
        WorkspaceError: its measured.json is missing or is not what a stage writes.
    """
    path = reports / stage / "measured.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = [from_json(finding) for finding in content["findings"]]
        record = read_record(reports.parent, path)
        findings = [_as_timed(one, record) for one in found]
        return StageResult(stage, tuple(map(_with_public_table, findings)), record.seconds)
    except FileNotFoundError:
        raise WorkspaceError(
            f"{path} is missing: measure the stage first, with `recipe run --until {stage}`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(
            f"{path} is not what the stage {stage} writes ({error}): delete it and run `recipe run --until {stage}`."
        ) from error


def _as_timed(finding: Finding, record: MachineRecord) -> Finding:
    """`finding` with its seconds, and what was timed at the end of its summary; neither where it was made elsewhere."""
    summary = " ".join(filter(None, (finding.summary, record.timed.get(finding.practice))))
    return replace(finding, summary=summary, seconds=record.practices.get(finding.practice, 0.0))


def save(reports: Path, result: RunResult) -> None:
    """Write findings.json, and gather the stages' tables in tables/, which then holds no other run's tables."""
    write_json(reports / FINDINGS, to_json(result))
    _gather_tables(reports, [stage.stage for stage in result.stages])


def to_json(result: RunResult) -> dict[str, Any]:
    """The content of findings.json."""
    return {
        "run": {**result.run, "verdict": result.verdict, **_beside_verdicts(result.findings)},
        "stages": [
            {
                "stage": stage.stage,
                "verdict": stage.verdict,
                "seconds": stage.seconds,
                "mlflow_run_id": stage.mlflow_run_id,
            }
            for stage in result.stages
        ],
        "findings": [_entry(finding) for finding in result.findings],
    }


def read(reports: Path) -> RunResult:
    """The run as findings.json tells it.

    Raises:
        WorkspaceError: there is none, or it is not one of ours.
    """
    path = reports / FINDINGS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        findings = [_from_entry(entry, content["run"]) for entry in content["findings"]]
        stages = tuple(
            StageResult(
                stage["stage"],
                tuple(finding for finding in findings if finding.practice.startswith(f"{stage['stage']}/")),
                float(stage["seconds"]),
                stage["mlflow_run_id"],
            )
            for stage in content["stages"]
        )
        return RunResult(content["run"], stages)
    except FileNotFoundError:
        raise WorkspaceError(
            f"{path} is missing: there is no run to report yet, start one with `recipe run`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WorkspaceError(f"{path} is not a run's findings ({error}): delete it and run `recipe report`.") from error


def told_settings(reports: Path) -> str | None:
    """The settings that findings.json tells of; a stage that measures the same with others leaves its gate as it is."""
    try:
        return str(read(reports).run["settings"])
    except (WorkspaceError, KeyError):
        return None


def reached(workspace: Path, gated: str | None = None) -> Iterator[str]:
    """The stages that the present run has reached, as far as files can tell."""
    lock = read_lock(workspace)
    certain = STAGES.index(gated) if gated else -1
    for position, stage in enumerate(STAGES):
        path = workspace / "reports" / stage / "measured.json"
        measured = path.is_file()
        if position > certain and not (is_current(workspace, lock, stage, measured) or _was_not_kept(workspace, path)):
            return
        if measured or stage == gated:
            yield stage


def _was_not_kept(workspace: Path, measured: Path) -> bool:
    """Whether the present settings were measured and a practice raised, which DVC records nothing of."""
    record = read_record(workspace, measured)
    return bool(record.raised) and record.settings == fingerprint(identity(load_settings(workspace)))


def _published(workspace: Path) -> dict[str, str | None]:
    """The MLflow runs of stages that were published before; publishing is idempotent, so they still hold."""
    try:
        return {stage.stage: stage.mlflow_run_id for stage in read(workspace / "reports").stages}
    except WorkspaceError:
        return {}


def _with_public_table(finding: Finding) -> Finding:
    return replace(finding, table=f"{TABLES}/{PurePosixPath(finding.table).name}") if finding.table else finding


def _gather_tables(reports: Path, stages: list[str]) -> None:
    wanted = {path.name: path for stage in stages for path in sorted((reports / stage / TABLES).glob("*.csv"))}
    folder = reports / TABLES
    for path in folder.glob("*.csv"):
        if path.name not in wanted:
            path.unlink()
    for name, source in wanted.items():
        content = source.read_bytes()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            write_whole(folder / name, content)


def _beside_verdicts(findings: Sequence[Finding]) -> dict[str, Any]:
    """What a verdict leaves out, by practice, for the entries of all have the same names.

    `knowledge` lists those whose verdict is no test's, `answers` holds how tests ended that stop nobody.
    """
    return {
        "knowledge": [finding.practice for finding in findings if finding.knowledge],
        "answers": {finding.practice: finding.answer for finding in findings if finding.answer},
    }


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "practice": finding.practice,
        "hypothesis": finding.hypothesis,
        "verdict": finding.verdict,
        "measured": finding.measured,
        "interval": list(finding.interval) if finding.interval else None,
        "expected": finding.expected,
        "tolerance": finding.tolerance,
        "summary": finding.summary,
        "advice": finding.advice,
        "figures": list(finding.figures.values()),
        "table": finding.table,
        "seconds": finding.seconds,
    }


def _from_entry(entry: Mapping[str, Any], run: Mapping[str, Any]) -> Finding:
    figures = {PurePosixPath(path).stem: path for path in entry["figures"]}
    interval = tuple(entry["interval"]) if entry["interval"] else None
    practice = entry["practice"]
    knowledge, answer = practice in run.get("knowledge", ()), run.get("answers", {}).get(practice)
    return Finding(**{**entry, "figures": figures, "interval": interval, "knowledge": knowledge, "answer": answer})
