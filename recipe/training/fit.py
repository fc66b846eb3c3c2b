"""One training from its description to its result, and many of them side by side, kept when finished."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from torch import Tensor, nn

from recipe.runtime import progress
from recipe.runtime.workspace import fingerprint, write_whole
from recipe.training.evaluation import Evaluation, evaluate, evaluate_outputs
from recipe.training.experiment import Experiment, Training, set_seed
from recipe.training.live import live_curves
from recipe.training.loop import History, no_lesson, train
from recipe.training.split import Split
from recipe.training.transfer import frozen_norms

Stop = Callable[[int, History], bool]  # asked after each epoch; False ends the training
Wanted = tuple[Experiment, Training]


@dataclass(frozen=True)
class Trained:
    """The result of one training: its record, its final weights, and its outputs (N, k) on the validation split.

    `variant` names the changed data or loss that it was trained with; empty for the experiment's own.
    """

    training: Training
    history: History
    state: dict[str, Tensor]
    outputs: Tensor
    variant: str = ""

    def evaluation(self, experiment: Experiment) -> Evaluation:
        """The figures on the validation split."""
        validation = experiment.validation
        return evaluate_outputs(self.outputs, validation.targets.cpu(), experiment.objective, validation.groups)

    def model(self, experiment: Experiment) -> nn.Module:
        """The trained model, in evaluation mode."""
        model = experiment.new_model(training=self.training)
        model.load_state_dict(self.state)
        return model.eval()


def fit(experiment: Experiment, training: Training, stop: Stop | None = None) -> Trained:
    """Carry out `training`; the same experiment and training give the same bits in any process, which it settles."""
    device = experiment.device
    device.settle()
    model = experiment.new_model(training=training)
    optimizer = experiment.new_optimizer(model, training)
    scheduler = experiment.new_scheduler(optimizer, training)
    placed, placed_optimizer, backward = device.place(model, optimizer)
    part = part_of(experiment.train, training.share, training.seed).to(device.torch)
    teacher = experiment.teacher
    changed = any(one is not None for one in (training.augment, training.disturb, training.mix))
    lesson = teacher.lesson(experiment, part, changed) if teacher else no_lesson
    set_seed(training.seed)
    validation = experiment.validation.to(device.torch)
    with live_curves(experiment.folder, Shelf(experiment).key(training), lambda: _head(experiment, training)) as live:
        history = train(
            placed,
            experiment.objective,
            placed_optimizer,
            part,
            epochs=training.epochs,
            batch_size=training.batch_size,
            seed=training.seed,
            scheduler=scheduler,
            augment=experiment.new_augment(training),
            mix=experiment.new_mix(training),
            validation=validation,
            keep_best=training.keep_best,
            backward=backward,
            lesson=lesson,
            on_epoch=_goes_on(training, stop),
            live=live,
            held=frozen_norms(model) if training.frozen else (),
        )
    outputs = evaluate(placed, experiment.objective, validation).outputs
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    return Trained(training, history, state, outputs, experiment.variant_name)


def _head(experiment: Experiment, training: Training) -> dict[str, Any]:
    """What a training that still runs is called: by what it tries in place of the experiment's own."""
    usual, own = experiment.training.parameters(), training.parameters()
    tried = [f"{name}={value}" for name, value in own.items() if name != "seed" and usual.get(name) != value]
    name = " ".join(filter(None, [experiment.variant_name, *tried, f"seed={training.seed}"]))
    return {"name": name, "params": own}


def _goes_on(training: Training, stop: Stop | None) -> Stop | None:
    """What ends a training early: its own target, its patience, and whatever else the caller asks for."""
    until, patience = training.until, training.patience
    if until is None and patience is None:
        return stop

    def goes_on(epoch: int, history: History) -> bool:
        if until is not None and float(history.epoch_loss()[-1]) <= until:
            return False
        if patience is not None and epoch - history.best_epoch >= patience:
            return False
        return stop is None or stop(epoch, history)

    return goes_on


def part_of(split: Split, share: float, seed: int) -> Split:
    """A random `share` of the examples."""
    if share >= 1:
        return split
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return split.at(order[: max(1, math.ceil(share * len(split)))])


def fit_all(experiment: Experiment, trainings: Sequence[Training]) -> list[Trained]:
    """Carry out `trainings`, in their order, side by side; what was finished before is read, not trained again.

    Equal trainings are carried out once. Each finished one is kept at once, so that a killed stage goes on from it.
    """
    return fit_together([(experiment, training) for training in trainings])


def fit_together(wanted: Sequence[Wanted]) -> list[Trained]:
    """The same of several experiments, which share an executor: no training waits for those of another."""
    done = iter(_fit_together(_in_each_fold(wanted)))
    return [
        _of_all_folds(experiment, [next(done) for _ in experiment.folds]) if experiment.folds else next(done)
        for experiment, _ in wanted
    ]


