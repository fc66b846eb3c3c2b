"""From params.yaml and the prepared data to the experiment that the practices of a stage work on."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipe.dataset import Dataset, load_dataset
from recipe.dataset.clusters import clusters_of
from recipe.dataset.rows import readable_rows
from recipe.dataset.stored import FACTS, INPUTS, MANIFEST, PREPARED
from recipe.experiment import Experiment, Training, component, training_from_json
from recipe.own_code import own_modules
from recipe.settings import Settings
from recipe.test_set import readings, record_reading
from recipe.training.device import choose_device, on_any_device
from recipe.training.objective import Objective, default_loss
from recipe.training.split import Split, View, acts_alone, memory_mapped
from recipe.workspace import TRAININGS, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from recipe.stage import Stage

BYTES_PER_FLOAT = 4
HERE = Path(__file__).parent
ENGINE = (  # of this project, what decides the bits of a training
    HERE / "training",
    *(HERE / name for name in ("augmentation.py", "experiment.py", "loading.py", "models.py", "transforms.py")),
)
TRIED = 16  # examples on which a transform is tried: does it act on each alone, without chance?


def load_experiment(stage: Stage, build_on: str | None = None) -> Experiment:
    """The experiment of the workspace's settings and prepared data.

    Args:
        build_on: the stage whose chosen training is the base here; without its file, the settings' own is.

    Raises:
        TargetError: a `_target_` cannot be found or built.
        DataError: the prepared data cannot be read.
    """
    settings, workspace = stage.settings, stage.workspace
    device = choose_device(settings.device, settings.precision)
    device.settle()
    dataset = load_dataset(workspace, settings, whole=False)
    transform = build_transform(dataset, settings)
    loss = component("loss", settings.loss)
    task = dataset.preparation["task"]
    n_outputs = len(dataset.preparation["classes"]) if task == "classification" else dataset.targets.shape[1]
    training = _settings_training(settings, len(dataset.where("train")))
    chosen = workspace / "chosen" / f"{build_on}.json"
    if build_on and chosen.is_file():
        training = training_from_json(json.loads(chosen.read_text(encoding="utf-8")))
    return Experiment(
        train=split_of(dataset, "train", transform, settings),
        validation=split_of(dataset, "validation", transform, settings),
        objective=Objective(task, n_outputs, on_any_device(loss.as_function()) if loss else default_loss(task)),
        training=training,
        augment=component("augment", settings.augment),
        classes=tuple(dataset.preparation["classes"] or ()),
        features=tuple(dataset.preparation["features"] or ()),
        decode=decoder(dataset, settings),
        device=device,
        stages=settings.stages,
        thresholds=settings.thresholds,
        seeds=settings.budget.seeds,
        trials=settings.budget.trials,
        members=settings.budget.members,
        backend=settings.fanout.backend,
        workers=settings.fanout.workers or (device.count if device.torch.type != "cpu" else _cores()),
        address=settings.fanout.address or "",
        own_modules=tuple(own_modules(_targets(settings), workspace)),
        fingerprint=identity(workspace, settings),
        folder=str(stage.home / ".recipe" / TRAININGS),
        loss_name=loss.name if loss else "the default loss",
    )


def _cores() -> int:
    """The cores that this process may use, where the system tells; else all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def with_test(experiment: Experiment, stage: Stage) -> Experiment:
    """The same with the test split behind its door: opened by name, each reading written to the ledger."""
    settings, workspace = stage.settings, stage.workspace
    dataset = load_dataset(workspace, settings, whole=False)
    version = fingerprint(digest(workspace / PREPARED / MANIFEST))

    def open_test(reader: str) -> Split:
        return split_of(dataset, "test", build_transform(dataset, settings), settings)

    def note_reading(reader: str, examples: int, figure: float) -> int:
        record_reading(stage.home, reader, version, examples, figure, settings.data.name)
        return len(readings(stage.home, settings.data.name))

    return replace(experiment, open_test=open_test, note_reading=note_reading)


@dataclass(frozen=True)
class Raw:
    """What an exported model needs to take raw input: two examples before the transform, and how they were prepared."""

    inputs: Tensor
    transform: View | None
    preparation: dict[str, Any]


def raw_examples(stage: Stage) -> Raw:
    """Two prepared training examples, images (2, C, H, W) in 0..1 or rows (2, F), and what happens to them next."""
    dataset = load_dataset(stage.workspace, stage.settings, whole=False)
    return Raw(_examples(dataset, 2), build_transform(dataset, stage.settings), dataset.preparation)


