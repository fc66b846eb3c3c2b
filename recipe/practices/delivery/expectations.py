"""data/expectations, of a delivery: what the data set's columns let one expect, and the user's own suites."""

from dataclasses import replace

from recipe.dataset.splits import TRAIN
from recipe.deliveries.fates import Examined
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.expectations import docs_folder, import_expectations, suites_of, validate_manifest


@practice("data/expectations")
def expectations(examined: Examined) -> Finding:
    """The tabular facts of the data set hold in the delivery: columns, ranges, known values, and your own suites."""
    dataset = examined.dataset
    import_expectations(dataset.settings.stages.data.expectations.modules)
    placed = replace(dataset, manifest=dataset.manifest.assign(split=TRAIN))
    report = validate_manifest(placed, docs_folder(dataset), suites_of(dataset), examined.reference)
    failed, total = len(report.failed), len(report.results)
    named = report.results["suite"].nunique()
    summary = f"{total - failed} of {total} expectations in {named} suites are met"
    if failed:
        summary += f"; the first that is not: {report.failed[0]}"
    return Finding(
        summary=summary + ".",
        measured=failed,
        advice="Ask the sender what has changed in the columns that the table names, or mend the expectation.",
        requirements=(at_most(failed, "max_failed"),),
        table=report.results,
    )
