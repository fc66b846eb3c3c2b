"""From params.yaml and the prepared data to the experiment that the practices of a stage work on."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, float32, tensor

from recipe.dataset.kind import kind_of
from recipe.dataset.stored import MANIFEST, PREPARED, load_dataset
from recipe.dataset.target_scale import in_own_units
from recipe.dataset.test_ledger import readings, record_reading, times_read
from recipe.executors import executor_of, side_by_side
from recipe.pipeline.duration import expected_seconds
from recipe.runtime import progress
from recipe.runtime.workspace import SEARCH, TRAININGS, fingerprint, private_folder
from recipe.settings import Settings
from recipe.settings.paths import REGISTERED
from recipe.statistics.metrics import metrics_of
from recipe.training.compiler import leave_compiler_out
from recipe.training.components import Component
from recipe.training.cross_validation import cross_validated, replicated
from recipe.training.device import choose_device
from recipe.training.experiment import Budget, Experiment, HeldOut, Training, component, training_from_json
from recipe.training.handover import memorised_from_json, past_memorising
from recipe.training.identity import digest, identity
from recipe.training.objective import objective_of
from recipe.training.prepared import build_transform, decoder, first_examples, split_of
from recipe.training.split import Split, View
from recipe.training.weights import EXPORTED, Weights, WeightsError, read_weights

if TYPE_CHECKING:
    from recipe.pipeline.stage import Stage

DROPOUT = re.compile(r"dropout|^drop_|_drop$", re.IGNORECASE)  # dropout, attn_dropout, drop_rate, drop_path_rate
ARTIFACTS, PROGRAM = "artifacts", "program.pt2"  # of an exported model: recipe/inference/export.py
ENOUGH = 5000  # validation examples tell an error of 1 % to 0.3 %
WEIGHTS = ("weight", "pos_weight")  # tensors of torch's losses


def load_experiment(stage: Stage, build_on: str | None = None) -> Experiment:
    """The experiment of the workspace's settings and prepared data.

    Args:
        build_on: the stage whose chosen training is the base here; without its file, the settings' own is.

    Raises:
        TargetError: a `_target_` cannot be found or built.
        DataError: the prepared data cannot be read.
        WeightsError: pretrained names what is not there, or cannot be read.
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
    examples = len(dataset.where("train"))
    training = settings_training(settings, examples)
    chosen = workspace / "chosen" / f"{build_on}.json"
    if build_on and chosen.is_file():
        training = _handed_over(build_on, json.loads(chosen.read_text(encoding="utf-8")), settings, examples)
    experiment = Experiment(
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
        pretrained=pretrained_weights(stage),
        classes=tuple(dataset.preparation["classes"] or ()),
        features=tuple(dataset.preparation["features"] or ()),
        columns=tuple(column for column, _ in made_of),
        numeric=tuple(quantity for _, quantity in made_of),
        decode=decoder(dataset, settings),
        device=device,
        stages=settings.stages,
        thresholds=settings.thresholds,
        budget=Budget(
            **settings.budget.model_dump(include={"seeds", "trials", "members", "folds", "examples"}),
            most_steps=_most_steps(settings, examples),
        ),
        executor=executor_of(settings, workspace, device),
        fingerprint=identity(workspace, settings),
        folder=str(stage.home / ".recipe" / TRAININGS),
        by_time=dataset.time_column is not None,
        split_given=dataset.split_given,
    )
    return _as_searched(experiment, workspace) if build_on == "tune" else experiment


def checked_experiment(stage: Stage, build_on: str | None = None) -> Experiment:
    """The same, tried out on one batch; and what shows the run's place is told how long the stages will take.

    Raises:
        TargetError: a part does not do what the contract says.
        DataError: the prepared data cannot be read.
    """
    experiment = load_experiment(stage, build_on).checked()
    tell_how_long(stage, experiment, handed_over=build_on is not None)
    return experiment


def tell_how_long(stage: Stage, experiment: Experiment, handed_over: bool = True) -> None:
    """Tell what shows the run's place how long this stage and those after it will take here.

    Args:
        handed_over: the training is as long as the stages after overfit have it; else that is not known yet.
    """
    workers = side_by_side(experiment.executor)
    if workers and not stage.only:
        progress.expect(expected_seconds(experiment, workers, handed_over))


def _handed_over(stage: str, content: Mapping[str, Any], settings: Settings, examples: int) -> Training:
    """The training that `stage` chose; what overfit memorised with goes on past the turn of its validation loss."""
    if stage != "overfit":
        return training_from_json(content)
    factor = settings.stages.regularize.early_stopping.past_memorising
    found = memorised_from_json(content)
    return past_memorising(found, _compared(settings, examples), factor, _most_steps(settings, examples))


def _compared(settings: Settings, examples: int) -> int:
    """On how many of so many training examples comparisons are made."""
    return min(examples, settings.budget.examples or examples)


def _most_steps(settings: Settings, examples: int) -> int:
    """The steps within which a control may turn: the budget's, or twice the least epochs where those alone are more."""
    least = settings.budget.epochs * math.ceil(_compared(settings, examples) / settings.batch_size)
    return 2 * least if least > settings.budget.most_steps else settings.budget.most_steps


def in_folds(experiment: Experiment) -> Experiment:
    """The same, cross-validated where the settings ask for folds.

    Raises:
        DataError: the examples are too few for so many.
    """
    folds = experiment.budget.folds
    return cross_validated(experiment, folds) if folds else experiment


def in_replicates(experiment: Experiment) -> Experiment:
    """The same with a part of the examples of its own held out by each seed of a comparison, where they may be mixed.

    Not where the user has said what to validate on, in folds, which do that already, and where there are examples
    enough for chance to matter little.
    """
    mixed = not (experiment.split_given or experiment.by_time or experiment.folds)
    return replicated(experiment) if mixed and len(experiment.validation) < ENOUGH else experiment


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


def _as_searched(experiment: Experiment, workspace: Path) -> Experiment:
    """The same with what the search's trials came to and the other architectures, as the stage tune left them."""
    file = workspace / "chosen" / SEARCH
    left = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    others = tuple(training_from_json(one) for one in left.get("others", []))
    return replace(experiment, searched=tuple(left.get("losses", [])), others=others)


def pretrained_weights(stage: Stage) -> Weights | None:
    """The weights that the setting `pretrained` names; None where it names none.

    Raises:
        WeightsError, RegistryError: they are not there, or cannot be read.
    """
    named = stage.settings.pretrained
    if named is None:
        return None
    if not named.startswith(REGISTERED):
        return read_weights(stage.workspace / named, named)
    return read_weights(_fetched(stage, named), named)


def _fetched(stage: Stage, named: str) -> Path:
    """The program of a registered model, beside the workspace's other private files: a version stays as it is.

    Later stages need no registry.
    """
    from recipe.tracking.connection import connect, tracking_uri
    from recipe.tracking.registry import fetch_version

    uri = tracking_uri(stage.home, stage.settings)
    file = private_folder(stage.home) / "pretrained" / f"{fingerprint([uri, named])}{EXPORTED}"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetched.", dir=file.parent) as beside:
            files = fetch_version(connect(uri), named, Path(beside, "all"), uri) / ARTIFACTS
            if not (files / PROGRAM).is_file():
                raise WeightsError(
                    f"pretrained={named} holds no {PROGRAM}, as a model that was traced has none, so that its weights "
                    "have no names: give a checkpoint of it as a file."
                )
            Path(shutil.copyfile(files / PROGRAM, Path(beside, PROGRAM))).rename(file)
    return file


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
