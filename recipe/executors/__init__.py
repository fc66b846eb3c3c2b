"""Where independent trainings are carried out: a module for each value of `fanout.backend`, named after it.

Such a module has a function `executor(fanout, device, own_modules)` that gives what `fit_together` calls: with the
trainings that are wanted, each beside its experiment, it yields the place and the result of each as it ends, kept on
the experiment's shelf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from recipe.settings import Settings
from recipe.settings.user_code import own_modules
from recipe.training.device import Device
from recipe.training.fit import Trained, Wanted, one_after_another
from recipe.training.identity import targets_of

Executor = Callable[[Sequence[Wanted]], Iterator[tuple[int, Trained]]]


def side_by_side(executor: Executor | None) -> int:
    """How many trainings it carries out at a time on this machine; 0 where that is not known, as of a cluster."""
    return 1 if executor is one_after_another else int(getattr(executor, "workers", 0))


def executor_of(settings: Settings, workspace: Path, device: Device) -> Executor:
    """What carries out the trainings of the workspace, as the settings say."""
    module = import_module(f"{__name__}.{settings.fanout.backend}")
    executor: Executor = module.executor(settings.fanout, device, tuple(own_modules(targets_of(settings), workspace)))
    return executor
