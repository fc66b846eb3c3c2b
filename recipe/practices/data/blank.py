"""data/blank: examples that decode but hold nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import Field

from recipe.dataset.blankness import VANISHED
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
    found = found[~dataset.kept[found["row"]]].sort_values("score", ascending=False, kind="stable")
    places = found["row"].to_numpy()
    known = dataset.manifest[["id", "path"]].iloc[places].reset_index(drop=True)
    table = pd.concat([known, found[["reason", "score"]].reset_index(drop=True)], axis=1)
    shown, why = dataset.inputs[places[:SHOWN]], list(table["reason"][:SHOWN])
    drawn = kind.draw(shown, why, "Examples that hold nothing") if len(table) else None
    return _finding(table, len(dataset.manifest), _advice(table), {"blank": drawn} if drawn else {})


def _advice(table: pd.DataFrame) -> str:
    """What to do; of pictures with transparency the white that is put behind them may be at fault."""
    advice = "Where the table lists any, look at them and delete what is no example: a net learns to guess on it."
    vanished = int((table["reason"] == VANISHED).sum())
    if not vanished:
        return advice
    have, them = ("has", "it") if vanished == 1 else ("have", "them")
    return (
        f"{advice} Of these {vanished} {have} transparency, which is laid on white, and what is pale vanishes there: "
        f"save {them} on a ground that shows what was drawn."
    )


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
        hold = "holds" if count == 1 else "hold"
        summary = f"{count} of {total} examples {hold} nothing; the first is {first['path']}: {first['reason']}."
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
