"""What a `_target_` names, found and called: models, losses, optimizers, transforms, augmentations."""

import difflib
import functools
import importlib
import inspect
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from recipe.errors import TargetError

LIBRARY = Path(__file__).parents[1]

BatchFunction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Component:
    """One exchangeable part of a training: what to call (a dotted name, or the thing itself) and its settings.

    `role` is the setting's name (model, loss, optimizer, data.transform, augment) and appears in messages.
    """

    role: str
    call: str | Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The dotted name of what is called."""
        return (
            self.call
            if isinstance(self.call, str)
            else f"{self.call.__module__}.{getattr(self.call, '__qualname__', type(self.call).__name__)}"
        )

    @property
    def identity(self) -> str:
        """Tells it from every other: a function that has no importable name is told apart within this process."""
        return self.name if isinstance(self.call, str) else f"{self.name}@{id(self.call)}"

    def having(self, **settings: Any) -> "Component":
        """The same with other settings on top."""
        return replace(self, settings={**self.settings, **settings})

    def does_as(self, other: "Component") -> bool:
        """Whether it is the same with the same settings, those that the signature has included."""
        if self.name != other.name:
            return False
        return {**self.defaults(), **self.settings} == {**other.defaults(), **other.settings}

    def declares(self, setting: str) -> bool:
        """Whether the signature names `setting`."""
        return setting in _parameters(self.locate())

    def default_of(self, setting: str) -> Any:
        """What `setting` is now: as set, else the signature's default, else None."""
        if setting in self.settings:
            return self.settings[setting]
        default = _parameters(self.locate())[setting].default
        return None if default is inspect.Parameter.empty else default

    def declared(self, setting: str) -> Any:
        """What `setting` is now, where the signature names it; else None."""
        return self.default_of(setting) if self.declares(setting) else None

    def defaults(self) -> dict[str, Any]:
        """What the settings are that nobody has set, where the signature says so."""
        parameters = _parameters(self.locate()).items()
        unset = {name: one.default for name, one in parameters if name not in self.settings}
        return {name: default for name, default in unset.items() if default is not inspect.Parameter.empty}

    def locate(self) -> Callable[..., Any]:
        """What is called.

        Raises:
            TargetError: the module or the name in it is not there, or is not callable.
        """
        return _located(self.call, self.role) if isinstance(self.call, str) else self.call

    def build(self, *args: Any, **offered: Any) -> Any:
        """Call it with its settings, and with what is `offered` where the signature names it or takes `**`.

        Raises:
            TargetError: a setting it does not take, or it raised.
        """
        target = self.locate()
        accepted = _accepted(target, offered)
        self._check_settings(target)
        try:
            return target(*args, **{**accepted, **self.settings})
        except Exception as error:
            raise TargetError(
                f"{self.role}: {self.name} could not be built with {dict(self.settings)}: "
                f"{type(error).__name__}: {_first_line(error)}{place_of(error)}. Mend the class or its settings."
            ) from error

    def wider_width(self, factor: float) -> int | None:
        """So many times the width that is declared, one more at least; None where none is."""
        width = self.declared("width")
        return max(width + 1, round(width * factor)) if isinstance(width, int) else None

    def as_function(self, **offered: Any) -> Callable[..., Any]:
        """A class is built, a function is given its settings: either way something to call on batches."""
        target = self.locate()
        if inspect.isclass(target):
            return self.build(**offered)
        self._check_settings(target)
        return functools.partial(target, **{**_accepted(target, offered), **self.settings})

    def as_batch_function(self, tried_on: Tensor, **offered: Any) -> BatchFunction:
        """The same for what takes a batch and gives one: it is tried once on `tried_on` (n, ...).

        Raises:
            TargetError: it raises, or does not give as many examples as it got, as a tensor.
        """
        function: BatchFunction = self.as_function(**offered)
        shape = tuple(tried_on.shape)
        try:
            result = function(tried_on.clone())
        except Exception as error:
            raise TargetError(
                f"{self.role}: {self.name} raised {type(error).__name__} on a batch {shape}: {_first_line(error)}. "
                "It is called with a float32 batch and returns one."
            ) from error
        if not isinstance(result, Tensor) or result.shape[:1] != tried_on.shape[:1]:
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise TargetError(
                f"{self.role}: {self.name} gives {got} for a batch {shape}: return a tensor of as many examples."
            )
        return function

    def _check_settings(self, target: Callable[..., Any]) -> None:
        parameters = _parameters(target)
        if not parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            return
        for setting in self.settings:
            if setting not in parameters:
                matches = difflib.get_close_matches(setting, list(parameters), n=1, cutoff=0.5)
                hint = f" (did you mean '{matches[0]}'?)" if matches else ""
                raise TargetError(
                    f"{self.role}: {self.name} takes no setting '{setting}'{hint}; it takes {', '.join(parameters)}."
                )


@functools.cache
def _located(name: str, role: str) -> Callable[..., Any]:
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        raise TargetError(f"{role}: '{name}' is not a dotted name: write {role}._target_=package.module.Class.")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise TargetError(
            f"{role}: cannot import '{module_name}' for {role}._target_={name} (no module named '{error.name}'): "
            "install it, or put its folder on PYTHONPATH."
        ) from error
    except Exception as error:
        raise TargetError(
            f"{role}: importing '{module_name}' raised {type(error).__name__}: {_first_line(error)}. Mend that module."
        ) from error
    target = getattr(module, attribute, None)
    if not callable(target):
        names = [n for n in dir(module) if not n.startswith("_") and callable(getattr(module, n))]
        matches = difflib.get_close_matches(attribute, names, n=1, cutoff=0.5)
        hint = f" (did you mean '{module_name}.{matches[0]}'?)" if matches else ""
        raise TargetError(f"{role}: the module '{module_name}' has no class or function '{attribute}'{hint}.")
    return target


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    if getattr(target, "__init__", None) is nn.Module.__init__:
        return {}  # a module without a constructor of its own takes nothing, whatever torch's signature says
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):
        return {}  # written in C: it says no for itself


def _accepted(target: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    parameters = _parameters(target)
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return dict(offered)
    return {name: value for name, value in offered.items() if name in parameters}


def place_of(error: BaseException) -> str:
    """Where in somebody's own code `error` was raised, as ` (nets.py, line 12)`; nothing where no such code is on."""
    foreign = (LIBRARY, *map(Path, (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"))))
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(path, line) for path, line in frames if path.is_file() and not any(map(path.is_relative_to, foreign))]
    return f" ({own[-1][0].name}, line {own[-1][1]})" if own else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or "no message"
