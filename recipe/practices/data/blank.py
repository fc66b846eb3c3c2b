"""data/blank: examples that decode but hold nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import Field

from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.statistics.intervals import wilson

if TYPE_CHECKING:
    from recipe.deliveries.examination import Examined

SHOWN = 16  # examples in the picture


class Settings(Strict):
    flat: float = Field(ge=0, lt=1)
    noise: float = Field(ge=-1, le=1)
    band: float = Field(gt=0, le=1)
    missing_share: float = Field(gt=0, le=1)


class Limits(Strict):
    max_examples: float = Field(ge=0)
    max_share: float = Field(ge=0, le=1)


class DeliveryLimits(Limits):
    pass


@practice("data/blank")
def blank(dataset: Dataset) -> Finding:
    """Every example holds something: no image is one colour, noise or half there, no row is empty."""
    kind = kind_of(dataset.preparation)
    found = kind.blank(dataset, dataset.settings.stages.data.blank, 0)
    found = found.sort_values("score", ascending=False, kind="stable")
    places = found["row"].to_numpy()
    known = dataset.manifest[["id", "path"]].iloc[places].reset_index(drop=True)
    table = pd.concat([known, found[["reason", "score"]].reset_index(drop=True)], axis=1)
    shown, why = dataset.inputs[places[:SHOWN]], list(table["reason"][:SHOWN])
    drawn = kind.draw(shown, why, "Examples that hold nothing") if len(table) else None
    advice = "Where the table lists any, look at them and delete what is no example: a net learns to guess on it."
    return _finding(table, len(dataset.manifest), advice, {"blank": drawn} if drawn else {})


@practice("data/blank")
def blank_of_delivery(examined: Examined) -> Finding:
    """Every delivered example holds something: no image is one colour, noise or half there, no row is empty."""
    table = examined.blank[["id", "path", "reason"]].assign(score=1.0)
    return _finding(
        table, examined.total, "Where the table lists any, ask the sender for them: they are set aside.", {}
    )


def _finding(table: pd.DataFrame, total: int, advice: str, figures: dict[str, Any]) -> Finding:
    count = len(table)
    summary = f"All {total} examples hold something."
    if count:
        first = table.iloc[0]
        summary = f"{count} of {total} examples hold nothing; the first is {first['path']}: {first['reason']}."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice=advice,
        requirements=(
            at_most(count, "max_examples", otherwise="warn"),
            at_most(count / total, "max_share"),
        ),
        figures=figures,
        table=table,
    )
