"""An experiment: everything the practices work on, made from settings or by hand from a model, a loss and tensors."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from recipe.errors import SettingsError, TargetError
from recipe.evidence import Finding, Practice, judge
from recipe.models import set_last_bias
from recipe.settings import Part, Stages, Thresholds
from recipe.statistics.metrics import metrics_of
from recipe.training.components import Component, place_of
from recipe.training.device import Device, on_any_device
from recipe.training.loop import Augment, Lesson, Mix, Optimizer, Scheduler, steps_per_epoch
from recipe.training.objective import Objective, Task, check_loss, objective_of
from recipe.training.split import Split
from recipe.training.transfer import fits, load_weights
from recipe.training.weights import Weights

if TYPE_CHECKING:
    import pandas as pd

IMAGE_DIMENSIONS = 3  # of one example: channels, height, width
ROLES = ("model", "optimizer", "augment", "disturb", "mix", "scheduler", "reduction")
ENDS = ("until", "patience")  # what may end a training before its last epoch
STEPS = ("total_steps", "T_max", "total_iters")  # OneCycleLR, CosineAnnealingLR; LinearLR, PolynomialLR, ConstantLR
HAND_MADE = itertools.count()
ADAM = Component("optimizer", "torch.optim.Adam", {"lr": 3e-4, "fused": True})


@dataclass(frozen=True)
class Training:
    """Everything that decides the bits of one training, apart from the data.

    A training batch goes through `augment`, changes that keep the label, then `disturb`, changes that no camera makes,
    and, as the net would receive it, through `mix`, which mixes its examples and their losses with one another: after
    the transform, so that what is computed once is used, and a mixture is of what the net sees. `reduction` is a module
    before the model that leaves part of the input out, such as `recipe.models.Shrink`; `scheduler` moves the learning
    rate, step by step; `share` is the part of the training examples that is used;
    `keep_best` ends with the weights of the lowest validation loss; `init_bias` sets the last bias to the best constant
    guess before the first step; `until` ends the training after the first epoch whose mean training loss is no higher,
    `patience` after so many epochs without a new lowest validation loss.
    `weights` is the digest of the pretrained weights that it starts from; `frozen` holds those of the body still, and
    `new_head` takes none of the head.
    """

    model: Component
    optimizer: Component
    augment: Component | None = None
    scheduler: Component | None = None
    disturb: Component | None = None
    mix: Component | None = None
    reduction: Component | None = None
    epochs: int = 10
    batch_size: int = 64
    seed: int = 0
    share: float = 1.0
    keep_best: bool = False
    init_bias: bool = True
    until: float | None = None
    patience: int | None = None
    weights: str | None = None
    frozen: bool = False
    new_head: bool = False

    def having(self, **changes: Any) -> Training:
        """The same with other values."""
        return replace(self, **changes)

    def parameters(self) -> dict[str, Any]:
        """The training as flat names and plain values: what identifies it, and what a tracker shows."""
        flat: dict[str, Any] = {
            name: getattr(self, name) for name in ("epochs", "batch_size", "seed", "share", "keep_best", "init_bias")
        }
        flat |= {name: value for name in ENDS if (value := getattr(self, name)) is not None}
        if self.weights is not None:
            flat |= {"weights": self.weights, "weights.frozen": self.frozen, "weights.new_head": self.new_head}
        for role in ROLES:
            component: Component | None = getattr(self, role)
            flat[role] = component.identity if component else "none"
            flat |= {f"{role}.{key}": value for key, value in (component.settings if component else {}).items()}
        return flat


@dataclass(frozen=True)
class Budget:
    """How much is trained: `seeds` of each side of a comparison, `trials` of the search, `members` of the ensemble.

    The stages that compare train on so many `examples` at most; None: on all, as squeeze does in any case.
    In regularize and tune each in so many `folds`; None: once, judged on the validation split. A control that goes on
    until its validation loss turns takes `most_steps` at most, where it is not longer by itself. A control has
    `controls` times as many seeds as what is compared with it: 2 where that is much, since every gain rests on the
    control (Dunnett 1955, section 5: by the root of how many are compared with it).
    """

    seeds: int = 2
    trials: int = 6
    members: int = 2
    folds: int | None = None
    examples: int | None = None
    most_steps: int = 3000
    controls: int = 2


class Teacher(Protocol):
    """What a training learns from beside the targets: see recipe/training/distillation.py."""

    def lesson(self, experiment: Experiment, split: Split, changed: bool) -> Lesson:
        """What the loop asks for the loss of a batch; `changed`: examples change by chance on their way in."""


@dataclass(frozen=True)
class HeldOut:
    """The way to the test split.

    Attributes:
        open: gives it to the practice that is named.
        note: writes a reading of its labels (who, how many, the figure) to the ledger; gives how many there have been.
    """

    open: Callable[[str], Split]
    note: Callable[[str, int, float], int] = lambda reader, examples, figure: 1


@dataclass(frozen=True)
class Experiment:
    """A model, a loss, an optimizer and splits of tensors with names.

    Args:
        train, validation: as the net receives them, or with a view that makes them so. Practices of the stages before
            squeeze that speak of a test set mean `validation`.
        training: the base that every practice varies: model, optimizer, augmentation, budget, seed.
        augment: the augmentation at hand for regularize; no training uses it unless its own `augment` says so.
        scheduler: the schedule at hand for tune, in the same way.
        pretrained: the weights at hand for regularize, in the same way.
        classes: their names, in the order of the outputs; empty for regression.
        features: the names of a table's prepared inputs; empty for images. See `input_names` for those of the net's.
        columns, numeric: of each of a table's prepared inputs, the number of the column that it was made of, and
            whether it is a quantity; offered to an augmentation that names them; empty where that is not known.
        decode: turns what enters the net, on the CPU, back into what a person can look at: images (N, C, H, W) in
            0..1, or a table's own columns as text (N, columns), in its own units; None where that is not known.
        budget: how much is trained where one training is not enough.
        executor: carries out independent trainings, each beside its experiment, and gives the place of each and what
            comes of it as it ends, kept; None: one after another, in this process.
        fingerprint: names data and code, so that finished trainings are found again.
        folder: where finished trainings are kept; None: in memory only.
        test: the way to the test split; None where there is none.
        folds: where it is cross-validated, the experiment of each fold; `validation` holds out all that they do.
        by_time: whether validation and test are of later than training, and so may differ from it.
        split_given: whether the user said which examples are for training and which for validation.
        replicates: where each seed of a comparison has its own part of the examples held out: the experiment of each.
        tried: the changes (`recipe.training.comparison.Change`) that are judged together, whichever practice asks.
        teacher: trained nets that every training here learns from, beside the targets; None: from the targets alone.
        searched: the validation losses of a search's trials at its first rung, where one chose the training.
        left_out: how many training examples a comparison leaves to the stage squeeze.
        delivery: labelled examples that are to join the data set, where some are looked at.
        others: trainings of other architectures that were compared with the chosen one, the best first.
        long_members: whether members are left training far past their usual length, which was found to pay.
    """

    train: Split
    validation: Split
    objective: Objective
    training: Training
    augment: Component | None = None
    scheduler: Component | None = None
    pretrained: Weights | None = None
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    columns: tuple[int, ...] = ()
    numeric: tuple[bool, ...] = ()
    decode: Callable[[Tensor], Tensor | pd.DataFrame] | None = None
    device: Device = field(default_factory=Device)
    stages: Stages = field(default_factory=Stages.default)
    thresholds: Thresholds = field(default_factory=Thresholds.default)
    budget: Budget = field(default_factory=Budget)
    executor: Callable[[Sequence[tuple[Experiment, Training]]], Iterator[tuple[int, Any]]] | None = None
    fingerprint: str = ""
    folder: str | None = None
    test: HeldOut | None = None
    folds: tuple[Experiment, ...] = ()
    by_time: bool = False
    split_given: bool = False
    replicates: tuple[Experiment, ...] = ()
    tried: tuple[Any, ...] = ()
    teacher: Teacher | None = None
    searched: tuple[float, ...] = ()
    others: tuple[Training, ...] = ()
    long_members: bool = False
    delivery: Split | None = None
    left_out: int = 0

    def variant(self, name: str, **changes: Any) -> Experiment:
        """The same with other data, loss or device, under a name of its own, so that no training is mixed up."""
        return replace(self, fingerprint=f"{self.fingerprint}/{name}", **changes)

    @property
    def variant_name(self) -> str:
        """What `variant` called it; empty where nothing was changed."""
        return self.fingerprint.partition("/")[2]

    @property
    def task(self) -> Task:
        return self.objective.task

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as the net receives it."""
        return tuple(self.train.head(1).batch(torch.zeros(1, dtype=torch.long))[0].shape[1:])

    @property
    def gets_images(self) -> bool:
        """Whether an example is an image (C, H, W) as the net receives it."""
        return len(self.input_shape) == IMAGE_DIMENSIONS

    @property
    def homes(self) -> tuple[Experiment, ...]:
        """Where the seeds of a comparison are trained and judged, in turn: its replicates, or itself."""
        return self.replicates or (self,)

    def input_names(self, count: int) -> list[str]:
        """The names of the net's `count` inputs: a table's features, unless a transform has changed their number."""
        return list(self.features) if len(self.features) == count else [f"input {i}" for i in range(count)]

    def new_model(self, seed: int | None = None, training: Training | None = None) -> nn.Module:
        """A fresh model, initialised from `seed` and the training's weights alone, on the experiment's device.

        Raises:
            TargetError: it cannot be built, or what was built is not an `nn.Module`.
            SettingsError: the weights that the training starts from are not those at hand.
        """
        training = training or self.training
        set_seed(training.seed if seed is None else seed)
        reduction = training.reduction and training.reduction.build(input_shape=self.input_shape)
        shape = reduction.output_shape if reduction else self.input_shape
        model = training.model.build(input_shape=shape, n_outputs=self.objective.n_outputs)
        if not isinstance(model, nn.Module):
            raise TargetError(
                f"model: {training.model.name} returned {type(model).__name__}: return a torch.nn.Module."
            )
        whole = nn.Sequential(reduction, model) if reduction else model
        self._settle_lazy_layers(whole)
        if training.init_bias:
            set_last_bias(model, self.objective.prior_outputs(self.train.targets.cpu()))
        if training.weights is not None:
            self._start_from_weights(model, training)
        return whole.to(self.device.torch)

    def _start_from_weights(self, model: nn.Module, training: Training) -> None:
        weights = self.pretrained
        if weights is None or weights.digest != training.weights:
            given = "null" if weights is None else f"{weights.name}, whose content is {weights.digest}"
            raise SettingsError(
                f"The training starts from weights with the content {training.weights}, but pretrained={given}: name "
                "those weights, or run the stage regularize again."
            )
        found = fits(model, weights, self.objective.n_outputs, training.new_head)
        load_weights(model, weights, found, training.frozen)

    def _settle_lazy_layers(self, model: nn.Module) -> None:
        """Layers that take their size from the first input get it before an optimizer or a bias asks for it."""
        if any(map(is_lazy, itertools.chain(model.parameters(), model.buffers()))):
            with torch.no_grad():
                model.eval()(torch.zeros(1, *self.input_shape))
            model.train()

    def new_optimizer(self, model: nn.Module, training: Training | None = None) -> Optimizer:
        """The optimizer over the parameters of `model`."""
        return (training or self.training).optimizer.build(model.parameters())

    def new_scheduler(self, optimizer: Optimizer, training: Training) -> Scheduler | None:
        """What moves the rates of `optimizer` over the steps of `training`; None where they stay.

        The number of steps is offered by the names that torch's schedulers have for it.
        """
        if training.scheduler is None:
            return None
        return training.scheduler.build(optimizer, **dict.fromkeys(STEPS, self.steps_of(training)))

    def steps_of(self, training: Training) -> int:
        """How many steps of the optimizer `training` takes to its last epoch."""
        count = max(1, math.ceil(training.share * len(self.train)))
        return training.epochs * steps_per_epoch(count, training.batch_size)

    def new_augment(self, training: Training) -> Augment | None:
        """What changes each training batch before the transform; None where nothing does."""
        parts = [part for part in (training.augment, training.disturb) if part]
        changes: list[Augment] = [on_any_device(part.as_function(**self._offered(part))) for part in parts]
        if len(changes) < 2:
            return changes[0] if changes else None
        augment, disturb = changes
        return lambda batch: disturb(augment(batch))

    def _offered(self, part: Component) -> dict[str, Any]:
        """What of a table's columns an augmentation names; one that takes anything has not asked for it."""
        known = {"columns": self.columns, "numeric": self.numeric} if self.columns else {}
        return {name: value for name, value in known.items() if part.declares(name)}

    def new_mix(self, training: Training) -> Mix | None:
        """What mixes each training batch; None where nothing does."""
        return on_any_device(training.mix.as_function()) if training.mix else None

    def checked(self) -> Experiment:
        """The same, after one real batch has gone through augmentation, model and loss.

        Raises:
            TargetError: one of them, or the optimizer, does not do what the contract says.
        """
        model = self.new_model()
        optimizer = self.new_optimizer(model)
        if not all(callable(getattr(optimizer, call, None)) for call in ("zero_grad", "step")):
            name = self.training.optimizer.name
            raise TargetError(f"optimizer: {name} returned {type(optimizer).__name__}: return a torch.optim.Optimizer.")
        self._check_scheduler(model)
        few = self.train.head(2)
        if self.augment is not None:
            self.augment.as_batch_function(few.untransformed(torch.arange(len(few))), **self._offered(self.augment))
        few = few.to(self.device.torch)
        inputs, targets = few.batch(torch.arange(len(few), device=few.device))
        name = self.training.model.name
        try:
            outputs = model(inputs)
        except Exception as error:
            message = str(error).strip().split("\n", 1)[0]
            raise TargetError(
                f"model: {name} raised {type(error).__name__} on inputs {tuple(inputs.shape)}: {message}"
                f"{place_of(error)}."
            ) from error
        due = (len(inputs), self.objective.n_outputs)
        if not isinstance(outputs, Tensor) or tuple(outputs.shape) != due:
            got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            if self._shape_is_a_finding(got, due):
                return self
            raise TargetError(f"model: {name} gives {got} for inputs {tuple(inputs.shape)} where {due} is due.")
        if not outputs.requires_grad:
            raise TargetError(
                f"model: {name} gives outputs without a gradient: detach nothing, and leave weights free."
            )
        check_loss(self.objective, outputs, targets)
        return self

    def _check_scheduler(self, model: nn.Module) -> None:
        if self.scheduler is None:
            return
        optimizer = self.new_optimizer(model)
        scheduler = self.new_scheduler(optimizer, self.training.having(scheduler=self.scheduler))
        optimizer.step()  # without a gradient it changes nothing, and torch warns of a schedule that goes first
        try:
            assert scheduler is not None
            scheduler.step()
        except Exception as error:
            message = str(error).strip().split("\n", 1)[0]
            raise TargetError(
                f"scheduler: {self.scheduler.name} raised {type(error).__name__}: {message}. It is called as step() "
                "after each step of the optimizer."
            ) from error

    def _shape_is_a_finding(self, got: object, due: tuple[int, int]) -> bool:
        """(N,) for one regression target trains, wrongly, by broadcasting: that is for the practices to show."""
        return self.task == "regression" and due[1] == 1 and got == due[:1]

    def examine(self, practice: Practice) -> Finding:
        """What `practice` finds here, judged by this experiment's thresholds; it settles the process (see `Device`)."""
        self.device.settle()
        return judge(practice(self), self.thresholds.of(practice.id.partition("/")[0]))


