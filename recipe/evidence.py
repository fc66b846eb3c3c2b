"""Findings: what a practice measured, and how a threshold turns it into a verdict.

A practice measures and states what it requires of the numbers; a threshold, which is a setting, decides. Keeping the
two apart is what lets a threshold change without measuring again.
"""

import inspect
import io
import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import Any, Literal

from recipe.errors import SettingsError

Verdict = Literal["pass", "warn", "fail", "skip"]
Answer = Literal["holds", "refuted", "open"]
COLOURS = {
    "fail": "#b3261e",
    "warn": "#8a5a00",
    "pass": "#1b6e3c",
    "holds": "#1b6e3c",
}  # of verdicts in a notebook, as on the page
ROWS_SHOWN = 10  # of a finding's table there
SEVERITY: Mapping[Verdict, int] = {"skip": 0, "pass": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Requirement:
    """One thing that must hold of a number.

    `limit` is a number, or the name of a setting under `thresholds.<stage>.<practice>`; `otherwise` is the verdict
    when it does not hold. A value that is not a number never holds. `unit` is what a value of 1 is in what the finding
    measured, where the value is a share of it.
    """

    value: float
    relation: Literal["at most", "at least"]
    limit: float | str
    otherwise: Literal["warn", "fail"] = "fail"
    unit: float = 1.0

    def holds(self, limit: float) -> bool:
        if math.isnan(self.value):
            return False
        return self.value <= limit if self.relation == "at most" else self.value >= limit


def at_most(
    value: float, limit: float | str, otherwise: Literal["warn", "fail"] = "fail", unit: float = 1.0
) -> Requirement:
    """`value` may not exceed `limit`."""
    return Requirement(float(value), "at most", limit, otherwise, unit)


def at_least(value: float, limit: float | str, otherwise: Literal["warn", "fail"] = "fail") -> Requirement:
    """`value` must reach `limit`."""
    return Requirement(float(value), "at least", limit, otherwise)


@dataclass(frozen=True)
class Finding:
    """What one practice saw. A practice fills in the first block; what runs it fills in the second.

    One that requires nothing of its numbers is `knowledge`: it passes, since there is nothing that could fail. Where
    the hypothesis was put to a test that stops nobody, `answer` says how that ended: it holds, it is refuted, or it is
    open, since what was seen could not tell.

    `figures` maps a short name to a matplotlib Figure (once saved: to its path under `reports/`); `table` is a
    DataFrame as TABLES describes (once saved: its path). `advice` says what to do when a requirement does not hold.
    `timed` is a sentence on what was timed here: like seconds it is kept apart from what equal runs have in common, and
    is read as the end of the summary.
    """

    summary: str
    measured: float | None = None
    interval: tuple[float, float] | None = None
    expected: float | str | None = None
    tolerance: float | None = None
    advice: str = ""
    requirements: tuple[Requirement, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    table: Any = None
    skipped: bool = False
    answer: Answer | None = None

    practice: str = ""
    hypothesis: str = ""
    verdict: Verdict | None = None
    knowledge: bool = False
    seconds: float = 0.0
    timed: str = ""

    @property
    def word(self) -> str:
        """The verdict as a person reads it; of knowledge that word; of a test that stops nobody, how it ended."""
        if self.answer and self.verdict == "pass":
            return self.answer
        return "knowledge" if self.knowledge else self.verdict or ("skip" if self.skipped else "not judged")

    def _repr_html_(self) -> str:
        """How a notebook shows it: verdict, numbers, what was seen, pictures and the head of the table."""
        return shown_in_notebook(self)


def shown_in_notebook(finding: Finding) -> str:
    """`finding` as HTML in which no cell of anybody's table is markup."""
    colour, interval = COLOURS.get(finding.word, "inherit"), finding.interval
    numbers = {
        "measured": finding.measured,
        "interval": f"[{interval[0]:.4g}, {interval[1]:.4g}]" if interval else None,
        "expected": finding.expected,
        "tolerance": finding.tolerance,
    }
    parts = [
        f"<b style='color: {colour}'>{finding.word}</b> <b>{escape(finding.practice)}</b>",
        escape("; ".join(f"{name} {_number_shown(value)}" for name, value in numbers.items() if value is not None)),
        escape(" ".join(filter(None, (finding.summary, finding.timed)))),
        f"<i>{escape(finding.advice)}</i>" if finding.advice and finding.verdict in ("warn", "fail") else "",
    ]
    pictures = [_picture(name, figure) for name, figure in finding.figures.items() if hasattr(figure, "savefig")]
    table = finding.table.head(ROWS_SHOWN).to_html(index=False) if hasattr(finding.table, "to_html") else ""
    return "".join([*(f"<div>{part}</div>" for part in parts if part), *pictures, table])


def _number_shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _picture(name: str, figure: Any) -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return f"<img alt='{escape(name)}' src='data:image/png;base64,{b64encode(content.getvalue()).decode()}'>"


def skip(reason: str) -> Finding:
    """The finding of a practice that does not apply; `reason` says why, in one sentence."""
    return Finding(summary=reason, skipped=True)


@dataclass(frozen=True)
class Practice:
    """A registered practice: its id, the hypothesis it tests, and the function that measures it."""

    id: str
    hypothesis: str
    measure: Callable[[Any], Finding]

    def __call__(self, subject: Any) -> Finding:
        finding = self.measure(subject)
        return replace(finding, practice=self.id, hypothesis=self.hypothesis)


def practice(id: str) -> Callable[[Callable[[Any], Finding]], Practice]:
    """Register a function as the practice `id`; the first line of its docstring is the hypothesis it tests."""

    def register(measure: Callable[[Any], Finding]) -> Practice:
        hypothesis = (inspect.getdoc(measure) or "").split("\n", 1)[0]
        return Practice(id, hypothesis, measure)

    return register


def judge(finding: Finding, thresholds: Mapping[str, Mapping[str, Any]]) -> Finding:
    """`finding` with its verdict under the stage's `thresholds`, a mapping of practice name to its limits.

    The verdict is the worst that an unmet requirement asks for. What the practice left open is filled in from the first
    requirement: `expected`, or where that is a number the `tolerance` around it.

    Raises:
        SettingsError: a requirement names a threshold that the settings do not hold.
    """
    if finding.skipped:
        return replace(finding, verdict="skip")
    limits = [_limit_of(requirement, finding, thresholds) for requirement in finding.requirements]
    unmet: list[Verdict] = [
        requirement.otherwise
        for requirement, limit in zip(finding.requirements, limits, strict=True)
        if not requirement.holds(limit)
    ]
    verdict: Verdict = max(unmet, key=lambda one: SEVERITY[one], default="pass")
    expected, tolerance = finding.expected, finding.tolerance
    if finding.requirements:
        first = finding.requirements[0]
        if expected is None:
            expected = f"{first.relation} {limits[0]:g}"
        elif tolerance is None and not isinstance(expected, str) and first.relation == "at most":
            tolerance = limits[0] * first.unit
    knowledge = not finding.requirements and finding.answer is None
    return replace(finding, verdict=verdict, knowledge=knowledge, expected=expected, tolerance=tolerance)


def _limit_of(requirement: Requirement, finding: Finding, thresholds: Mapping[str, Mapping[str, Any]]) -> float:
    if not isinstance(requirement.limit, str):
        return float(requirement.limit)
    stage, _, name = finding.practice.partition("/")
    try:
        return float(thresholds[name][requirement.limit])
    except KeyError:
        raise SettingsError(
            f"The setting thresholds.{stage}.{name}.{requirement.limit} is missing: add it to conf/stages/{stage}.yaml."
        ) from None


def worst(findings: list[Finding]) -> Verdict:
    """The verdict of a stage: the worst of its findings; `pass` when there are none."""
    return max((finding.verdict or "pass" for finding in findings), key=SEVERITY.__getitem__, default="pass")


def to_json(finding: Finding) -> dict[str, Any]:
    """`finding`, with figures and table saved, as plain JSON; a number that is not finite becomes null."""
    content = asdict(replace(finding, requirements=()))
    content["requirements"] = [asdict(requirement) for requirement in finding.requirements]
    content["figures"] = dict(finding.figures)
    return {key: _plain(value) for key, value in content.items()}


def from_json(content: Mapping[str, Any]) -> Finding:
    """The inverse of `to_json`."""
    values = dict(content)
    values["requirements"] = tuple(
        Requirement(**{**requirement, "value": _number(requirement["value"])})
        for requirement in values.get("requirements", ())
    )
    values["interval"] = tuple(values["interval"]) if values.get("interval") else None
    return Finding(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _number(value: float | None) -> float:
    return math.nan if value is None else value
