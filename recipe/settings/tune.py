"""How the tune stage measures, and the limits of its gate; conf/stages/tune.yaml says where each default comes from."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recipe.settings.strict import Strict


class Range(Strict):
    """Where one hyperparameter is searched, in one of three ways.

    `times`: between these two multiples of what it is at the start, evenly in the logarithm; `low` to `high`, evenly
    in the logarithm with `log`; or one of `choices`.
    """

    times: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[bool | int | float | str, ...] = ()

    @model_validator(mode="after")
    def _is_one_range(self) -> Self:
        ways = [self.times is not None, self.low is not None or self.high is not None, bool(self.choices)]
        if sum(ways) != 1:
            raise ValueError("give times, or low and high, or choices")
        if ways[1] and (self.low is None or self.high is None or self.low >= self.high):
            raise ValueError("low must be below high")
        if self.times is not None and self.times[0] >= self.times[1]:
            raise ValueError("the first of times must be below the second")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("log needs a low above 0")
        return self


class Space(Strict):
    """`stages.tune.space`: which settings of which part of a training are searched."""

    optimizer: dict[str, Range] = Field(
        default={"lr": Range(times=(0.3, 20)), "weight_decay": Range(low=1e-3, high=1.0, log=True)}
    )
    training: dict[Literal["batch_size"], Range] = Field(default={"batch_size": Range(times=(0.5, 2))})
    model: dict[str, Range] = Field(default={"dropout": Range(low=0.0, high=0.5), "width": Range(times=(0.67, 1.5))})
    augment: dict[str, Range] = Field(default={})

    def names(self) -> list[str]:
        """Every setting that is searched, as axes are named."""
        parts = ("optimizer", "model", "augment")
        return [*self.training, *(f"{part}.{name}" for part in parts for name in getattr(self, part))]


class RandomOverGrid(Strict):
    """tune/random_over_grid: the two axes, the values of the grid's axes, the share of the training examples."""

    axes: tuple[str, str] = ("optimizer.lr", "batch_size")
    side: int = Field(default=3, ge=2)
    share: float = Field(default=0.3, gt=0, le=1)


class Bayesian(Strict):
    """tune/bayesian: trials at once, the first rung as a share of the epochs, one in how many goes on, warm starts."""

    batch: int = Field(default=4, ge=1)
    rung: float = Field(default=0.25, gt=0, le=1)
    reduction: float = Field(default=4, gt=1)
    warm: int = Field(default=3, ge=0)


class Importance(Strict):
    """tune/importance: how many trials it takes, and rounds of the bootstrap."""

    min_trials: int = Field(default=12, ge=4)
    rounds: int = Field(default=20, ge=2)


class Confirm(Strict):
    """tune/confirm: how many of the best are trained again."""

    candidates: int = Field(default=1, ge=1)


class TuneStage(Strict):
    """`stages.tune`: how each practice measures."""

    space: Space = Space()
    random_over_grid: RandomOverGrid = RandomOverGrid()
    bayesian: Bayesian = Bayesian()
    importance: Importance = Importance()
    confirm: Confirm = Confirm()

    @model_validator(mode="after")
    def _axes_are_searched(self) -> Self:
        known = {**dict.fromkeys(self.space.names()), **dict.fromkeys(Space().names())}  # one taken away is no slip
        for axis in self.random_over_grid.axes:
            if axis not in known:
                raise ValueError(f"random_over_grid.axes names {axis}, which space does not: {', '.join(known)}")
        return self


class BayesianLimits(Strict):
    """tune/bayesian."""

    max_diverged: float = Field(default=0.5, ge=0, le=1)


class ConfirmLimits(Strict):
    """tune/confirm."""

    min_lead: float = 0.0


class TuneThresholds(Strict):
    """`thresholds.tune`: what the gate holds each practice to."""

    bayesian: BayesianLimits = BayesianLimits()
    confirm: ConfirmLimits = ConfirmLimits()
