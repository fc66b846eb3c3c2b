"""data/expectations, of a delivery: what the data set's columns let one expect, and the user's own suites."""

from dataclasses import replace

from recipe.dataset.splits import TRAIN
from recipe.deliveries.fates import Examined
from recipe.evidence import Finding, practice
from recipe.inspection.expectations import docs_folder, import_expectations, suites_of, validate_manifest
from recipe.practices.data.expectations import as_finding


@practice("data/expectations")
def expectations(examined: Examined) -> Finding:
    """The tabular facts of the data set hold in the delivery: columns, ranges, known values, and your own suites."""
    dataset = examined.dataset
    import_expectations(dataset.settings.stages.data.expectations.modules)
    placed = replace(dataset, manifest=dataset.manifest.assign(split=TRAIN))
    report = validate_manifest(placed, docs_folder(dataset), suites_of(dataset), examined.reference)
    advice = "Ask the sender what has changed in the columns that the table names, or mend the expectation."
    return as_finding(report, advice)
