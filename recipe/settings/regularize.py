"""How the regularize stage measures, and the limits of its gate; conf/stages/regularize.yaml gives the sources."""

from typing import Annotated

from pydantic import Field

from recipe.settings.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]


class MoreData(Strict):
    shares: tuple[Share, ...] = Field(default=(0.25, 0.5), min_length=2)
    rounds: int = Field(default=1000, ge=100)


class Augment(Strict):
    shown: int = Field(default=8, ge=1)


class SmallerModel(Strict):
    width: float = Field(default=0.5, gt=0, lt=1)


class Dropout(Strict):
    rate: float = Field(default=0.5, gt=0, lt=1)
    spatial_rate: float = Field(default=0.1, gt=0, lt=1)


class WeightDecay(Strict):
    foldings: float = Field(default=0.3, gt=0)


class FirstLayer(Strict):
    shown: int = Field(default=32, ge=1)
    draws: int = Field(default=200, ge=20)


class Combination(Strict):
    min_gain: float = 0.0


class RegularizeStage(Strict):
    """`stages.regularize`: how each practice measures."""

    more_data: MoreData = MoreData()
    augment: Augment = Augment()
    smaller_model: SmallerModel = SmallerModel()
    dropout: Dropout = Dropout()
    weight_decay: WeightDecay = WeightDecay()
    first_layer: FirstLayer = FirstLayer()
    combination: Combination = Combination()


class DropoutLimits(Strict):
    max_batch_norms: float = Field(default=0, ge=0)


class CombinationLimits(Strict):
    min_gain: float = 0.0


class RegularizeThresholds(Strict):
    """`thresholds.regularize`: what the gate holds each practice to."""

    dropout: DropoutLimits = DropoutLimits()
    combination: CombinationLimits = CombinationLimits()
