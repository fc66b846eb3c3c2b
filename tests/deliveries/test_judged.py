"""What becomes of a delivery by what was found in it, and what its page then says; nothing is run."""

from pathlib import Path

import pytest

from recipe.deliveries.examination import ASIDE, KNOWN, NEW
from recipe.deliveries.notices import write_delivery_page
from recipe.deliveries.receive import judged
from recipe.deliveries.record import Outcome
from recipe.evidence import Finding, Verdict
from recipe.report.findings import RunResult, StageResult, read, save
from recipe.settings import parse_settings
from recipe.settings.composition import compose
from tests.workspaces import ROOT

COUNTS = {NEW: 90, KNOWN: 0, ASIDE: 10}


def found(**verdicts: Verdict) -> RunResult:
    """The findings of a delivery, by practice."""
    findings = [
        Finding(f"Of {name}.", practice=f"data/{name}", hypothesis="It is so.", verdict=verdict)
        for name, verdict in verdicts.items()
    ]
    return RunResult({"data": "photos", "delivery": "june"}, (StageResult("data", tuple(findings), 1.0),))


@pytest.mark.parametrize(
    ("verdicts", "despite_drift", "kind", "why"),
    [
        ({"drift": "fail", "label_noise": "fail"}, False, "drifted", "Of drift. Of label_noise."),
        ({"label_noise": "fail"}, True, "rejected", "Of label_noise."),
        ({"drift": "fail", "duplicates": "fail"}, True, "rejected", "Of duplicates."),
        (
            {"drift": "fail", "label_noise": "fail"},
            True,
            "partly accepted",
            "90 examples are new, taken despite data/drift, data/label_noise; 10 cannot be used.",
        ),
        ({"drift": "pass"}, True, "partly accepted", "90 examples are new; 10 cannot be used."),
        ({"unreadable": "warn"}, True, "partly accepted", "90 examples are new; 10 cannot be used."),
        ({"drift": "warn"}, True, "partly accepted", "90 examples are new; 10 cannot be used. Of drift."),
    ],
)
def test_a_person_overrules_a_shift_and_nothing_else(
    verdicts: dict[str, Verdict], despite_drift: bool, kind: str, why: str
) -> None:
    settings = parse_settings(compose(ROOT, []))
    assert judged(found(**verdicts), COUNTS, settings, despite_drift) == (kind, why)


def test_too_many_bad_examples_are_told_without_the_name_of_a_setting() -> None:
    settings = parse_settings(compose(ROOT, []))
    kind, why = judged(found(drift="pass"), {NEW: 4, KNOWN: 0, ASIDE: 6}, settings, False)
    assert (kind, why) == ("rejected", "6 of 10 examples cannot be used, and at most 50% may be so.")


def test_the_page_says_what_decided_where_the_findings_do_not(tmp_path: Path) -> None:
    save(tmp_path, found(drift="fail"))
    outcome = Outcome("1-june", "june", "rejected", known=1, aside=9, why="9 of 10 examples cannot be used.")
    write_delivery_page(tmp_path, outcome)
    assert "9 of 10 examples cannot be used." in (tmp_path / "index.html").read_text()
    write_delivery_page(tmp_path, Outcome("1-june", "june", "drifted", why="Of drift."))
    assert (tmp_path / "index.html").read_text().count('<p class="lede">') == 0
    assert read(tmp_path).run["outcome"] == "drifted"


def test_what_could_not_be_read_fails_for_programs_as_well(tmp_path: Path) -> None:
    write_delivery_page(tmp_path, Outcome("1-june", "june", "rejected", why="june is empty."))
    result = read(tmp_path)
    assert (result.verdict, result.run["outcome"]) == ("fail", "rejected")
    assert [(one.practice, one.summary) for one in result.findings] == [("data/unreadable", "june is empty.")]
