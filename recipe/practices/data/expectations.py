"""data/expectations: the tabular facts, ours and the user's own, as Great Expectations suites."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from recipe.dataset.splits import TRAIN
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.expectations import (
    ExpectationReport,
    docs_folder,
    import_expectations,
    suites_of,
    validate_manifest,
)
from recipe.settings.strict import Strict

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined


class Settings(Strict):
    suites: str
    modules: tuple[str, ...]


class Limits(Strict):
    max_failed: float = Field(ge=0)


class DeliveryLimits(Limits):
    pass


@practice("data/expectations")
def expectations(dataset: Dataset) -> Finding:
    """The tabular facts hold: every expectation of the manifest's suite, and of your own, is met.

    The Data Docs go to reports/data/data_docs/ of the workspace.
    """
    import_expectations(dataset.settings.stages.data.expectations.modules)
    report = validate_manifest(dataset, docs_folder(dataset), suites_of(dataset))
    advice = "Open data_docs/index.html in reports/data, and mend the rows that it names, or the expectation."
    return _finding(report, advice)


@practice("data/expectations")
def expectations_of_delivery(examined: Examined) -> Finding:
    """The tabular facts of the data set hold in the delivery: columns, ranges, known values, and your own suites."""
    dataset = examined.dataset
    import_expectations(dataset.settings.stages.data.expectations.modules)
    placed = replace(dataset, manifest=dataset.manifest.assign(split=TRAIN))
    report = validate_manifest(placed, docs_folder(dataset), suites_of(dataset), examined.reference)
    advice = "Ask the sender what has changed in the columns that the table names, or mend the expectation."
    return _finding(report, advice)


def _finding(report: ExpectationReport, advice: str) -> Finding:
    """How many expectations are met, and the first that is not."""
    failed, total = len(report.failed), len(report.results)
    named = report.results["suite"].nunique()
    summary = f"{total - failed} of {total} expectations in {named} {'suite' if named == 1 else 'suites'} are met"
    if failed:
        summary += f"; the first that is not: {report.failed[0]}"
    return Finding(
        summary=summary + ".",
        measured=failed,
        advice=advice,
        requirements=(at_most(failed, "max_failed"),),
        table=report.results,
    )
