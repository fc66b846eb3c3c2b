"""The tabular facts as Great Expectations suites: ours over the manifest, a user's over it and the raw columns.

The results are Data Docs that open offline: Great Expectations' own pages, with our stylesheet in place of the styles
and scripts that they would load from the network.
"""

import html
import importlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from recipe.dataset.kind import kind_of
from recipe.dataset.splits import SPLITS
from recipe.dataset.stored import Dataset
from recipe.errors import SettingsError
from recipe.runtime.workspace import write_whole
from recipe.settings import nearest

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

OURS, REFERENCE = "manifest", "reference"  # the names of our own suites
MOSTLY = 0.95  # of the cells must be as the data set's are; the rest may be rare or new
WIDENED = 1.0  # ranges are of the data set's own width on either side of its extremes: another unit lies outside
MOST_CATEGORIES = 50  # a column of more is text: any value may be new
EXAMPLES_SHOWN = 3  # unexpected values named for each expectation
SHOWN_TAGS = {
    *("a", "b", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre"),
    *("small", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
OWN_SUITES = "conf/expectations"  # of this project; a workspace may do without
DROPPED_TAGS = {"button", "footer", "script", "style", "title"}  # with all they hold: Great Expectations' own


@dataclass(frozen=True)
class Suite:
    """Expectations to be held against one table; `origin` is the file they come from, None for our own."""

    name: str
    expectations: "list[Expectation]"
    origin: Path | None = None


@dataclass(frozen=True)
class ExpectationReport:
    """What became of each expectation.

    Attributes:
        results: one row an expectation, unmet first: suite, expectation, column, met, detail.
        docs: the first page of the Data Docs.
    """

    results: pd.DataFrame
    docs: Path

    @property
    def failed(self) -> list[str]:
        """The unmet expectations, a line each."""
        unmet = self.results[~self.results["met"]]
        return [f"{row['suite']}: {row['detail']}" for _, row in unmet.iterrows()]


def validate_manifest(
    dataset: Dataset, folder: Path, suites: Path | None = None, reference: Dataset | None = None
) -> ExpectationReport:
    """Hold the manifest to our suite and to the user's, and write the Data Docs into `folder`.

    Args:
        suites: a JSON suite, or a folder of them; they see the manifest and the raw columns, which go before columns of
            the manifest of the same name. None: our suite alone.
        reference: the data set that a delivery is to join: a suite of its columns is held against it as well.

    Raises:
        SettingsError: a suite cannot be read, or holds an expectation that Great Expectations does not know.
        WorkspaceError: `folder` cannot be written.
    """
    with _context() as context:
        pairs = [(_own_suite(dataset), dataset.manifest)]
        if reference is not None:
            pairs.append((_suite_of(reference), _joined(dataset)))
        pairs += [(suite, _joined(dataset)) for suite in read_suites(suites)]
        validated = {suite.name: _validate(context, suite, table) for suite, table in pairs}
        results = [row for name, result in validated.items() for row in _rows(name, result)]
        docs = _write_docs(validated, folder)
    table = pd.DataFrame(results, columns=["suite", "expectation", "column", "met", "detail"])
    return ExpectationReport(table.sort_values("met", kind="stable", ignore_index=True), docs)


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


def suites_of(dataset: Dataset) -> Path | None:
    """Where the user's own suites are; None where the default place holds none."""
    suites = dataset.settings.stages.data.expectations.suites
    path = dataset.workspace / suites
    return None if suites == OWN_SUITES and not path.exists() else path


def docs_folder(dataset: Dataset) -> Path:
    """Where the Data Docs of a workspace go."""
    return dataset.workspace / "reports" / "data" / "data_docs"


def import_expectations(modules: tuple[str, ...]) -> None:
    """Import the modules that define a user's own expectations, so that suites may name them.

    Raises:
        SettingsError: one cannot be imported.
    """
    with _context():
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                raise SettingsError(
                    f"stages.data.expectations.modules names '{name}', which cannot be imported ({error}): "
                    "put its folder on PYTHONPATH or mend the module."
                ) from error


@contextmanager
def _context() -> "Iterator[AbstractDataContext]":
    """Great Expectations in memory: no files, no network, no progress bars, and no log lines on the terminal."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        import great_expectations
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = great_expectations.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        yield context
    finally:
        logger.setLevel(level)


def _own_suite(dataset: Dataset) -> Suite:
    """What must hold of every manifest, whatever the data."""
    from great_expectations import expectations as expect

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
    kept += [
        expect.ExpectColumnValuesToBeBetween(column=name, min_value=span[0], max_value=span[1])
        for name, span in kind_of(dataset.preparation).measured.items()
        if span and name in manifest and manifest[name].notna().any()
    ]
    return Suite(OURS, kept)


def _suite_of(reference: Dataset) -> Suite:
    """What the columns of the data set let one expect of a delivery: they are there, in range, and of known values."""
    from great_expectations import expectations as expect

    table = _joined(reference)
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


def _joined(dataset: Dataset) -> pd.DataFrame:
    """The manifest beside the raw columns; of two columns of one name the user's own."""
    own = [name for name in dataset.manifest if name not in dataset.rows]
    return pd.concat([dataset.manifest[own], dataset.rows.reset_index(drop=True)], axis=1)


def _read_suite(path: Path) -> Suite:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not a JSON file that can be read ({error}): mend it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise SettingsError(f"{path} is not a suite: it needs a list called 'expectations'.")
    name = str(content.get("name") or content.get("expectation_suite_name") or path.stem)
    return Suite(name, [_expectation(entry, path) for entry in content["expectations"]], path)


def _expectation(entry: Any, path: Path) -> "Expectation":
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
        raise SettingsError(f"{path} calls {kind} in a way that does not fit: {_one_line(error)}.") from error


def _validate(context: "AbstractDataContext", suite: Suite, table: pd.DataFrame) -> "ExpectationSuiteValidationResult":
    import great_expectations

    source = context.data_sources.add_pandas(suite.name)
    batch = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("all")
    registered = context.suites.add(great_expectations.ExpectationSuite(name=suite.name))
    for expectation in suite.expectations:
        registered.add_expectation(expectation)
    definition = great_expectations.ValidationDefinition(name=suite.name, data=batch, suite=registered)
    result = context.validation_definitions.add(definition).run(batch_parameters={"dataframe": table})
    if len(result.results) != len(suite.expectations):
        raise SettingsError(
            f"{suite.origin} holds {len(suite.expectations)} expectations, of which {len(result.results)} were "
            "evaluated: remove those that are there twice."
        )
    return result


def _rows(suite: str, result: "ExpectationSuiteValidationResult") -> Iterator[tuple[str, str, str, bool, str]]:
    for outcome in result.results:
        called = _called(outcome)
        column = str(called.kwargs.get("column") or ", ".join(called.kwargs.get("column_list", [])))
        yield suite, called.type, column, bool(outcome.success), _detail(outcome)


def _detail(outcome: "ExpectationValidationResult") -> str:
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


def _called(outcome: "ExpectationValidationResult") -> "ExpectationConfiguration":
    assert outcome.expectation_config is not None, "a validated expectation knows what was asked"
    return outcome.expectation_config


def _raised(information: dict[str, Any]) -> str:
    """The message of what was raised; Great Expectations nests it by metric."""
    if information.get("raised_exception"):
        return _one_line(information.get("exception_message") or "it raised")
    nested = [_raised(value) for value in information.values() if isinstance(value, dict)]
    return next((message for message in nested if message), "")


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# Data Docs


def _write_docs(validated: "dict[str, ExpectationSuiteValidationResult]", folder: Path) -> Path:
    """A page a suite, and index.html with all of them; nothing on them runs or comes from the network."""
    style = files("recipe.inspection").joinpath("data_docs.css").read_text(encoding="utf-8")
    for name, result in validated.items():
        body = f'<p><a href="index.html">All suites</a></p>{_sanitised(_rendered(result))}'
        write_whole(folder / _page(name), _document(name, body, style))
    index = folder / "index.html"
    write_whole(index, _index(validated, style))
    return index


def _page(suite: str) -> str:
    return f"{re.sub(r'[^-.0-9A-Za-z]', '_', suite)}.html"


def _rendered(result: "ExpectationSuiteValidationResult") -> str:
    """Great Expectations' own page, from its content on."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer().render(result)
    document.sections = _escaped(document.to_json_dict()["sections"])
    page = str(DefaultJinjaPageView().render(document))
    return page[page.index('<div class="container-fluid') : page.rindex("</body>")]


def _escaped(content: Any) -> Any:
    """`content` of a page with what Great Expectations puts there as it is, such as cells and names, as text.

    Its templates, and the parameters that it escapes itself as it fills them in, are left to it; a template without
    parameters is a name.
    """
    if isinstance(content, str):
        return html.escape(content)
    if isinstance(content, list):
        return [_escaped(item) for item in content]
    if isinstance(content, dict):
        own = {"params", "template"} if content.get("params") else set()
        return {key: value if key in own else _escaped(value) for key, value in content.items()}
    return content if content is None or isinstance(content, (bool, int, float)) else html.escape(str(content))


def _sanitised(page: str) -> str:
    """The elements of `page` that show something, without scripts, styles, handlers and ways to other places.

    The sanitiser is ammonia, by its binding nh3: it parses as browsers do, and keeps what is named here alone.
    """
    import nh3

    return nh3.clean(
        page,
        tags=SHOWN_TAGS,
        clean_content_tags=DROPPED_TAGS,
        attributes={"*": {"class", "id", "hidden"}, "a": {"href", "data-toggle"}, "td": {"colspan"}, "th": {"colspan"}},
        attribute_filter=_own_anchor,
        link_rel=None,
    )


def _own_anchor(tag: str, attribute: str, value: str) -> str | None:
    """An attribute's value; None for a link that leads off the page."""
    return value if attribute != "href" or value.startswith("#section") else None


def _index(validated: "dict[str, ExpectationSuiteValidationResult]", style: str) -> str:
    rows = ""
    for name, result in validated.items():
        met = sum(bool(outcome.success) for outcome in result.results)
        verdict = "met" if met == len(result.results) else "not met"
        rows += (
            f'<tr><td><a href="{html.escape(_page(name))}">{html.escape(name)}</a></td>'
            f"<td>{met} of {len(result.results)}</td><td>{verdict}</td></tr>"
        )
    head = "<tr><th>Suite</th><th>Expectations met</th><th>Verdict</th></tr>"
    return _document("Data Docs", f'<h1>Data Docs</h1><table class="table">{head}{rows}</table>', style)


def _document(title: str, body: str, style: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )
