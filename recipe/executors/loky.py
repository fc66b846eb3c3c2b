"""Trainings in processes of this machine, by joblib and its backend loky."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recipe.executors.shared_memory import Shared, share, shared_folder
from recipe.settings.fanout import OnThisMachine
from recipe.training.compiler import leave_compiler_out
from recipe.training.fit import Shelf, Trained, experiments_of, fit, fit_and_keep, one_after_another

if TYPE_CHECKING:
    from recipe.settings.fanout import Fanout
    from recipe.training.device import Device
    from recipe.training.experiment import Training
    from recipe.training.fit import Wanted


class Settings(OnThisMachine):
    pass


def executor(fanout: Fanout, device: Device, own_modules: tuple[str, ...]) -> Processes:
    """The executor of `fanout.backend=loky`: a process for each core, or for each accelerator that trainings use."""
    return Processes(fanout.workers or (device.count if device.torch.type != "cpu" else _cores()))


@dataclass(frozen=True)
class Processes:
    """Carries out trainings in so many processes; a single training needs none."""

    workers: int

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[tuple[int, Trained]]:
        """What comes of each, with its place, as they end, on its shelf."""
        if self.workers == 1 or len(wanted) < 2:
            yield from one_after_another(wanted)
            return
        from joblib import Parallel, delayed

        shared = {key: share(experiment) for key, experiment in experiments_of(wanted).items()}
        with shared_folder(wanted[0][0]) as settings:
            parallel = Parallel(self.workers, backend="loky", return_as="generator_unordered", **settings)
            tasks = (
                delayed(_fit_in_worker)(shared[id(experiment)], training, place, self.workers)
                for place, (experiment, training) in enumerate(wanted)
            )
            for place, trained in parallel(tasks):
                experiment, training = wanted[place]
                shelf = Shelf(experiment)
                if trained is None:
                    yield place, shelf.read(training) or fit_and_keep(experiment, training)
                else:
                    yield place, shelf.keep(trained)


def _fit_in_worker(shared: Shared, training: Training, place: int, workers: int) -> tuple[int, Trained | None]:
    """Carry out the training at that place; where it is kept in a folder, it is not sent back as well."""
    leave_compiler_out()
    experiment = shared.whole()
    trained = fit(replace(experiment, device=experiment.device.claimed(workers)), training)
    if experiment.folder is None:
        return place, trained
    Shelf(experiment).write(trained)
    return place, None


def _cores() -> int:
    """The cores that this process may use, where the system tells; else all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
