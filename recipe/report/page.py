"""reports/index.html: one self-contained page with every practice in the recipe's order, its numbers and pictures."""

import base64
import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from recipe.evidence import Finding, Verdict
from recipe.report.facts import Facts
from recipe.report.findings import STAGES, RunResult, StageResult
from recipe.report.numbers import duration, expectation, interval, metric_in_words, number, scored, scored_interval
from recipe.runtime.workspace import write_whole

PAGE = "index.html"
PREVIEW_ROWS = 8
CELL_LENGTH = 90
CELL_DECIMALS = 4  # the same down a column, so that digits stand under each other
PIXEL_RATIO = 1.5  # figures are drawn at 144 dots an inch, a page has 96

FINAL, BOOSTING, BUDGET = "squeeze/final_test", "baseline/boosting", "squeeze/error_budget"
BASELINES = {  # by their names in the table of the final test
    "boosting": "Gradient boosting",
    "linear": "A linear model",
    "input-independent": "A constant guess",
}


@dataclass(frozen=True)
class Picture:
    """A figure inside the page: its data URI, what it shows in words, and its size in CSS pixels."""

    source: str
    alt: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Preview:
    """The first rows of a table; `numeric` says of each column whether it holds numbers only."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    total: int


@dataclass(frozen=True)
class Predictor:
    """A predictor on the test set: its name, its value by the metric so called, and the practice that measured it.

    `ahead`: by how much it is better than the final one; 0 where chance may explain it.
    """

    name: str
    metric: str
    measured: float | None
    interval: tuple[float, float] | None
    practice: str
    ahead: float = 0.0


@dataclass(frozen=True)
class Section:
    """A stage on the page; without a result, one that the run has not reached."""

    name: str
    result: StageResult | None
    counts: dict[Verdict, int]

    @property
    def verdict(self) -> str:
        return self.result.verdict if self.result else "none"


@dataclass(frozen=True)
class Opening:
    """What a page says first of a result that is no run of the pipeline: in a line, in a sentence, and of failures."""

    headline: str
    lede: str = ""
    failures: str = "What has changed"


def write_page(reports: Path, result: RunResult, facts: Facts | None = None, opening: Opening | None = None) -> Path:
    """Write the page of `result` into the folder `reports`, which its figures and tables are named relative to.

    With an `opening` it is no page of a run, and shows its own parts alone.
    """
    page = reports / PAGE
    write_whole(page, render(reports, result, facts or Facts(), opening))
    return page


def render(reports: Path, result: RunResult, facts: Facts, opening: Opening | None = None) -> str:
    """The page as HTML. Whatever comes from a user's data is escaped, and no file outside `reports` is shown."""
    environment = Environment(
        loader=PackageLoader("recipe.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, interval=interval, duration=duration, words=words)
    environment.globals.update(scored=scored, scored_interval=scored_interval, metric_in_words=metric_in_words)
    template = environment.get_template("page.html.j2")
    predictors = _predictors(reports, _find(result, FINAL))
    return template.render(
        run=result.run,
        opening=opening or _opening(result, predictors),
        is_run=opening is None,
        sections=_sections(result, STAGES if opening is None else [stage.stage for stage in result.stages]),
        found={verdict: [one for one in result.findings if one.verdict == verdict] for verdict in ("fail", "warn")},
        final=_find(result, FINAL),
        budget=_told(_find(result, BUDGET)),
        predictors=predictors,
        seconds=sum(stage.seconds for stage in result.stages),
        facts=facts,
        expectation=expectation,
        pictures=lambda finding: list(_pictures(reports, finding)),
        preview=lambda finding: _preview(reports, finding.table),
    )


def _told(finding: Finding | None) -> Finding | None:
    """`finding` where it saw anything."""
    return None if finding is None or finding.skipped else finding


def _opening(result: RunResult, predictors: Sequence[Predictor]) -> Opening:
    """A run's own: that a baseline is better comes first, but for what has stopped the run, which may explain it."""
    said, better = headline(result), _better(result, predictors)
    first, then = (said, better) if result.verdict == "fail" or not better else (better, said)
    return Opening(first, then, failures="What stopped the run")


def _better(result: RunResult, predictors: Sequence[Predictor]) -> str:
    """Which baseline is better than the net beyond chance, the strongest of them, in a sentence; nothing: none is."""
    better = [one for one in predictors if one.ahead > 0 and one.name in BASELINES]
    if better:
        best = max(better, key=lambda one: one.ahead)
        return f"{BASELINES[best.name]} is better than the net on the test set, beyond chance: use it."
    early = _find(result, BOOSTING)
    if not predictors and early and early.verdict == "warn":
        return f"{BASELINES['boosting']} is better than the net on the validation split so far, beyond chance."
    return ""


def headline(result: RunResult) -> str:
    """The verdict of the run in one sentence."""
    closed = next((stage for stage in result.stages if stage.verdict == "fail"), None)
    if closed is not None:
        causes = [words(finding.practice) for finding in closed.findings if finding.verdict == "fail"]
        named = ", ".join(causes[:3]) + (f" and {len(causes) - 3} more" if len(causes) > 3 else "")
        return f"Stopped at {closed.stage}: {named} {'does' if len(causes) == 1 else 'do'} not hold."
    if not result.stages:
        return "Nothing has been measured yet."
    warned = sum(finding.verdict == "warn" for finding in result.findings)
    look = f", and {warned} {'practice asks' if warned == 1 else 'practices ask'} for a look" if warned else ""
    last = result.stages[-1].stage
    reach = "Every gate is open" if last == STAGES[-1] else f"Every gate up to {last} is open"
    return f"{reach}{look}."


def words(practice: str) -> str:
    """`baseline/loss_at_init` as a person says it: loss at init."""
    return practice.rpartition("/")[2].replace("_", " ")


def _sections(result: RunResult, names: Sequence[str]) -> list[Section]:
    known = [(name, result.stage(name)) for name in names]
    return [
        Section(name, stage, dict(Counter(finding.verdict or "skip" for finding in stage.findings)) if stage else {})
        for name, stage in known
    ]


def _predictors(reports: Path, final: Finding | None) -> list[Predictor]:
    """The final predictor and those beside it on the same test examples, by the metric that decides, from its table."""
    path = _inside(reports, final.table) if final and final.table else None
    if path is None:
        return []
    with open(path, encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [
        Predictor(
            row["predictor"],
            row.get("metric", ""),
            float(row["figure"]),
            (float(row["low"]), float(row["high"])),
            FINAL,
            ahead=-float(row["difference"]) if float(row.get("difference_high") or 0) < 0 else 0.0,
        )
        for row in rows
        if row.get("metric") == rows[0].get("metric")
    ]


def _find(result: RunResult, practice: str) -> Finding | None:
    found = next((finding for finding in result.findings if finding.practice == practice), None)
    return found if found and found.measured is not None else None


def _pictures(reports: Path, finding: Finding) -> Iterator[Picture]:
    for name, relative in finding.figures.items():
        path = _inside(reports, relative)
        if path is None:
            continue
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            caption = picture.info.get("Title") or words(name.rpartition(".")[2]).capitalize()
        source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
        size = round(width / PIXEL_RATIO), round(height / PIXEL_RATIO)
        yield Picture(source, f"{caption}. {finding.summary}", caption, *size)


def _preview(reports: Path, relative: str | None) -> Preview | None:
    path = _inside(reports, relative) if relative else None
    if path is None:
        return None
    with open(path, encoding="utf-8", newline="") as handle:
        lines = csv.reader(handle)
        columns = tuple(next(lines, []))
        rows = tuple(tuple(_cell(cell) for cell in line) for line in itertools.islice(lines, PREVIEW_ROWS))
        total = len(rows) + sum(1 for _ in lines)
    numeric = tuple(all(_is_number(row[place]) for row in rows if place < len(row)) for place in range(len(columns)))
    return Preview(PurePosixPath(relative or "").as_posix(), columns, rows, numeric, total)


def _inside(reports: Path, relative: str) -> Path | None:
    """The file `relative` to `reports`, unless it is missing or lies outside."""
    path = (reports / relative).resolve()
    return path if path.is_relative_to(reports.resolve()) and path.is_file() else None


def _cell(text: str) -> str:
    if _is_number(text) and "." in text:
        value = float(text)
        return f"{value:.{CELL_DECIMALS}f}" if value == 0 or 1e-4 <= abs(value) < 1e6 else number(value)
    return text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…"


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True
