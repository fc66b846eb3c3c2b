"""`fanout`: where independent trainings are carried out. Each executor's module declares which settings it takes."""

import re
from functools import cache
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from recipe.settings.practice_settings import classes_in
from recipe.settings.strict import Strict

EXECUTORS = Path(__file__).parent.parent / "executors"


class Fanout(Strict):
    backend: str = "loky"
    workers: int | None = Field(default=None, ge=1)
    address: str | None = None

    @field_validator("backend")
    @classmethod
    def _is_an_executor(cls, backend: str) -> str:
        if backend not in _executors():
            raise ValueError(f"it is one of {', '.join(map(repr, _executors()))}")
        return backend

    @model_validator(mode="after")
    def _fits_its_executor(self) -> Self:
        try:
            _executors()[self.backend].model_validate(self.model_dump())
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self


class OnThisMachine(Strict):
    """What an executor takes that works in processes of this machine."""

    backend: str
    workers: int | None
    address: str | None

    @model_validator(mode="after")
    def _has_no_address(self) -> Self:
        if self.address is not None:
            raise ValueError(f"{self.backend} is of this machine and has no address: fanout=dask and ray have one")
        return self


class OnACluster(Strict):
    """What an executor takes that works elsewhere: `ADDRESS` is how its address is written, `EXAMPLE` tells of one."""

    ADDRESS: ClassVar[str]
    EXAMPLE: ClassVar[str]

    backend: str
    workers: int | None
    address: str | None

    @model_validator(mode="after")
    def _has_an_address_alone(self) -> Self:
        if not re.fullmatch(self.ADDRESS, self.address or ""):
            raise ValueError(f"{self.backend} needs the address of {self.EXAMPLE}")
        if self.workers is not None:
            raise ValueError(f"with {self.backend} there are as many workers as were started: leave fanout.workers out")
        return self


@cache
def _executors() -> dict[str, type[Strict]]:
    """What each executor declares, by its name, which is its module's."""
    found = {file.stem: classes_in(file).get("Settings") for file in sorted(EXECUTORS.glob("*.py"))}
    return {name: declared for name, declared in found.items() if declared}