def make_experiment(
    model: Callable[..., nn.Module],
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    *,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    optimizer: Component = ADAM,
    augment: Component | None = None,
    pretrained: Weights | None = None,
    model_settings: Mapping[str, Any] = {},
    classes: tuple[str, ...] = (),
    metrics: Sequence[str] | None = None,
    **training: Any,
) -> Experiment:
    """An experiment by hand, for a test of your own: a model factory, inputs and targets, and a loss.

    Args:
        model: called with `model_settings` and, where it names them, `input_shape` and `n_outputs`.
        train, validation: inputs (N, ...) and targets, int64 (N,) for classes or float32 (N, k) for regression.
        loss: `loss(outputs, targets)`, the mean over the batch; None follows the task.
        pretrained: what `read_weights` gives, for `regularize/pretrained` to compare with.
        metrics: names as in the settings, such as ("F1", "AUC"); the first decides. None follows the task.
        training: `epochs`, `batch_size`, `seed` and what else a Training holds.
    """
    targets = train[1]
    task: Task = "classification" if targets.dim() == 1 and not targets.is_floating_point() else "regression"
    n_outputs = int(targets.max()) + 1 if task == "classification" else targets.shape[1]
    return Experiment(
        train=Split(*train),
        validation=Split(*validation),
        objective=replace(objective_of(task, n_outputs, loss), metrics=metrics_of(task, metrics)),
        training=Training(Component("model", model, model_settings), optimizer, **training),
        augment=augment,
        pretrained=pretrained,
        classes=classes or tuple(str(i) for i in range(n_outputs) if task == "classification"),
        fingerprint=f"hand-made {next(HAND_MADE)}",
    )


