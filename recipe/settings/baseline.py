"""How the baseline stage measures, and the limits of its gate; conf/stages/baseline.yaml has the sources."""

from pydantic import Field, PositiveInt

from recipe.settings.strict import Strict


class FixedSeed(Strict):
    """How baseline/fixed_seed measures."""

    steps: int = Field(default=50, ge=1)


class WholeTestSet(Strict):
    """How baseline/whole_test_set measures."""

    batch_sizes: tuple[PositiveInt, ...] = Field(default=(1, 7, 64), min_length=1)
    batches: int = Field(default=200, ge=1)


class JustBeforeNet(Strict):
    """How baseline/just_before_net measures."""

    examples: int = Field(default=1000, ge=2)
    shown: int = Field(default=24, ge=1)


class LossAtInit(Strict):
    """How baseline/loss_at_init measures."""

    seeds: int = Field(default=5, ge=2)
    examples: int = Field(default=512, ge=2)


class InitBias(Strict):
    """How baseline/init_bias measures."""

    seeds: int = Field(default=3, ge=1)
    examples: int = Field(default=512, ge=2)
    steps: int = Field(default=50, ge=1)


class InputIndependent(Strict):
    """How baseline/input_independent measures."""

    epochs: int = Field(default=2, ge=1)
    steps: int = Field(default=2000, ge=1)


class Linear(Strict):
    """How baseline/linear measures."""

    steps: int = Field(default=1000, ge=1)
    lr: float = Field(default=0.003, gt=0)


class OverfitOneBatch(Strict):
    """How baseline/overfit_one_batch measures."""

    examples: int = Field(default=8, ge=2)
    steps: int = Field(default=400, ge=1)
    target: float = Field(default=0.02, gt=0, lt=1)
    widenings: int = Field(default=2, ge=0)


class Predictions(Strict):
    """How baseline/predictions measures."""

    shown: int = Field(default=24, ge=1)


class Dependencies(Strict):
    """How baseline/dependencies measures."""

    examples: int = Field(default=8, ge=2)


class SpecialCase(Strict):
    """How baseline/special_case measures."""

    examples: int = Field(default=32, ge=2)


class Gradients(Strict):
    """How baseline/gradients measures."""

    steps: int = Field(default=20, ge=2)
    examples: int = Field(default=256, ge=2)
    saturated: float = Field(default=0.99, gt=0, lt=1)


class BaselineStage(Strict):
    """`stages.baseline`: how each practice measures."""

    fixed_seed: FixedSeed = FixedSeed()
    whole_test_set: WholeTestSet = WholeTestSet()
    just_before_net: JustBeforeNet = JustBeforeNet()
    loss_at_init: LossAtInit = LossAtInit()
    init_bias: InitBias = InitBias()
    input_independent: InputIndependent = InputIndependent()
    linear: Linear = Linear()
    overfit_one_batch: OverfitOneBatch = OverfitOneBatch()
    predictions: Predictions = Predictions()
    dependencies: Dependencies = Dependencies()
    special_case: SpecialCase = SpecialCase()
    gradients: Gradients = Gradients()


class FixedSeedLimits(Strict):
    """The limits of baseline/fixed_seed."""

    max_differences: float = Field(default=0, ge=0)


class SimplifyLimits(Strict):
    """The limits of baseline/simplify."""

    max_regularizers: float = Field(default=0, ge=0)


class WholeTestSetLimits(Strict):
    """The limits of baseline/whole_test_set."""

    max_difference: float = Field(default=0.01, ge=0)
    max_mode_distance: float = Field(default=0.5, ge=0)
    max_replaced: float = Field(default=0.75, ge=0, le=1)


class JustBeforeNetLimits(Strict):
    """The limits of baseline/just_before_net."""

    max_not_finite: float = Field(default=0, ge=0)
    min_std: float = Field(default=0.05, ge=0)
    max_std: float = Field(default=10.0, gt=0)
    max_mean: float = Field(default=10.0, gt=0)
    max_split_distance: float = Field(default=0.5, ge=0, le=1)
    max_clamped: float = Field(default=0.1, ge=0, le=1)
    max_step_back: float = Field(default=0.5, ge=0, le=1)


class LossAtInitLimits(Strict):
    """The limits of baseline/loss_at_init."""

    max_deviation: float = Field(default=0.2, ge=0)
    max_noise: float = Field(default=5.0, ge=0)


class InitBiasLimits(Strict):
    """The limits of baseline/init_bias."""

    max_share: float = Field(default=0.15, ge=0)


class InputIndependentLimits(Strict):
    """The limits of baseline/input_independent."""

    min_certainty: float = Field(default=3.0, ge=0)
    min_lead: float = Field(default=0.0)


class OverfitOneBatchLimits(Strict):
    """The limits of baseline/overfit_one_batch."""

    max_loss_share: float = Field(default=0.05, ge=0)
    max_rate_factor: float = Field(default=100.0, ge=1)


class DependenciesLimits(Strict):
    """The limits of baseline/dependencies."""

    max_crossing: float = Field(default=1e-4, ge=0)
    min_own: float = Field(default=0.5, ge=0, le=1)


class SpecialCaseLimits(Strict):
    """The limits of baseline/special_case."""

    max_output_difference: float = Field(default=0.01, ge=0)
    max_loss_difference: float = Field(default=1e-3, ge=0)
    max_metric_difference: float = Field(default=1e-6, ge=0)


class GradientsLimits(Strict):
    """The limits of baseline/gradients."""

    max_still: float = Field(default=0, ge=0)
    max_not_finite: float = Field(default=0, ge=0)
    max_loss_rise: float = Field(default=2.0, ge=1)
    max_dead_share: float = Field(default=0.5, ge=0, le=1)
    max_constant_share: float = Field(default=0.5, ge=0, le=1)
    max_saturated_share: float = Field(default=0.5, ge=0, le=1)
    max_gradient_ratio: float = Field(default=1e5, ge=1)


class BaselineThresholds(Strict):
    """`thresholds.baseline`: what the gate holds each practice to."""

    fixed_seed: FixedSeedLimits = FixedSeedLimits()
    simplify: SimplifyLimits = SimplifyLimits()
    whole_test_set: WholeTestSetLimits = WholeTestSetLimits()
    just_before_net: JustBeforeNetLimits = JustBeforeNetLimits()
    loss_at_init: LossAtInitLimits = LossAtInitLimits()
    init_bias: InitBiasLimits = InitBiasLimits()
    input_independent: InputIndependentLimits = InputIndependentLimits()
    overfit_one_batch: OverfitOneBatchLimits = OverfitOneBatchLimits()
    dependencies: DependenciesLimits = DependenciesLimits()
    special_case: SpecialCaseLimits = SpecialCaseLimits()
    gradients: GradientsLimits = GradientsLimits()
