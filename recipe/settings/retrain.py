"""How a challenger is judged; conf/retrain.yaml has the sources."""

from typing import Literal

from pydantic import Field

from recipe.settings.strict import Strict


class Rule(Strict):
    """What a challenger must show to replace the champion."""

    require: Literal["better", "not_worse"] = "better"
    alpha: float = Field(default=0.05, ge=0.001, lt=0.5)  # less than one wrong promotion in a thousand is no use
    margin: float = Field(default=0.01, gt=0, lt=1)
    worthwhile: float = Field(default=0.01, gt=0, lt=1)
    least_examples: int = Field(default=20, ge=1)
    max_slowdown: float | None = Field(default=None, gt=0)
    max_growth: float | None = Field(default=None, gt=0)


class Retrain(Strict):
    """`retrain`: what becomes of a model that was trained on new data."""

    rule: Rule = Rule()
    approval: Literal["auto", "manual"] = "auto"
    approval_hours: float = Field(default=24.0, gt=0)
