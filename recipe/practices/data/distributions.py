"""data/distributions: what each column holds, over all examples and by class."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.dataset.columns import numbers_of
from recipe.dataset.kind import kind_of
from recipe.dataset.number_styles import number_style
from recipe.dataset.preparation import DAYS_A_YEAR, as_text, epoch_days
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.columns import dates_of, features, measured_columns, own_columns, problems
from recipe.inspection.numbered_categories import numbered_categories
from recipe.settings.strict import Strict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 12  # drawn: those with a problem, then the first
MOST_CLASSES = 6  # told apart in one chart, the largest
MOST_PICTURES = 24  # classes whose mean image is drawn
BINS = 24
ADVICE = (
    "Leave out columns that are constant, almost empty or only number the rows (data.ignore=[column]); write missing "
    "values as empty cells."
)
AS_CATEGORIES = "Whole numbers that stand for categories are read as such by data.read_as.COLUMN=category."
COMMONEST = 8  # categories drawn
MIDDLE = (0.1, 0.5, 0.9)  # quantiles that stand for a class's distribution where there are many


class Settings(Strict):
    missing_share: float = Field(gt=0, le=1)


class Limits(Strict):
    max_problems: float = Field(ge=0)


class DeliveryLimits(Limits):
    pass


@practice("data/distributions")
def distributions(dataset: Dataset) -> Finding:
    """Every column varies, is filled in, and holds plausible values of one kind.

    Of images the columns are the user's own, if any; what was measured of them (size, brightness) is drawn and listed,
    and may well be constant.
    """
    own = pd.concat([features(dataset), own_columns(dataset)], axis=1)
    measured = measured_columns(dataset)
    table = _table(own, measured, dataset.settings.stages.data.distributions.missing_share)
    table = pd.concat([_numbered(dataset), table], ignore_index=True).astype({"flagged": bool})
    flagged = table[table["flagged"]]
    count = flagged["column"].nunique()
    if count:
        first = [f"{row['column']} ({row['problem']}: {row['value']})" for _, row in flagged.head(5).iterrows()]
        summary = f"{count} of {own.shape[1]} columns need a look: {', '.join(first)}{', ...' if count > 5 else ''}."
    else:
        nothing = f"{kind_of(dataset.preparation).name.capitalize()} without columns of their own, {len(own)} examples."
        sound = f"{own.shape[1]} columns, {len(own)} examples: none is constant, empty or implausible."
        summary = (sound if len(own.columns) else nothing) + _measured_in_words(table)
    return Finding(
        summary=summary,
        measured=count,
        advice=ADVICE + (f" {AS_CATEGORIES}" if (flagged["problem"] == "category").any() else ""),
        requirements=(at_most(count, "max_problems", otherwise="warn"),),
        figures=_figures(dataset, own, measured, list(flagged["column"])),
        table=table,
    )


def _measured_in_words(table: pd.DataFrame) -> str:
    """What was measured and is the same in all examples, which the table lists and is no fault."""
    same = table[(table["problem"] == "constant") & ~table["flagged"]]
    if not len(same):
        return ""
    listed = ", ".join(f"{row['column']} ({row['value']})" for _, row in same.iterrows())
    are = "is" if len(same) == 1 else "are"
    return f" Of what was measured of them, {listed} {are} the same in all, as may well be."


def _numbered(dataset: Dataset) -> pd.DataFrame:
    """A row for each column whose numbers stand for categories."""
    found = [
        (name, "category", f"explains {each:.0%} of the label value by value, {smooth:.0%} as a quantity", True)
        for name, (smooth, each) in numbered_categories(dataset).items()
    ]
    return pd.DataFrame(found, columns=["column", "problem", "value", "flagged"])


def _table(own: pd.DataFrame, measured: pd.DataFrame, missing_share: float) -> pd.DataFrame:
    found = [
        (name, problem, value, flagged)
        for name in own
        for problem, value, flagged in problems(own[name], missing_share)
    ]
    found += [
        (name, problem, value, False)
        for name in measured
        for problem, value, _ in problems(measured[name], missing_share)
        if problem in ("constant", "missing")
    ]
    table = pd.DataFrame(found, columns=["column", "problem", "value", "flagged"]).astype({"flagged": bool})
    return table.sort_values("flagged", ascending=False, kind="stable", ignore_index=True)


def _figures(dataset: Dataset, own: pd.DataFrame, measured: pd.DataFrame, flagged: list[str]) -> "dict[str, Figure]":
    columns = pd.concat([own, measured], axis=1)
    drawable = [name for name in dict.fromkeys([*flagged, *columns]) if as_text(columns[name]).nunique() > 1]
    classes = _classes(dataset)
    figures = {}
    if drawable:
        figures["columns"] = _draw_columns(columns[drawable[:MOST_COLUMNS]], classes)
    numeric = [name for name in drawable if pd.api.types.is_numeric_dtype(columns[name])]
    if numeric and classes.nunique() > MOST_CLASSES:
        figures["by_class"] = _draw_by_class(columns[numeric], classes)
    means = _draw_means(dataset)
    return figures | ({"means": means} if means else {})


def _classes(dataset: Dataset) -> pd.Series:
    """The class of each example; for a number which third of them it is in."""
    labels = dataset.manifest["label"]
    if dataset.preparation["classes"] is not None:
        return labels.astype("str")
    ranks = pd.Series(dataset.targets[:, 0]).rank(method="first")
    return pd.qcut(ranks, 3, labels=["label, low third", "label, middle third", "label, upper third"]).astype("str")


def _draw_columns(columns: pd.DataFrame, classes: pd.Series) -> "Figure":
    across = min(3, columns.shape[1])
    down = -(-columns.shape[1] // across)
    figure, charts = drawing.new_grid(down, across, width=2.6 * across + 1.0, height=1.9 * down + 0.6)
    shown = list(classes.value_counts().index[:MOST_CLASSES])
    shown = sorted(shown) if classes.nunique() <= MOST_CLASSES else []
    for chart, name in zip(charts.flat, columns, strict=False):
        _draw_column(chart, columns[name], classes.to_numpy(), shown)
        chart.set_xlabel(drawing.plain(name))
    for chart in charts.flat[columns.shape[1] :]:
        chart.set_axis_off()
    if shown:
        handles, names = charts.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=8)
    drawing.entitle(figure, f"What the columns hold{', by class' if shown else ''}")
    return figure


def _draw_column(chart: "Axes", column: pd.Series, classes: np.ndarray, shown: list[str]) -> None:
    """One column: a histogram, or the shares of its commonest categories, for each class where there are few."""
    parts = {name: classes == name for name in shown} or {"all": np.full(len(column), True)}
    dates = dates_of(column)
    if dates is None and number_style(column.dropna()) is None:
        text = as_text(column)
        common = list(text.value_counts().index[:COMMONEST])
        width = 0.8 / len(parts)
        for place, (name, part) in enumerate(parts.items()):
            shares = text[part].value_counts(normalize=True).reindex(common, fill_value=0.0)
            chart.set_ylabel("share")
            chart.bar(np.arange(len(common)) + place * width, shares, width, label=drawing.plain(name))
        names = [value if len(value) <= 10 else f"{value[:9]}…" for value in map(drawing.plain, common)]
        chart.set_xticks(np.arange(len(common)) + 0.4 - width / 2, names, rotation=45, ha="right")
        return
    numbers = numbers_of(column) if dates is None else 1970 + epoch_days(dates) / DAYS_A_YEAR
    known = np.isfinite(numbers)
    edges = np.histogram_bin_edges(numbers[known], bins=BINS)
    for name, part in parts.items():
        heights, _ = np.histogram(numbers[known & part], bins=edges)
        density = heights / max(heights.sum(), 1) / np.diff(edges)
        chart.set_ylabel("density")
        chart.stairs(density, edges, fill=len(parts) == 1, label=drawing.plain(name), linewidth=1.4)


def _draw_by_class(columns: pd.DataFrame, classes: pd.Series) -> "Figure":
    """Median and middle four fifths by class of the column in which the classes' medians lie furthest apart."""
    numbers = columns.astype("float64")
    medians = numbers.groupby(classes.to_numpy()).median()
    column = str((medians.std() / numbers.std()).idxmax())
    by_class = numbers[column].groupby(classes.to_numpy()).quantile(np.array(MIDDLE)).unstack()
    shown = by_class.loc[list(classes.value_counts().index[:MOST_PICTURES])].sort_index()
    values = {str(name): (row[MIDDLE[1]], row[MIDDLE[0]], row[MIDDLE[2]]) for name, row in shown.iterrows()}
    return drawing.intervals(values, f"{column}: median and middle 80 %", title=f"{column} by class")


def _draw_means(dataset: Dataset) -> "Figure | None":
    """The mean example of each class, and of all where the label is a number; None where such a thing has no look."""
    kind = kind_of(dataset.preparation)
    names = dataset.preparation["classes"]
    places = [np.flatnonzero(dataset.targets == code) for code in range(len(names))] if names else []
    drawn = [(name, place) for name, place in zip(names or [], places, strict=True) if len(place)]
    drawn = drawn[:MOST_PICTURES] or [("all", np.arange(len(dataset.inputs)))]
    means = np.stack([np.mean(dataset.inputs[place], axis=0, dtype=np.float64) for _, place in drawn])
    titles = [f"{name} ({len(place)})" for name, place in drawn]
    return kind.draw(means, titles, f"Mean {kind.example} of each class")
