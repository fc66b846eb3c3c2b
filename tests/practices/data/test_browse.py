import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recipe.browsing.page import FOLDER
from recipe.browsing.surveyed import Surveyed
from recipe.dataset.stored import Dataset
from recipe.evidence import judge
from recipe.pipeline.stage import Stage
from recipe.practices.data.browse import browse
from recipe.report.build import build_report
from recipe.report.findings import RunResult, describe, read_judged
from tasks.data import PRACTICES, work
from tests.faults.data import composed, ingested

LIMITS = composed().thresholds.of("data")


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes"])
def test_real_data_get_a_page_and_a_picture_and_never_fail(
    real: Callable[[str], Dataset], tmp_path: Path, name: str
) -> None:
    finding = judge(browse(Surveyed(replace(real(name), workspace=tmp_path))), LIMITS)

    assert finding.verdict == "pass" and finding.knowledge
    assert finding.summary.startswith(f"{len(real(name).manifest):,} examples to look at")
    assert "montage" in finding.figures
    assert (tmp_path / FOLDER / "index.html").is_file()


def test_it_comes_last_and_shows_what_the_others_found(tmp_path: Path) -> None:
    ingested(tmp_path, "data=digits")
    stage = Stage("data", tmp_path, composed("data=digits"), only=("data/duplicates", "data/browse"))

    work(stage)

    assert PRACTICES[-1] is browse
    assert [finding.practice for finding in stage.findings] == ["data/duplicates", "data/browse"]
    assert '"practice":"data/duplicates"' in (tmp_path / FOLDER / "data.js").read_text(encoding="utf-8")


def test_clean_digits_leave_nothing_to_do_first(tmp_path: Path) -> None:
    ingested(tmp_path, "data=digits")

    work(Stage("data", tmp_path, composed("data=digits")))

    script = (tmp_path / FOLDER / "data.js").read_text(encoding="utf-8")
    browsed = json.loads(script.partition("=")[2].rstrip().removesuffix(";"))
    assert browsed["todo"] == []
    assert len(browsed["expected"]["classes"]) == 3 * browsed["count"]


def test_alone_it_shows_the_data_and_the_report_opens_it(tmp_path: Path) -> None:
    ingested(tmp_path, "data=digits")
    settings = composed("data=digits")
    stage = Stage("data", tmp_path, settings, only=("data/browse",))

    work(stage)
    stage.write()
    result = RunResult(describe(settings), (read_judged(tmp_path / "reports", "data", settings),))
    page = build_report(tmp_path, result).read_text(encoding="utf-8")

    assert 'href="data.html"' in page
    opened = (tmp_path / "reports" / "data.html").read_text(encoding="utf-8")
    assert (tmp_path / "reports" / opened.partition("url=")[2].partition('"')[0]).is_file()


def test_a_report_without_the_page_does_not_lead_to_it(tmp_path: Path) -> None:
    ingested(tmp_path, "data=digits")
    settings = composed("data=digits")
    (tmp_path / "reports").mkdir(exist_ok=True)
    (tmp_path / "reports" / "data.html").write_text("of another run")

    page = build_report(tmp_path, RunResult(describe(settings), ())).read_text(encoding="utf-8")

    assert not (tmp_path / "reports" / "data.html").exists()
    assert "data.html" not in page
