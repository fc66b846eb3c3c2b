"""Expectations of our own, for anybody's Great Expectations suite: copies, contradictions, leaks, shares of classes.

Named in a suite as any other (`expect_no_leakage_across`); outside this pipeline, import this module first.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
from great_expectations.compatibility import pydantic
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

SHOWN = 20  # values that a result names

Metric = dict[str, Any]


def _observed(unexpected: pd.Series, rows: int, known: int) -> Metric:
    """What Great Expectations shows of rows that do not fit: how many of how many, and some of their values."""
    values = unexpected.drop_duplicates().head(SHOWN).tolist()
    share = rows / known if known else 0.0
    return {"share": share, "count": rows, "of": known, "values": values}


class _CopiesOf(TableMetricProvider):
    """The rows that repeat an earlier one in `columns`; a row that is wholly empty there repeats nothing."""

    metric_name = "table.copies_of"
    value_keys = ("columns",)

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805  # Great Expectations passes it by this name
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: Metric,
        metric_value_kwargs: Metric,
        metrics: Metric,
        runtime_configuration: Metric,
    ) -> Metric:
        rows = execution_engine.get_domain_records(metric_domain_kwargs)[metric_value_kwargs["columns"]]
        known = rows.dropna(how="all")
        copies = known[known.duplicated()]
        return _observed(
            pd.Series([" | ".join(map(str, row)) for row in copies.to_numpy()], dtype="str"), len(copies), len(known)
        )


class _TwoLabels(TableMetricProvider):
    """The rows whose content occurs under another label, too."""

    metric_name = "table.two_labels"
    value_keys = ("content", "label")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805  # Great Expectations passes it by this name
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: Metric,
        metric_value_kwargs: Metric,
        metrics: Metric,
        runtime_configuration: Metric,
    ) -> Metric:
        content, label = metric_value_kwargs["content"], metric_value_kwargs["label"]
        rows = execution_engine.get_domain_records(metric_domain_kwargs)[[content, label]].dropna()
        contradicting = rows[rows.groupby(content)[label].transform("nunique") > 1]
        return _observed(contradicting.loc[:, content], len(contradicting), len(rows))


class _InTwoSplits(TableMetricProvider):
    """The rows whose value in `column` occurs in more than one split."""

    metric_name = "table.in_two_splits"
    value_keys = ("column", "split")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805  # Great Expectations passes it by this name
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: Metric,
        metric_value_kwargs: Metric,
        metrics: Metric,
        runtime_configuration: Metric,
    ) -> Metric:
        column, split = metric_value_kwargs["column"], metric_value_kwargs["split"]
        rows = execution_engine.get_domain_records(metric_domain_kwargs)[[column, split]].dropna()
        crossing = rows[rows.groupby(column)[split].transform("nunique") > 1]
        return _observed(crossing.loc[:, column], len(crossing), len(rows))


class _LabelShare(TableMetricProvider):
    """The share of rows that have one label, of those that have any."""

    metric_name = "table.label_share"
    value_keys = ("column", "label")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805  # Great Expectations passes it by this name
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: Metric,
        metric_value_kwargs: Metric,
        metrics: Metric,
        runtime_configuration: Metric,
    ) -> Metric:
        column = metric_value_kwargs["column"]
        labels = execution_engine.get_domain_records(metric_domain_kwargs).loc[:, column].dropna()
        matching = labels.loc[labels.astype("str") == str(metric_value_kwargs["label"])]
        return _observed(matching, len(matching), len(labels))


class _OfShare:
    """What the four tell Great Expectations: one metric, whose share lies between two numbers, and a sentence.

    No expectation itself, or it would be registered as one.
    """

    configuration: ExpectationConfiguration
    metric_dependencies: ClassVar[tuple[str, ...]]
    success_keys: ClassVar[tuple[str, ...]]
    template: ClassVar[str]

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        result: Any = None,
        runtime_configuration: Metric | None = None,
        **kwargs: Any,
    ) -> list[RenderedStringTemplateContent]:
        """The sentence that the Data Docs show."""
        given = configuration.kwargs if configuration else {}
        params = {name: _in_words(given.get(name, _default(cls, name))) for name in cls.success_keys}
        styling = (runtime_configuration or {}).get("styling")
        content = {"template": cls.template, "params": params, "styling": styling}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=content)]

    def _validate(
        self, metrics: Metric, runtime_configuration: Metric | None = None, execution_engine: Any = None
    ) -> Metric:
        (seen,) = (metrics[name] for name in self.metric_dependencies)
        kwargs = self.configuration.kwargs
        low, high = kwargs.get("min_share", 0.0), kwargs.get("max_share", _default(type(self), "max_share"))
        result = {"observed_value": round(seen["share"], 6), "element_count": seen["of"]}
        if seen["share"] > high:
            result |= {"unexpected_count": seen["count"], "partial_unexpected_list": seen["values"]}
        return {"success": low <= seen["share"] <= high, "result": result}


def _default(expectation: Any, name: str) -> Any:
    return expectation.__fields__[name].get_default()


class ExpectNoDuplicateContent(_OfShare, BatchExpectation):
    """At most `max_share` of the rows repeat an earlier one in `columns`, by default the content id of a manifest."""

    columns: list[str] = pydantic.Field(default=["content_id"])
    max_share: float = pydantic.Field(default=0.0, ge=0, le=1)

    metric_dependencies = ("table.copies_of",)
    success_keys = ("columns", "max_share")
    args_keys = ("columns", "max_share")
    template: ClassVar[str] = "At most the share $max_share of the rows may repeat an earlier one in $columns."


class ExpectNoConflictingLabels(_OfShare, BatchExpectation):
    """At most `max_share` of the rows have equal `content` under two labels."""

    content: str = "content_id"
    label: str = "label"
    max_share: float = pydantic.Field(default=0.0, ge=0, le=1)

    metric_dependencies = ("table.two_labels",)
    success_keys = ("content", "label", "max_share")
    args_keys = ("content", "label", "max_share")
    template: ClassVar[str] = (
        "At most the share $max_share of the rows may have another $label under the same $content."
    )


class ExpectNoLeakageAcross(_OfShare, BatchExpectation):
    """At most `max_share` of the rows have a value of `column` that occurs in another split, too."""

    column: str = "content_id"
    split: str = "split"
    max_share: float = pydantic.Field(default=0.0, ge=0, le=1)

    metric_dependencies = ("table.in_two_splits",)
    success_keys = ("column", "split", "max_share")
    args_keys = ("column", "split", "max_share")
    template: ClassVar[str] = (
        "At most the share $max_share of the rows may have a $column that another $split has, too."
    )


class ExpectLabelShareBetween(_OfShare, BatchExpectation):
    """The share of `label` among the known values of `column` lies between `min_share` and `max_share`."""

    label: str
    column: str = "label"
    min_share: float = pydantic.Field(default=0.0, ge=0, le=1)
    max_share: float = pydantic.Field(default=1.0, ge=0, le=1)

    metric_dependencies = ("table.label_share",)
    success_keys = ("label", "column", "min_share", "max_share")
    args_keys = ("label", "column", "min_share", "max_share")
    template: ClassVar[str] = "The share of $label in $column must be between $min_share and $max_share."


def _in_words(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
