"""How deliveries are examined and taken in; conf/watch.yaml says what each value does."""

from pydantic import Field

from recipe.settings.data import DistributionsLimits, ExpectationsLimits
from recipe.settings.strict import Strict


class Watch(Strict):
    """`watch`: what counts as a whole delivery, and what is taken of it."""

    quiet_seconds: float = Field(default=60.0, ge=0)
    max_bad_share: float = Field(default=0.5, ge=0, le=1)
    max_mb: float = Field(default=20_000.0, gt=0)
    git: bool = False


class ShareLimits(Strict):
    """The limits of data/unreadable, data/blank and data/corrupt_labels, of a delivery."""

    max_examples: float = Field(default=0, ge=0)
    max_share: float = Field(default=0.5, ge=0, le=1)


class ConflictLimits(Strict):
    """The limits of data/duplicates, of a delivery."""

    max_conflicts: float = Field(default=0, ge=0)
    max_conflict_share: float = Field(default=0.5, ge=0, le=1)


class NearLimits(Strict):
    """The limits of data/leakage, of a delivery."""

    max_near: float = Field(default=0, ge=0)
    max_near_share: float = Field(default=0.5, ge=0, le=1)


class LabelNoiseLimits(Strict):
    """The limits of data/label_noise, of a delivery."""

    max_doubt: float = Field(default=0.05, ge=0, le=1)
    max_share: float = Field(default=0.2, ge=0, le=1)


class DriftLimits(Strict):
    """The limits of data/drift, of a delivery."""

    max_flagged: float = Field(default=0, ge=0)


class DeliveryThresholds(Strict):
    """`thresholds.delivery`: what a delivery is held to."""

    distributions: DistributionsLimits = DistributionsLimits()
    unreadable: ShareLimits = ShareLimits()
    blank: ShareLimits = ShareLimits()
    corrupt_labels: ShareLimits = ShareLimits()
    duplicates: ConflictLimits = ConflictLimits()
    leakage: NearLimits = NearLimits()
    label_noise: LabelNoiseLimits = LabelNoiseLimits()
    drift: DriftLimits = DriftLimits()
    expectations: ExpectationsLimits = ExpectationsLimits()
