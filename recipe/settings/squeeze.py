"""How the squeeze stage measures, and the limits of its gate; conf/stages/squeeze.yaml has the sources."""

from pydantic import Field

from recipe.settings.strict import Strict


class Ensemble(Strict):
    """squeeze/ensemble: how long its members train."""

    epochs_factor: float = Field(default=2.0, gt=0)


class SqueezeStage(Strict):
    """`stages.squeeze`: how each practice measures."""

    ensemble: Ensemble = Ensemble()


class EnsembleLimits(Strict):
    """squeeze/ensemble."""

    min_gain: float = 0.0
    min_difference: float = Field(default=1e-5, ge=0)


class CalibrationLimits(Strict):
    """squeeze/calibration."""

    max_error: float = Field(default=0.05, ge=0, le=1)


class FinalTestLimits(Strict):
    """squeeze/final_test."""

    min_lead: float = 0.0
    max_p_value: float = Field(default=0.05, gt=0, lt=1)
    max_readings: int = Field(default=20, ge=1)


class SqueezeThresholds(Strict):
    """`thresholds.squeeze`: what the gate holds each practice to."""

    ensemble: EnsembleLimits = EnsembleLimits()
    calibration: CalibrationLimits = CalibrationLimits()
    final_test: FinalTestLimits = FinalTestLimits()
