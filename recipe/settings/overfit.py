"""How the overfit stage measures, and the limits of its gate; conf/stages/overfit.yaml gives the sources."""

from typing import Annotated

from pydantic import Field

from recipe.settings.strict import Strict

Factor = Annotated[float, Field(gt=0)]


class SimpleArchitecture(Strict):
    linear_lr: float = Field(default=0.003, gt=0)


class Adam(Strict):
    factors: tuple[Factor, ...] = Field(default=(0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0), min_length=3)
    steps: int = Field(default=200, ge=20)
    enough: float = Field(default=0.7, gt=0, le=1)


class ConstantRate(Strict):
    steps: int = Field(default=1000, ge=2)


class LowTrainingLoss(Strict):
    target: float = Field(default=0.02, gt=0, lt=1)
    cap: int = Field(default=20, ge=1)


class OverfitStage(Strict):
    """`stages.overfit`: how each practice measures."""

    simple_architecture: SimpleArchitecture = SimpleArchitecture()
    adam: Adam = Adam()
    constant_rate: ConstantRate = ConstantRate()
    low_training_loss: LowTrainingLoss = LowTrainingLoss()


class SimpleArchitectureLimits(Strict):
    min_gain: float = 0.0


class AdamLimits(Strict):
    max_factor: float = Field(default=9.9, ge=1)


class ConstantRateLimits(Strict):
    max_schedules: float = Field(default=0, ge=0)


class LowTrainingLossLimits(Strict):
    max_loss_share: float = Field(default=0.05, gt=0)


class OverfitThresholds(Strict):
    """`thresholds.overfit`: what the gate holds each practice to."""

    simple_architecture: SimpleArchitectureLimits = SimpleArchitectureLimits()
    adam: AdamLimits = AdamLimits()
    constant_rate: ConstantRateLimits = ConstantRateLimits()
    low_training_loss: LowTrainingLossLimits = LowTrainingLossLimits()
