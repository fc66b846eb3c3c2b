"""Great Expectations suites: of every manifest, of the columns of a data set, and the user's own."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from recipe.dataset.kind import kind_of
from recipe.dataset.splits import SPLITS
from recipe.dataset.stored import Dataset
from recipe.errors import SettingsError
from recipe.settings import nearest

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

OUR_TYPES = "recipe.inspection.expectation_types"
OURS, REFERENCE = "manifest", "reference"  # the names of our own suites
MOSTLY = 0.95  # of the cells must be as the data set's are; the rest may be rare or new
WIDENED = 1.0  # ranges are of the data set's own width on either side of its extremes: another unit lies outside
MOST_CATEGORIES = 50  # a column of more is text: any value may be new


@dataclass(frozen=True)
class Suite:
    """Expectations to be held against one table; `origin` is the file they come from, None for our own."""

    name: str
    expectations: list[Expectation]
    origin: Path | None = None


def suite_of_manifest(dataset: Dataset) -> Suite:
    """What must hold of every manifest, whatever the data."""
    from great_expectations import expectations as expect

    from recipe.inspection.expectation_types import ExpectNoLeakageAcross

    manifest = dataset.manifest
    kept: list[Expectation] = [
        expect.ExpectTableRowCountToEqual(value=len(dataset.inputs)),
        expect.ExpectColumnValuesToBeUnique(column="id"),
        expect.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
    ]
    kept += [
        expect.ExpectColumnValuesToNotBeNull(column=name) for name in ("id", "content_id", "path", "label", "split")
    ]
    if dataset.preparation["classes"] is not None:
        kept.append(expect.ExpectColumnValuesToBeInSet(column="label", value_set=dataset.preparation["classes"]))
    if manifest["group"].notna().any() and dataset.time_column is None:
        kept.append(ExpectNoLeakageAcross(column="group"))
    kept += [
        expect.ExpectColumnValuesToBeBetween(column=name, min_value=span[0], max_value=span[1])
        for name, span in kind_of(dataset.preparation).measured.items()
        if span and name in manifest and manifest[name].notna().any()
    ]
    return Suite(OURS, kept)


def suite_of_columns(reference: Dataset) -> Suite:
    """What the columns of the data set let one expect of a delivery: they are there, in range, and of known values."""
    from great_expectations import expectations as expect

    table = joined(reference)
    names = [*reference.rows.columns, *kind_of(reference.preparation).measured, *reference.user_columns]
    kept: list[Expectation] = []
    for name in (name for name in names if name in table and table[name].notna().any()):
        column = table[name]
        kept.append(expect.ExpectColumnToExist(column=name))
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            low, high = float(column.min()), float(column.max())
            width = WIDENED * (high - low)
            kept.append(
                expect.ExpectColumnValuesToBeBetween(
                    column=name, min_value=low - width, max_value=high + width, mostly=MOSTLY
                )
            )
        elif (column.dtype == "str" or column.dtype == object) and column.nunique() <= MOST_CATEGORIES:
            values = sorted(str(value) for value in column.dropna().unique())
            kept.append(expect.ExpectColumnValuesToBeInSet(column=name, value_set=values, mostly=MOSTLY))
    return Suite(REFERENCE, kept)


def joined(dataset: Dataset) -> pd.DataFrame:
    """The manifest beside the raw columns; of two columns of one name the user's own."""
    own = [name for name in dataset.manifest if name not in dataset.rows]
    return pd.concat([dataset.manifest[own], dataset.rows.reset_index(drop=True)], axis=1)


def read_suites(path: Path | None) -> list[Suite]:
    """The suites in a JSON file, or in the JSON files of a folder, every expectation accounted for.

    Raises:
        SettingsError: a file is missing, is no suite, or holds an expectation that is unknown or does not fit.
    """
    if path is None:
        return []
    if not path.exists():
        raise SettingsError(f"There are no expectations in {path}: set stages.data.expectations.suites to a suite.")
    found = [path] if path.is_file() else sorted(path.glob("*.json"))
    suites = [_read_suite(file) for file in found]
    names = [OURS, REFERENCE, *(suite.name for suite in suites)]
    for suite in suites:
        if names.count(suite.name) > 1:
            raise SettingsError(f"Two suites are called '{suite.name}', one of them in {suite.origin}: rename it.")
    return suites


def _read_suite(path: Path) -> Suite:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not a JSON file that can be read ({error}): mend it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise SettingsError(f"{path} is not a suite: it needs a list called 'expectations'.")
    name = str(content.get("name") or content.get("expectation_suite_name") or path.stem)
    return Suite(name, [_expectation(entry, path) for entry in content["expectations"]], path)


def _expectation(entry: Any, path: Path) -> Expectation:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    if not isinstance(entry, dict) or not isinstance(entry.get("kwargs", {}), dict):
        raise SettingsError(f"{path} holds an expectation that is no mapping with 'type' and 'kwargs': {entry!r}.")
    kind = entry.get("type") or entry.get("expectation_type") or ""
    known = list_registered_expectation_implementations()
    if kind not in known:
        raise SettingsError(
            f"{path} names the expectation '{kind}', which Great Expectations does not know"
            f"{nearest(str(kind), known)}: mend the name, or name the module that defines it in "
            "stages.data.expectations.modules."
        )
    try:
        return ExpectationConfiguration(
            type=kind, kwargs=entry.get("kwargs", {}), meta=entry.get("meta")
        ).to_domain_obj()
    except Exception as error:  # pydantic's and Great Expectations' own
        raise SettingsError(f"{path} calls {kind} in a way that does not fit: {one_line(error)}.") from error


def import_own_expectations(modules: tuple[str, ...]) -> None:
    """Import the modules that define expectations, ours and a user's own, so that suites may name them.

    Raises:
        SettingsError: one cannot be imported.
    """
    importlib.import_module(OUR_TYPES)
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise SettingsError(
                f"stages.data.expectations.modules names '{name}', which cannot be imported ({error}): "
                "put its folder on PYTHONPATH or mend the module."
            ) from error


def one_line(error: object) -> str:
    """What `error` says in one line of at most 200 letters, without its full stop."""
    return " ".join(str(error).split())[:200].rstrip(".")
