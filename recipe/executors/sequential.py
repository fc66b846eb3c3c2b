"""Trainings one after another, in the process that asks for them, as a debugger likes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipe.settings.fanout import OnThisMachine
from recipe.training.fit import one_after_another

if TYPE_CHECKING:
    from recipe.executors import Executor
    from recipe.settings.fanout import Fanout
    from recipe.training.device import Device


class Settings(OnThisMachine):
    pass


def executor(fanout: Fanout, device: Device, own_modules: tuple[str, ...]) -> Executor:
    """The executor of `fanout.backend=sequential`."""
    return one_after_another