def training_to_json(training: Training) -> dict[str, Any]:
    """`training` as plain JSON values, for the file that one stage leaves to the next.

    Raises:
        TargetError: a part is a function or class given as such, which no file can name.
    """
    content = {field.name: getattr(training, field.name) for field in fields(training)}
    for role in ROLES:
        part: Component | None = content[role]
        if part is not None and not isinstance(part.call, str):
            raise TargetError(
                f"{role}: {part.name} was given as an object: name it by a dotted _target_ to write it down."
            )
        content[role] = {"_target_": part.call, **part.settings} if part else None
    return content


def training_from_json(content: Mapping[str, Any]) -> Training:
    """The training that `training_to_json` wrote.

    Raises:
        SettingsError: it holds other names than a training has, or lacks one.
    """
    names = {field.name for field in fields(Training)}
    if set(content) != names:
        odd = ", ".join(sorted(set(content) ^ names))
        raise SettingsError(
            f"The chosen training does not fit this version ({odd}): run the stage that chose it again."
        )
    parts = {role: content[role] and _part_from_json(role, content[role]) for role in ROLES}
    return Training(**{**content, **parts})


def _part_from_json(role: str, content: Mapping[str, Any]) -> Component:
    return Component(role, content["_target_"], {key: value for key, value in content.items() if key != "_target_"})


def component(role: str, part: Part) -> Component | None:
    """A `_target_` of the settings as something to build; None where there is none."""
    return Component(role, part.target, part.settings) if part.target else None


def set_seed(seed: int) -> None:
    """Seed every generator that a model, a transform or an augmentation may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's own augmentation may use the global one
    random.seed(seed)
