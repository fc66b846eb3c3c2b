"""data/expectations: the tabular facts, ours and the user's own, as Great Expectations suites."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

from recipe.dataset.splits import TRAIN
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.expectations import validate
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
    advice = (
        "Where one is not met, open data_docs/index.html in reports/data, and mend the rows that it names, or the "
        "expectation."
    )
    return _finding(validate(dataset), advice)


@practice("data/expectations")
def expectations_of_delivery(examined: Examined) -> Finding:
    """The tabular facts of the data set hold in the delivery: columns, ranges, known values, and your own suites."""
    placed = replace(examined.dataset, manifest=examined.dataset.manifest.assign(split=TRAIN))
    advice = (
        "Where one is not met, ask the sender what has changed in the columns that the table names, or mend the "
        "expectation."
    )
    return _finding(validate(placed, examined.reference), advice)


def _finding(results: pd.DataFrame, advice: str) -> Finding:
    """How many expectations are met, and the first that is not."""
    unmet, total, suites = results[~results["met"]], len(results), results["suite"].nunique()
    summary = f"{total - len(unmet)} of {total} expectations in {suites} {'suite' if suites == 1 else 'suites'} are met"
    if len(unmet):
        first = unmet.iloc[0]
        summary += f"; the first that is not: {first['suite']}: {first['detail']}"
    return Finding(
        summary=summary + ".",
        measured=len(unmet),
        advice=advice,
        requirements=(at_most(len(unmet), "max_failed"),),
        table=results,
    )