def _settings_training(settings: Settings, examples: int) -> Training:
    """The base training as the settings name it."""
    model = component("model", settings.model)
    optimizer = component("optimizer", settings.optimizer)
    assert model is not None and optimizer is not None, "settings are checked for both where they are composed"
    steps_per_epoch = math.ceil(examples / settings.batch_size)
    epochs = max(settings.budget.epochs, math.ceil(settings.budget.steps / steps_per_epoch))
    return Training(model, optimizer, epochs=epochs, batch_size=settings.batch_size, seed=settings.seed)


def split_of(dataset: Dataset, name: str, transform: View | None, settings: Settings) -> Split:
    """One split as the training loop takes it: resident, transformed once where that changes nothing."""
    rows = dataset.where(name)
    ids = tuple(dataset.manifest["id"].to_numpy()[rows].tolist())
    targets = torch.from_numpy(np.ascontiguousarray(dataset.targets[rows]))
    view = None if dataset.preparation["kind"] == "table" else to_unit
    groups = _clusters(dataset, rows)
    transform = on_any_device(transform) if transform else None
    size = dataset.inputs.shape[0] * int(np.prod(dataset.inputs.shape[1:])) * BYTES_PER_FLOAT
    if size > settings.data.memory_limit_mb * 2**20:
        file = dataset.workspace / PREPARED / INPUTS
        return Split(
            memory_mapped(str(file)), targets, view, transform, None, ids, torch.from_numpy(rows), str(file), groups
        )
    inputs = torch.from_numpy(np.ascontiguousarray(dataset.inputs[rows]))
    split = Split(inputs, targets, view, transform, ids=ids, groups=groups)
    return split.computed_once() if len(split) and acts_alone(split.head(TRIED)) else split


def _clusters(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor | None:
    """The cluster of each of `rows`; None where no two of them share one."""
    clusters = clusters_of(dataset)[rows]
    return torch.from_numpy(clusters) if len(np.unique(clusters)) < len(rows) else None


def to_unit(batch: Tensor) -> Tensor:
    """Bytes (N, C, H, W) as float32 in 0..1."""
    return batch.float().div_(255)


def build_transform(dataset: Dataset, settings: Settings) -> View | None:
    """The data's transform, offered the training statistics of the pixels.

    Raises:
        TargetError: it cannot be built, or does not take a batch and give one.
    """
    part = component("data.transform", settings.data.transform)
    if part is None:
        return None
    pixels = dataset.preparation["pixels"] or {}
    return part.as_batch_function(_examples(dataset, 2), mean=pixels.get("mean"), std=pixels.get("std"))


def _examples(dataset: Dataset, count: int) -> Tensor:
    """The first training examples as a transform gets them: images in 0..1, rows as they are."""
    inputs = torch.from_numpy(np.ascontiguousarray(dataset.inputs[dataset.where("train")[:count]]))
    return inputs if dataset.preparation["kind"] == "table" else to_unit(inputs)


def decoder(dataset: Dataset, settings: Settings) -> Callable[[Tensor], Tensor | pd.DataFrame] | None:
    """What turns the net's inputs back into what a person looks at; not known behind a transform of the user's own."""
    preparation = dataset.preparation
    transform = settings.data.transform.target
    if preparation["kind"] == "table":
        return None if transform else lambda batch: readable_rows(batch.numpy(), preparation)
    if transform is None:
        return lambda batch: batch
    if transform != "recipe.transforms.Standardize":
        return None
    mean, std = (torch.tensor(preparation["pixels"][name]).view(-1, 1, 1) for name in ("mean", "std"))
    return lambda batch: batch * std + mean


def identity(workspace: Path, settings: Settings) -> str:
    """Names the data and the code: finished trainings are found again only where both are the same."""
    content: dict[str, Any] = {
        "data": json.loads((workspace / PREPARED / FACTS).read_text(encoding="utf-8"))["content"],
        "settings": [
            settings.data.transform.model_dump(by_alias=True),
            settings.loss.model_dump(by_alias=True),
        ],
        "code": [digest(path) for path in _code(workspace, settings)],
        "torch": torch.__version__,  # another one adds in another order; the processor may too, but results travel
    }
    return fingerprint(content)


def _code(workspace: Path, settings: Settings) -> list[Path]:
    """The files that decide the bits of a training: the library's engine and the user's own."""
    return [*ENGINE, *own_modules(_targets(settings), workspace).values()]


def _targets(settings: Settings) -> list[str | None]:
    parts = (settings.model, settings.loss, settings.optimizer, settings.augment, settings.data.transform)
    return [part.target for part in parts]


def digest(*paths: Path) -> str:
    """The hash of files, and of the Python files below folders."""
    content = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            content.update(file.read_bytes() if file.is_file() else b"")
    return content.hexdigest()