def asked_by(practice: str, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
    """`wanted`, noted as what the practice with the id `practice` asks for, whichever has it trained."""
    for experiment, training in _in_each_fold(wanted):
        ASKED_BY.setdefault(Shelf(experiment).key(training), practice)
    return wanted


def _in_each_fold(wanted: Sequence[Wanted]) -> list[Wanted]:
    return [(fold, training) for experiment, training in wanted for fold in experiment.folds or (experiment,)]


def _fit_together(wanted: Sequence[Wanted]) -> list[Trained]:
    keys = [Shelf(experiment).key(training) for experiment, training in wanted]
    finished: dict[str, Trained] = {}
    due: dict[str, Wanted] = {}
    for key, (experiment, training) in zip(keys, wanted, strict=True):
        ASKED_BY.setdefault(key, progress.present_practice())
        kept = finished.get(key) or Shelf(experiment).read(training)
        if kept is None:
            due[key] = experiment, training
        else:
            finished[key] = kept
    progress.training(0, len(due))
    if due:
        longest_first = sorted(due, key=lambda key: -_examples_seen(*due[key]))
        executor = due[longest_first[0]][0].executor or one_after_another
        done = executor([due[key] for key in longest_first])
        for number, (place, trained) in enumerate(done, start=1):
            finished[longest_first[place]] = trained
            progress.training(number, len(due))
    return [finished[key] for key in keys]


def _examples_seen(experiment: Experiment, training: Training) -> int:
    """By a training, each as often as there are epochs: what its length is guessed by."""
    return training.batch_size * experiment.steps_of(training)


def _of_all_folds(experiment: Experiment, runs: Sequence[Trained]) -> Trained:
    """What came of one training in each fold: every example by the net that it was held out from.

    The curves of the validation split are the means over its examples; weights and training losses the first fold's.
    """
    first, histories = runs[0], [run.history for run in runs]
    sizes = [len(fold.validation) for fold in experiment.folds]
    losses = _mean_curve([history.validation_loss for history in histories], sizes)
    history = replace(
        first.history,
        validation_loss=losses,
        validation_metric=_mean_curve([history.validation_metric for history in histories], sizes),
        best_epoch=int(np.argmin(np.nan_to_num(losses, nan=math.inf))) + 1 if losses else 0,
        diverged=any(history.diverged for history in histories),
        end_losses=torch.cat([history.end_losses for history in histories]),
        end_scores=torch.cat([history.end_scores for history in histories]),
        best_losses=torch.cat([history.best_losses for history in histories]),
        best_scores=torch.cat([history.best_scores for history in histories]),
    )
    return replace(first, history=history, outputs=torch.cat([run.outputs for run in runs]))


def _mean_curve(curves: Sequence[Sequence[float]], sizes: Sequence[int]) -> list[float]:
    length = min(len(curve) for curve in curves)
    mean: list[float] = np.average([curve[:length] for curve in curves], axis=0, weights=sizes).tolist()
    return mean


def experiments_of(wanted: Sequence[Wanted]) -> dict[int, Experiment]:
    """Each experiment of what is wanted, once, by its identity in this process."""
    return {id(experiment): experiment for experiment, _ in wanted}


def one_after_another(wanted: Sequence[Wanted]) -> Iterator[tuple[int, Trained]]:
    """What comes of each training that is wanted, with its place, carried out in this process."""
    yield from ((place, fit_and_keep(*one)) for place, one in enumerate(wanted))


def fit_and_keep(experiment: Experiment, training: Training) -> Trained:
    """What comes of `training`, as it lies on the shelf."""
    return Shelf(experiment).keep(fit(experiment, training))


MEMORY: dict[str, Trained] = {}  # what this process has trained or read; a stage's practices share trainings
ASKED_BY: dict[str, str] = {}  # the id of the practice that first asked for each


class Shelf:
    """Where finished trainings are kept: in `.recipe/trainings`, and in memory where an experiment has no folder.

    Those in the folder are mapped: their tensors are read where they are used, and the system takes the memory back
    when it needs it, however many trainings there are.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.folder = Path(experiment.folder) if experiment.folder else None

    def key(self, training: Training) -> str:
        device = self.experiment.device
        return fingerprint([self.experiment.fingerprint, device.name, device.precision, training.parameters()])

    def read(self, training: Training) -> Trained | None:
        """What came of `training`; None where it has not been carried out, or its file is damaged."""
        key = self.key(training)
        if key not in MEMORY and self.folder and (path := self.folder / f"{key}.pt").is_file():
            try:
                os.utime(path)  # what nobody has asked for in a while is dropped: recipe/versioning/leftovers.py
                MEMORY[key] = _from_tensors(training, _mapped(path), self.experiment.variant_name)
            except MemoryError:
                raise
            except Exception:  # zipfile, zlib, pickle and torch raise a dozen kinds on bytes that are not theirs
                return None  # a damaged file is worth one training, not a stopped run
        return MEMORY.get(key)

    def keep(self, trained: Trained) -> Trained:
        """Put `trained` on the shelf, and give it as it lies there."""
        key = self.key(trained.training)
        if self.folder is None:
            MEMORY[key] = trained
            return trained
        self.write(trained)
        MEMORY.pop(key, None)
        return self.read(trained.training) or trained

    def write(self, trained: Trained) -> None:
        """Write `trained` to the folder, for whichever process asks."""
        assert self.folder is not None, "an experiment without a folder keeps its trainings in memory"
        content = io.BytesIO()
        torch.save(_to_tensors(trained), content)
        write_whole(self.folder / f"{self.key(trained.training)}.pt", content.getvalue())


def _mapped(path: Path) -> dict[str, Any]:
    """The content of a finished training's file, its tensors left on disk until they are used.

    Raises:
        BadZipFile: it is damaged; torch looks at the checksums only of what it reads whole.
    """
    with ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise BadZipFile(f"{path} does not agree with its checksums.")
    content: dict[str, Any] = torch.load(path, weights_only=True, mmap=True)
    return content


def _to_tensors(trained: Trained) -> dict[str, Any]:
    return {"history": vars(trained.history), "state": trained.state, "outputs": trained.outputs}


def _from_tensors(training: Training, content: dict[str, Any], variant: str) -> Trained:
    return Trained(training, History(**content["history"]), content["state"], content["outputs"], variant)
