"""How the data stage measures, and the limits of its gate; conf/stages/data.yaml says where each default comes from."""

from pydantic import Field

from recipe.settings.strict import Strict


class Distributions(Strict):
    """How data/distributions measures."""

    missing_share: float = Field(default=0.95, gt=0, le=1)


class Blank(Strict):
    """How data/blank measures."""

    flat: float = Field(default=0.01, ge=0, lt=1)
    noise: float = Field(default=0.2, ge=-1, le=1)
    band: float = Field(default=0.25, gt=0, le=1)
    missing_share: float = Field(default=0.9, gt=0, le=1)


class CorruptLabels(Strict):
    """How data/corrupt_labels measures."""

    stray_share: float = Field(default=0.05, gt=0, lt=1)
    misspelt_share: float = Field(default=0.1, gt=0, lt=1)


class Leakage(Strict):
    """How data/leakage measures."""

    near_images: float = Field(default=0.05, ge=0)
    near_rows: float = Field(default=0.01, ge=0)
    column_score: float = Field(default=0.95, gt=0, le=1)
    rank_correlation: float = Field(default=0.995, gt=0, le=1)
    column_rows: int = Field(default=5000, ge=100)


class Imbalance(Strict):
    """How data/imbalance measures."""

    flag_ratio: float = Field(default=10.0, ge=1)


class Drift(Strict):
    """How data/drift measures."""

    alpha: float = Field(default=0.01, gt=0, lt=1)
    distance: float = Field(default=0.1, ge=0, lt=1)
    separation: float = Field(default=0.2, ge=0, lt=1)
    classifier_rows: int = Field(default=2000, ge=20)


class Expectations(Strict):
    """How data/expectations measures."""

    suites: str = "conf/expectations"
    modules: tuple[str, ...] = ()


class DataStage(Strict):
    """`stages.data`: how each practice measures."""

    distributions: Distributions = Distributions()
    blank: Blank = Blank()
    corrupt_labels: CorruptLabels = CorruptLabels()
    leakage: Leakage = Leakage()
    imbalance: Imbalance = Imbalance()
    drift: Drift = Drift()
    expectations: Expectations = Expectations()


class DistributionsLimits(Strict):
    """The limits of data/distributions."""

    max_problems: float = Field(default=0, ge=0)


class UnreadableLimits(Strict):
    """The limits of data/unreadable."""

    max_examples: float = Field(default=0, ge=0)
    max_share: float = Field(default=0.05, ge=0, le=1)


class BlankLimits(Strict):
    """The limits of data/blank."""

    max_examples: float = Field(default=0, ge=0)
    max_share: float = Field(default=0.01, ge=0, le=1)


class CorruptLabelsLimits(Strict):
    """The limits of data/corrupt_labels."""

    max_examples: float = Field(default=0, ge=0)
    max_share: float = Field(default=0.05, ge=0, le=1)
    max_phantoms: float = Field(default=0, ge=0)


class DuplicatesLimits(Strict):
    """The limits of data/duplicates."""

    max_share: float = Field(default=0.01, ge=0, le=1)
    max_conflicts: float = Field(default=0, ge=0)


class LeakageLimits(Strict):
    """The limits of data/leakage."""

    max_exact: float = Field(default=0, ge=0)
    max_near: float = Field(default=0, ge=0)
    max_group: float = Field(default=0, ge=0)
    max_column: float = Field(default=0, ge=0)


class ImbalanceLimits(Strict):
    """The limits of data/imbalance."""

    max_ratio: float = Field(default=10.0, ge=1)
    max_missing: float = Field(default=0, ge=0)


class DriftLimits(Strict):
    """The limits of data/drift."""

    max_score: float = Field(default=0, ge=0, le=1)


class ExpectationsLimits(Strict):
    """The limits of data/expectations."""

    max_failed: float = Field(default=0, ge=0)


class DataThresholds(Strict):
    """`thresholds.data`: what the gate holds each practice to."""

    distributions: DistributionsLimits = DistributionsLimits()
    unreadable: UnreadableLimits = UnreadableLimits()
    blank: BlankLimits = BlankLimits()
    corrupt_labels: CorruptLabelsLimits = CorruptLabelsLimits()
    duplicates: DuplicatesLimits = DuplicatesLimits()
    leakage: LeakageLimits = LeakageLimits()
    imbalance: ImbalanceLimits = ImbalanceLimits()
    drift: DriftLimits = DriftLimits()
    expectations: ExpectationsLimits = ExpectationsLimits()
