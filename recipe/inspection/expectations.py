"""The tabular facts, held against Great Expectations suites: ours over the manifest, and the user's own."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from recipe.dataset.stored import Dataset
from recipe.errors import SettingsError
from recipe.inspection.data_docs import write_data_docs
from recipe.inspection.suites import (
    Suite,
    import_own_expectations,
    joined,
    one_line,
    read_suites,
    suite_of_columns,
    suite_of_manifest,
)
from recipe.runtime.garbage import uncollected

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

COLUMNS = ["suite", "expectation", "column", "met", "detail"]
OWN_SUITES = "conf/expectations"  # of this project; a workspace may do without
DOCS = Path("reports/data/data_docs")  # in the workspace
EXAMPLES_SHOWN = 3  # unexpected values named for each expectation


def validate(dataset: Dataset, reference: Dataset | None = None) -> pd.DataFrame:
    """Hold the manifest to our suite and to the user's, and write the Data Docs into the workspace.

    The user's suites see the manifest and the raw columns, which go before columns of the manifest of the same name.

    Args:
        reference: the data set that a delivery is to join: a suite of its columns is held against it as well.

    Returns:
        A row an expectation, unmet first: suite, expectation, column, met, detail.

    Raises:
        SettingsError: a suite or module cannot be read, or names what Great Expectations does not know.
        WorkspaceError: the Data Docs cannot be written.
    """
    with _great_expectations() as context:
        import_own_expectations(dataset.settings.stages.data.expectations.modules)
        pairs = [(suite_of_manifest(dataset), dataset.manifest)]
        if reference is not None:
            pairs.append((suite_of_columns(reference), joined(dataset)))
        pairs += [(suite, joined(dataset)) for suite in read_suites(_own_suites(dataset))]
        validated = {suite.name: _validate(context, suite, table) for suite, table in pairs}
        rows = [row for name, result in validated.items() for row in _rows(name, result)]
        write_data_docs(validated, dataset.workspace / DOCS)
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("met", kind="stable", ignore_index=True)


@contextmanager
def _great_expectations() -> Iterator[AbstractDataContext]:
    """Great Expectations in memory: no files, no network, no progress bars, and no log lines on the terminal."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        _import_once()
        import great_expectations
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = great_expectations.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        yield context
    finally:
        logger.setLevel(level)


def _import_once() -> None:
    """Import Great Expectations so that no garbage collection, then or later, goes through what it makes and keeps.

    That is a fifth of the time that it takes to import it and to validate a manifest.
    """
    if "great_expectations" in sys.modules or not gc.isenabled():
        return
    with uncollected():
        importlib.import_module("great_expectations")
    gc.freeze()


def _own_suites(dataset: Dataset) -> Path | None:
    """Where the user's own suites are; None where the default place holds none."""
    suites = dataset.settings.stages.data.expectations.suites
    path = dataset.workspace / suites
    return None if suites == OWN_SUITES and not path.exists() else path


def _validate(context: AbstractDataContext, suite: Suite, table: pd.DataFrame) -> ExpectationSuiteValidationResult:
    from great_expectations import ExpectationSuite, ValidationDefinition

    batch = context.data_sources.add_pandas(suite.name).add_dataframe_asset(suite.name)
    kept = ExpectationSuite(name=suite.name)
    for expectation in suite.expectations:
        kept.add_expectation(expectation)  # before the context has the suite: it writes all of it for each one after
    definition = ValidationDefinition(
        name=suite.name, data=batch.add_batch_definition_whole_dataframe("all"), suite=context.suites.add(kept)
    )
    result = context.validation_definitions.add(definition).run(batch_parameters={"dataframe": table})
    if len(result.results) != len(suite.expectations):
        raise SettingsError(
            f"{suite.origin} holds {len(suite.expectations)} expectations, of which {len(result.results)} were "
            "evaluated: remove those that are there twice."
        )
    return result


def _rows(suite: str, result: ExpectationSuiteValidationResult) -> Iterator[tuple[str, str, str, bool, str]]:
    for outcome in result.results:
        called = _called(outcome)
        column = str(called.kwargs.get("column") or ", ".join(called.kwargs.get("column_list", [])))
        yield suite, called.type, column, bool(outcome.success), _in_words(outcome)


def _in_words(outcome: ExpectationValidationResult) -> str:
    """What was asked, and how it does not hold where it does not."""
    called = _called(outcome)
    kwargs = {key: value for key, value in called.kwargs.items() if key != "batch_id" and value is not None}
    call = f"{called.type}({', '.join(f'{key}={_short(value)}' for key, value in kwargs.items())})"
    raised = _raised(outcome.exception_info or {})
    if raised:
        return f"{call} could not be evaluated: {raised}"
    if outcome.success:
        return call
    result = outcome.result or {}
    if "unexpected_count" in result:
        some = ", ".join(repr(value) for value in (result.get("partial_unexpected_list") or [])[:EXAMPLES_SHOWN])
        examples = f", for example {some}" if some else ""
        return f"{call} does not hold for {result['unexpected_count']} of {result.get('element_count')}{examples}"
    observed = result.get("observed_value")
    return f"{call} does not hold" + (f": it is {_short(observed)}" if observed is not None else "")


def _called(outcome: ExpectationValidationResult) -> ExpectationConfiguration:
    assert outcome.expectation_config is not None, "a validated expectation knows what was asked"
    return outcome.expectation_config


def _raised(information: dict[str, Any]) -> str:
    """The message of what was raised; Great Expectations nests it by metric."""
    if information.get("raised_exception"):
        return one_line(information.get("exception_message") or "it raised")
    nested = [_raised(value) for value in information.values() if isinstance(value, dict)]
    return next((message for message in nested if message), "")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
