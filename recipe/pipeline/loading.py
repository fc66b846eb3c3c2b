"""From params.yaml and the prepared data to the experiment that the practices of a stage work on."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, float32, tensor

from recipe.dataset.kind import kind_of
from recipe.dataset.stored import MANIFEST, PREPARED, load_dataset
from recipe.dataset.target_scale import in_own_units
from recipe.dataset.test_ledger import readings, record_reading, times_read
from recipe.executors import executor_of, side_by_side
from recipe.runtime import progress
from recipe.runtime.workspace import TRAININGS, fingerprint
from recipe.settings import Settings
from recipe.statistics.metrics import metrics_of
from recipe.training.compiler import leave_compiler_out
from recipe.training.components import Component
from recipe.training.cross_validation import cross_validated
from recipe.training.device import choose_device
from recipe.training.duration import expected_seconds
from recipe.training.experiment import Budget, Experiment, HeldOut, Training, component, training_from_json
from recipe.training.identity import digest, identity
from recipe.training.objective import objective_of
from recipe.training.prepared import build_transform, decoder, first_examples, split_of
from recipe.training.split import Split, View

if TYPE_CHECKING:
    from recipe.pipeline.stage import Stage

DROPOUT = re.compile(r"dropout|^drop_|_drop$", re.IGNORECASE)  # dropout, attn_dropout, drop_rate, drop_path_rate
WEIGHTS = ("weight", "pos_weight")  # tensors of torch's losses


def load_experiment(stage: Stage, build_on: str | None = None) -> Experiment:
    """The experiment of the workspace's settings and prepared data.

    Args:
        build_on: the stage whose chosen training is the base here; without its file, the settings' own is.

    Raises:
        TargetError: a `_target_` cannot be found or built.
        DataError: the prepared data cannot be read.
    """
    settings, workspace = stage.settings, stage.workspace
    leave_compiler_out()
    device = choose_device(settings.device, settings.precision)
    device.settle()
    dataset = load_dataset(workspace, settings, whole=False)
    transform = build_transform(dataset, settings)
    loss = _with_tensors(component("loss", settings.loss))
    task = dataset.preparation["task"]
    n_outputs = len(dataset.preparation["classes"]) if task == "classification" else dataset.targets.shape[1]
    made_of = kind_of(dataset.preparation).made_of(dataset.preparation)
    training = settings_training(settings, len(dataset.where("train")))
    chosen = workspace / "chosen" / f"{build_on}.json"
    if build_on and chosen.is_file():
        training = training_from_json(json.loads(chosen.read_text(encoding="utf-8")))
    return Experiment(
        train=split_of(dataset, "train", transform, settings),
        validation=split_of(dataset, "validation", transform, settings),
        objective=replace(
            objective_of(task, n_outputs, *((loss.as_function(), loss.name) if loss else (None, None))),
            metrics=metrics_of(task, settings.metrics),
            own_units=partial(in_own_units, target=dataset.preparation["target"]) if task == "regression" else None,
        ),
        training=training,
        augment=component("augment", settings.augment),
        scheduler=component("scheduler", settings.scheduler),
        classes=tuple(dataset.preparation["classes"] or ()),
        features=tuple(dataset.preparation["features"] or ()),
        columns=tuple(column for column, _ in made_of),
        numeric=tuple(quantity for _, quantity in made_of),
        decode=decoder(dataset, settings),
        device=device,
        stages=settings.stages,
        thresholds=settings.thresholds,
        budget=Budget(**settings.budget.model_dump(include={"seeds", "trials", "members", "folds"})),
        executor=executor_of(settings, workspace, device),
        fingerprint=identity(workspace, settings),
        folder=str(stage.home / ".recipe" / TRAININGS),
        by_time=dataset.time_column is not None,
    )


def checked_experiment(stage: Stage, build_on: str | None = None) -> Experiment:
    """The same, tried out on one batch; and what shows the run's place is told how long the stages will take.

    Raises:
        TargetError: a part does not do what the contract says.
        DataError: the prepared data cannot be read.
    """
    experiment = load_experiment(stage, build_on).checked()
    workers = side_by_side(experiment.executor)
    if workers and not stage.only:
        progress.expect(expected_seconds(experiment, workers))
    return experiment


def in_folds(experiment: Experiment) -> Experiment:
    """The same, cross-validated where the settings ask for folds.

    Raises:
        DataError: the examples are too few for so many.
    """
    folds = experiment.budget.folds
    return cross_validated(experiment, folds) if folds else experiment


def with_test(experiment: Experiment, stage: Stage) -> Experiment:
    """The same with the test split behind its door: opened by name, each reading written to the ledger."""
    settings, workspace = stage.settings, stage.workspace
    dataset = load_dataset(workspace, settings, whole=False)
    version = fingerprint(digest(workspace / PREPARED / MANIFEST))
    model = fingerprint([experiment.fingerprint, experiment.training.parameters(), vars(experiment.budget)])

    def open_test(reader: str) -> Split:
        return split_of(dataset, "test", build_transform(dataset, settings), settings)

    def note_reading(reader: str, examples: int, figure: float) -> int:
        record_reading(stage.home, reader, version, examples, figure, settings.data.name, model)
        return times_read(readings(stage.home, settings.data.name))

    return replace(experiment, test=HeldOut(open_test, note_reading))


def _with_tensors(loss: Component | None) -> Component | None:
    """`loss` with the weights of classes, which params.yaml has as a list, as torch's losses take them."""
    if loss is None:
        return None
    weights = {name: loss.settings[name] for name in WEIGHTS if isinstance(loss.settings.get(name), (list, tuple))}
    return loss.having(**{name: tensor(values, dtype=float32) for name, values in weights.items()})


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


@dataclass(frozen=True)
class Raw:
    """What an exported model needs to take raw input: two examples before the transform, and how they were prepared."""

    inputs: Tensor
    transform: View | None
    preparation: dict[str, Any]


def raw_examples(stage: Stage) -> Raw:
    """Two prepared training examples, images (2, C, H, W) in 0..1 or rows (2, F), and what happens to them next."""
    dataset = load_dataset(stage.workspace, stage.settings, whole=False)
    return Raw(first_examples(dataset, 2), build_transform(dataset, stage.settings), dataset.preparation)


def settings_training(settings: Settings, examples: int) -> Training:
    """The base training as the settings name it; a dropout that the model has by default is off.

    The stage regularize brings it back where it shows a gain.
    """
    model = component("model", settings.model)
    optimizer = component("optimizer", settings.optimizer)
    assert model is not None and optimizer is not None, "settings are checked for both where they are composed"
    steps_per_epoch = math.ceil(examples / settings.batch_size)
    epochs = max(settings.budget.epochs, math.ceil(settings.budget.steps / steps_per_epoch))
    off = {name: 0.0 for name, rate in model.defaults().items() if DROPOUT.search(name) and _is_rate(rate)}
    return Training(model.having(**off), optimizer, epochs=epochs, batch_size=settings.batch_size, seed=settings.seed)
