"""Every page that there is, made by what makes it, of a data set in which all that a user names is a given cell."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import yaml
from PIL import Image

from recipe.attribution.attribute import Attribution, Step
from recipe.attribution.report import write_why
from recipe.deliveries.notices import write_delivery_page
from recipe.deliveries.record import Outcome
from recipe.evidence import Finding, judge
from recipe.monitoring.monitor import monitor
from recipe.pipeline.stage import Stage, saved
from recipe.report.facts import facts_of
from recipe.report.findings import RunResult, StageResult, describe, read_judged, save
from recipe.report.page import write_page
from recipe.settings import Settings, parse_settings
from recipe.settings.composition import compose
from tasks.data import work as data_stage
from tasks.ingest import work as ingest_stage
from tests.faults.data import breast_cancer, digits

ROOT = Path(__file__).parents[2]
ROWS = 180  # each of the cells is in at least two
COLUMNS = 12  # of numbers, called by the first cells


def make_pages(folder: Path, cells: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """The pages of a table with `cells`, and of a folder of images called by `names`; by what a person calls them."""
    table, images = _workspace(folder / "table"), _workspace(folder / "images")
    settings = _of_table(table, cells)
    _measured(table, settings)
    pages = {"table's report": _report(table, settings, cells)}
    pages |= _named("Data Docs of the table", table / "reports" / "data" / "data_docs")
    pages["why"] = write_why(folder / "why", _attribution(cells))
    pages["delivery"] = _delivery(folder / "delivery", cells)
    pages["monitor"] = _monitored(table)
    settings = _of_images(images, names)
    _measured(images, settings)
    pages["images' report"] = _report(images, settings, names)
    pages |= _named("Data Docs of the images", images / "reports" / "data" / "data_docs")
    return pages


def _named(name: str, folder: Path) -> dict[str, Path]:
    return {f"{name}: {page.name}": page for page in sorted(folder.glob("*.html"))}


def _workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    return folder


def _of_table(workspace: Path, cells: Sequence[str]) -> Settings:
    """Real measurements, their columns called by cells, with classes, groups and a column of all cells."""
    cells = [cell for cell in cells if "\0" not in cell]  # no CSV holds one
    usable = [cell for cell in cells if not set(cell) & set("\r\n\t")]
    names = list(dict.fromkeys(cell.strip() for cell in usable))
    real = breast_cancer().head(ROWS)
    frame = pd.DataFrame({names[place]: real.iloc[:, place] for place in range(COLUMNS)})
    frame[names[COLUMNS]] = [cells[row % len(cells)] for row in range(ROWS)]
    classes = dict(zip(("benign", "malignant"), names[COLUMNS + 1 :], strict=False))
    frame["label"] = [classes[name] for name in real["diagnosis"]]
    frame["group"] = [names[row // 2 % len(names)] for row in range(ROWS)]
    frame.loc[ROWS - 3 :, "label"] = names[-3:]  # rare classes
    frame = pd.concat([frame, frame.head(4)], ignore_index=True)  # pairs to list
    frame.to_csv(workspace / "table.csv", index=False)
    _write_suite(workspace, cells[0], names)
    overrides = ["data=table", f"data.path={workspace / 'table.csv'}", "data.label=label", "data.group_column=group"]
    return _written(workspace, overrides, cells[0])


def _write_suite(workspace: Path, name: str, columns: Sequence[str]) -> None:
    """A suite that does not hold, so that the Data Docs list the cells."""
    noted = columns[COLUMNS]
    called: list[tuple[str, dict[str, object]]] = [
        ("expect_column_values_to_be_in_set", {"column": noted, "value_set": list(columns[:3])}),
        ("expect_column_values_to_match_regex", {"column": noted, "regex": f"^{re.escape(columns[0])}$"}),
        ("expect_column_pair_values_to_be_equal", {"column_A": noted, "column_B": columns[0]}),
        ("expect_column_distinct_values_to_be_in_set", {"column": noted, "value_set": list(columns[3:6])}),
        ("expect_table_columns_to_match_set", {"column_set": list(columns)}),
    ]
    called += [("expect_column_to_exist", {"column": f"{column} lost"}) for column in columns]
    called += [("expect_column_mean_to_be_between", {"column": name, "max_value": -9}) for name in columns[:COLUMNS]]
    suite = {"name": name, "expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in called]}
    path = workspace / "conf" / "expectations" / "own.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(suite), encoding="utf-8")


def _of_images(workspace: Path, names: Sequence[str]) -> Settings:
    """Real digits in folders and files called by `names`, with copies, an empty and a broken file among them."""
    pictures, labels = digits()
    for place in range(2 * len(names)):
        folder = workspace / "pictures" / names[labels[place]]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{names[place % len(names)]}.png"
        Image.fromarray(pictures[place]).save(path, format="png")
        Image.fromarray(pictures[place]).save(folder / f"copy {names[place % len(names)]}.png", format="png")
    for number, name in enumerate(names):
        (workspace / "pictures" / names[0] / f"{name}.broken.png").write_bytes(b"no picture" * number)
    return _written(workspace, ["data=image_folder", f"data.path={workspace / 'pictures'}"], names[0])


def _written(workspace: Path, overrides: list[str], called: str) -> Settings:
    composed = compose(ROOT, overrides)
    composed["data"]["name"] = called
    (workspace / "params.yaml").write_text(yaml.safe_dump(composed, allow_unicode=True), encoding="utf-8")
    return parse_settings(composed)


def _measured(workspace: Path, settings: Settings) -> None:
    """What the stages ingest and data find."""
    first = Stage("ingest", workspace, settings)
    ingest_stage(first)
    first.write()
    second = Stage("data", workspace, settings)
    data_stage(second)
    second.write()


def _report(workspace: Path, settings: Settings, cells: Sequence[str]) -> Path:
    reports = workspace / "reports"
    stages = tuple(read_judged(reports, name, settings) for name in ("ingest", "data"))
    baseline = StageResult("baseline", _findings(reports, cells), 1.0)
    result = RunResult({**describe(settings), "model": cells[1]}, (*stages, baseline))
    save(reports, result)
    return write_page(reports, result, facts_of(workspace, settings.data.name))


def _findings(reports: Path, cells: Sequence[str]) -> tuple[Finding, ...]:
    """A finding for each cell, all with their words and names made of it, one with a table of them all."""
    listed = pd.DataFrame({"path": list(cells), cells[2]: list(cells), "score": 0.5})
    told = [
        Finding(
            summary=f"{cell} was seen.",
            measured=0.5,
            expected=cell,
            advice=f"Mend {cell}.",
            practice=f"baseline/one_{number}",
            hypothesis=f"{cell} holds.",
            verdict="fail" if number % 2 else "warn",
            table=listed if number % 8 == 0 else None,
        )
        for number, cell in enumerate(cells)
    ]
    return tuple(replace(saved(one, reports, "baseline"), verdict=one.verdict) for one in told)


def _attribution(cells: Sequence[str]) -> Attribution:
    steps = tuple(Step(cell, cell, cell, 0.9, -0.01, -0.02, 0.0, 0.5, False) for cell in cells)
    whole = Step("in all", "", "", 0.9, -0.5, -0.6, -0.4, 1.0, True)
    return Attribution(cells[0], cells[1], cells[2], False, 100, 0.95, steps, whole, 0.01, 2, tuple(cells))


def _delivery(report: Path, cells: Sequence[str]) -> Path:
    findings = tuple(judge(Finding(f"{cell} was seen.", practice="data/blank", hypothesis=cell), {}) for cell in cells)
    save(report, RunResult({"data": cells[0], "delivery": cells[1]}, (StageResult("data", findings, 1.0),)))
    why = " ".join(cells)
    outcome = Outcome("1", cells[3], "partly accepted", 1, 1, 1, cells[4], why, cells[5], quarantine=cells[6])
    write_delivery_page(report, outcome)
    return report / "index.html"


def _monitored(workspace: Path) -> Path:
    """The table's own rows again, as a batch from production."""
    rows = pd.read_csv(workspace / "table.csv", dtype="str", keep_default_na=False)
    batch = workspace / "<img src=x onerror=document.documentElement.dataset.ran=1>.csv"
    rows.head(60).to_csv(batch, index=False)
    monitor(workspace, batch, workspace / "reports" / "monitor")
    return workspace / "reports" / "monitor" / "index.html"
