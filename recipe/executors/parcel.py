"""What travels to a worker, and what must be the same there before it is opened.

A worker gets the splits for training and validation, the loss and a training, and gives back what came of it; the
process that asked keeps that. The test split and the workspace stay where they are.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import platform
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import cloudpickle

from recipe.dataset.stored import FACTS
from recipe.errors import RecipeError, SettingsError
from recipe.executors.shared_memory import for_training
from recipe.settings.user_code import origin_of
from recipe.training.device import Device, choose_device
from recipe.training.identity import ENGINE, digest

if TYPE_CHECKING:
    from recipe.training.experiment import Experiment, Training
    from recipe.training.fit import Trained
    from recipe.training.split import Split

LIBRARY = "recipe"
PACKAGES = ("torch", "numpy")  # beside Python and this project, those whose version may change the bits

_alone = threading.Lock()  # a training has the random numbers of its process to itself


class ClusterError(RecipeError):
    """A cluster that does not answer, or a worker that cannot carry out what it is sent."""


@dataclass(frozen=True)
class Parcel:
    """An experiment on its way to workers.

    Args:
        content: the experiment, pickled; opened only where all that follows is as it was here.
        versions: of Python and packages.
        code: the hash of this project and of the user's own modules, by what they are imported as.
        data: what names the prepared data, by the file of memory-mapped inputs.
    """

    content: bytes
    device: Device
    versions: Mapping[str, str]
    code: Mapping[str, str]
    data: Mapping[str, str]


def pack(experiment: Experiment, own_modules: Sequence[str] = ()) -> Parcel:
    """`experiment` without what a training does not need.

    Args:
        own_modules: the top-level modules of the user's own, whose code a worker must hold alike.
    """
    bare = replace(for_training(experiment), folder=None)
    train, validation = _cut_out(bare.train), _cut_out(bare.validation)
    modules = [LIBRARY, *own_modules]
    mapped = {split.file for split in (experiment.train, experiment.validation) if split.file is not None}
    return Parcel(
        cloudpickle.dumps(replace(bare, train=train, validation=validation)),
        experiment.device,
        _versions(),
        {module: _code_of(module) for module in modules},
        {file: _facts_beside(file) for file in mapped},
    )


def _cut_out(split: Split) -> Split:
    """`split` with tensors of its own: a part of a larger tensor is pickled with the whole of it."""
    inputs = split.inputs if split.file is not None else split.inputs.clone()
    ready = None if split.ready is None else split.ready.clone()
    return replace(split, inputs=inputs, targets=split.targets.clone(), ready=ready)


def pack_training(training: Training) -> bytes:
    """`training`, which may hold a class of the user's, to be opened after the parcel has been looked at."""
    content: bytes = cloudpickle.dumps(training)
    return content


def fit_parcel(parcel: Parcel, training: bytes) -> Trained:
    """Carry out `training` in this process, a worker's.

    Raises:
        ClusterError: versions, code, data or device are not what they are where the parcel was packed.
    """
    from recipe.training.compiler import leave_compiler_out
    from recipe.training.fit import fit

    with _alone:
        _require_the_same(parcel)
        leave_compiler_out()
        experiment: Experiment = cloudpickle.loads(parcel.content)
        return fit(experiment, cloudpickle.loads(training))


def _require_the_same(parcel: Parcel) -> None:
    worker = f"The worker on {socket.gethostname()}"
    for name, here in _versions().items():
        if here != parcel.versions[name]:
            raise ClusterError(
                f"{worker} has {name} {here} where this run has {parcel.versions[name]}: give both the versions of "
                "requirements.lock, and start the worker again."
            )
    for module, due in parcel.code.items():
        if not _code_of(module):
            raise ClusterError(
                f"{worker} cannot import '{module}': start it again with the folder of '{module}' on its PYTHONPATH."
            )
        if _code_of(module) != due:
            raise ClusterError(
                f"{worker} has another '{module}' than this run: bring both to the same state, and start the worker "
                "again."
            )
    for file, facts in parcel.data.items():
        if not Path(file).is_file() or _facts_beside(file) != facts:
            raise ClusterError(
                f"{worker} has not the prepared data in {file}, which are too large to send: share that folder with "
                "it, or raise data.memory_limit_mb."
            )
    try:
        choose_device(parcel.device.name, parcel.device.precision)
    except SettingsError as error:
        raise ClusterError(f"{worker} cannot train: {error}") from error


def _versions() -> dict[str, str]:
    return {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


@functools.cache
def _code_of(module: str) -> str:
    """The hash of `module` as this process has it: a later edit is not what it runs. Empty where there is none."""
    if module == LIBRARY:
        return digest(*ENGINE)
    importlib.invalidate_caches()
    origin = origin_of(importlib.util.find_spec(module))
    return digest(origin) if origin else ""


def _facts_beside(file: str) -> str:
    """What names the prepared data that `file` belongs to: ingest leaves the hash of all of them beside it."""
    return digest(Path(file).with_name(FACTS))
