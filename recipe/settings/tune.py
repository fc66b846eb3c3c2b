"""Where the tune stage searches; conf/stages/tune.yaml says where each default comes from."""

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from recipe.settings.defaults import conf_defaults
from recipe.settings.strict import Positive, Strict


class Range(Strict):
    """Where one hyperparameter is searched, in one of three ways.

    `times`: between these two multiples of what it is at the start, evenly in the logarithm; `low` to `high`, evenly
    in the logarithm with `log`; or one of `choices`.
    """

    times: tuple[Positive, Positive] | None = None
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

    optimizer: dict[str, Range]
    training: dict[Literal["batch_size"], Range]
    model: dict[str, Range]
    augment: dict[str, Range]

    def names(self) -> list[str]:
        """Every setting that is searched, as axes are named."""
        parts = ("optimizer", "model", "augment")
        return [*self.training, *(f"{part}.{name}" for part in parts for name in getattr(self, part))]


class More(Strict):
    """`stages.tune.with_many_trials`: what is searched beside the space where there are so many `trials`."""

    trials: int = Field(ge=1)
    optimizer: dict[str, Range]


class Searched(Strict):
    """What of `stages.tune` is no practice's own: the space, in which the axes of tune/random_over_grid lie."""

    space: Space
    with_many_trials: More
    if TYPE_CHECKING:
        random_over_grid: Any  # joined to this section

    @model_validator(mode="after")
    def _axes_are_searched(self) -> Self:
        names = self.space.names()
        for axis in self.random_over_grid.axes:
            if axis in names or axis in _default_names():  # one taken away is no slip
                continue
            known = dict.fromkeys([*names, *_default_names()])
            raise ValueError(f"random_over_grid.axes names {axis}, which space does not: {', '.join(known)}")
        return self


def _default_names() -> list[str]:
    return Space.model_validate(conf_defaults()["stages"]["tune"]["space"]).names()
