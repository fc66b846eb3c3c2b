"""What the error budget foretells beside what comes of it, on six data sets, two of them with a planted cause.

Half of the training examples are held back, so that twice the data can be brought; whatever a step asks for is then
done, and the ensemble trained anew is measured on the same test set.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor, nn

from recipe.dataset.builtin import PICTURES
from recipe.error_budget.advice import LARGER, LONGER, MEMBER, RELABEL, TRIALS, TWICE
from recipe.error_budget.nets import errors_of, outputs_on
from recipe.error_budget.parts import NOISE, SHIFT
from recipe.models import Cnn, Mlp
from recipe.practices.squeeze.error_budget import error_budget
from recipe.statistics.intervals import wilson
from recipe.training.components import Component
from recipe.training.ensemble import ensemble_temperature, train_members
from recipe.training.experiment import Budget, Experiment, HeldOut, Training, make_experiment
from recipe.training.split import Split
from recipe.tuning.pilot import losses_of_the_search, search_from_pilot
from recipe.tuning.search import in_order

FAST = Component("optimizer", "torch.optim.Adam", {"lr": 1e-3, "fused": True})
SPLIT_SEEDS = range(5)
NOISE_PLANTED, BLUR_PLANTED = 0.1, 0.35  # share of labels; deviation of what is added to the test images
MEMBERS, TRIALS_FIRST = 3, 8

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Foretold:
    """One figure of the budget beside the truth: `step` of a data set at a split seed, and whether it is inside."""

    data: str
    seed: int
    step: str
    value: float
    low: float
    high: float
    realised: float

    @property
    def inside(self) -> bool:
        return self.low <= self.realised <= self.high


@dataclass(frozen=True)
class Case:
    """A data set in four parts, the net for it, and what has been planted."""

    name: str
    train: Pair
    more: Pair
    validation: Pair
    test: Pair
    truth: Pair  # the test set with nothing planted
    model: Callable[..., nn.Module]
    settings: dict[str, Any]
    epochs: int


def foretold(seeds: Sequence[int] = SPLIT_SEEDS) -> Iterator[Foretold]:
    """Every figure, as it comes; two processes, each with a data set and a split seed."""
    jobs = [(name, seed) for seed in seeds for name in CASES]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for found in pool.map(_of_one, *zip(*jobs, strict=True)):
            yield from found


def coverage(found: Sequence[Foretold]) -> tuple[float, float, float]:
    """The share of intervals that hold what came, with its own 95 % interval."""
    inside = sum(one.inside for one in found)
    return inside / len(found), *wilson(inside, len(found))


def _of_one(name: str, seed: int) -> list[Foretold]:
    torch.set_num_threads(1)
    case = CASES[name](seed)
    experiment = _experiment(case)
    experiment = replace(experiment, searched=tuple(losses_of_the_search(experiment)))
    finding = experiment.examine(error_budget)
    rows = finding.table.set_index("name")
    before = _error(experiment, case.test)
    row = partial(_row, case.name, seed, rows)
    found = [row(step, before - after) for step, after in _realised(experiment, case, rows.index)]
    if case.name.endswith("noise"):
        found.append(row(NOISE, (case.test[1] != case.truth[1]).double().mean().item()))
    if case.name.endswith("shift"):
        found.append(row(SHIFT, before - _error(experiment, case.truth)))
    return found


def _row(data: str, seed: int, rows: Any, step: str, realised: float) -> Foretold:
    value, low, high = (float(rows.loc[step, name]) for name in ("error", "low", "high"))
    return Foretold(data, seed, step, value, low, high, realised)


def _realised(experiment: Experiment, case: Case, steps: Sequence[str]) -> Iterator[tuple[str, float]]:
    """The error on the test set after each step that the budget foretold."""
    first, factor = experiment.training, experiment.stages.squeeze.ensemble.epochs_factor
    yield TWICE, _error(_with_more(experiment, case), case.test)
    width = first.model.declared("width")
    if LARGER in steps and isinstance(width, int):
        wide = round(width * experiment.stages.squeeze.error_budget.width)
        yield LARGER, _error(_having(experiment, first.having(model=first.model.having(width=wide))), case.test)
    if LONGER in steps:
        longer = experiment.stages.squeeze.extended.factor / factor
        yield LONGER, _error(_having(experiment, first.having(epochs=math.ceil(first.epochs * longer))), case.test)
    one_more = replace(experiment, budget=replace(experiment.budget, members=MEMBERS + 1))
    yield MEMBER, _error(one_more, case.test)
    if TRIALS in steps:
        yield TRIALS, _error(_searched(experiment, 2 * TRIALS_FIRST), case.test)
    if RELABEL in steps and case.name.endswith("noise"):  # elsewhere nobody knows which labels are wrong
        yield RELABEL, _error(experiment, (case.test[0], case.truth[1]))


def _with_more(experiment: Experiment, case: Case) -> Experiment:
    both = Split(*(torch.cat(pair) for pair in zip(case.train, case.more, strict=True)))
    return experiment.variant("twice", train=both)


def _having(experiment: Experiment, training: Training) -> Experiment:
    return replace(experiment, training=training)


def _searched(experiment: Experiment, trials: int) -> Experiment:
    """The experiment with the best training of a search of so many trials."""
    asked = replace(experiment, budget=replace(experiment.budget, trials=trials))
    best = next(trial for trial in in_order(search_from_pilot(asked)) if trial.finished)
    return _having(experiment, best.training.having(seed=experiment.training.seed))


def _error(experiment: Experiment, test: Pair) -> float:
    members = train_members(experiment)
    outputs = outputs_on(experiment, members, Split(*test))
    return errors_of(experiment, outputs, test[1], ensemble_temperature(experiment, members)).mean().item()


def _experiment(case: Case) -> Experiment:
    made = make_experiment(
        case.model, case.train, case.validation, optimizer=FAST, epochs=case.epochs, model_settings=case.settings
    )
    budget = Budget(members=MEMBERS, trials=TRIALS_FIRST)
    made = replace(made, budget=budget, test=HeldOut(lambda reader: Split(*case.test)))
    return _searched(made, TRIALS_FIRST)  # what it foretells for more trials starts from the best of these


def _pictures(name: str, seed: int, sizes: Sequence[int], epochs: int, planted: str = "") -> Case:
    found = PICTURES[name]()
    images = torch.from_numpy(found.images).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(found.labels.to_numpy(dtype="int64"))
    parts = _cut((images, labels), seed, sizes)
    test, truth = parts[3], parts[3]
    generator = torch.Generator().manual_seed(seed)
    if planted == "noise":
        parts = [(inputs, _mislabelled(targets, generator)) for inputs, targets in parts]
        test = parts[3]
    if planted == "shift":
        test = (truth[0] + BLUR_PLANTED * torch.randn(truth[0].shape, generator=generator), truth[1])
    called = " with ".join(filter(None, (name, planted)))
    return Case(called, *parts[:3], test, truth, Cnn, {"width": 8}, epochs)


def _mislabelled(targets: Tensor, generator: torch.Generator) -> Tensor:
    wrong = torch.rand(len(targets), generator=generator) < NOISE_PLANTED
    others = torch.randint(1, int(targets.max()) + 1, (len(targets),), generator=generator)
    return torch.where(wrong, (targets + others) % (int(targets.max()) + 1), targets)


def _rows(load: str, seed: int, sizes: Sequence[int], epochs: int) -> Case:
    from sklearn import datasets

    found = getattr(datasets, load)()
    inputs = torch.as_tensor(found.data, dtype=torch.float32)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    targets = torch.as_tensor(found.target)
    if targets.is_floating_point():
        targets = ((targets - targets.mean()) / targets.std()).float()[:, None]
    parts = _cut((inputs, targets), seed, sizes)
    return Case(load.removeprefix("load_"), *parts, parts[3], Mlp, {}, epochs)


def _cut(pair: Pair, seed: int, sizes: Sequence[int]) -> list[Pair]:
    """Parts of these sizes, by chance: training, as many more, validation, and the rest for the test."""
    order = torch.randperm(len(pair[1]), generator=torch.Generator().manual_seed(seed))
    places = order.split([*sizes, len(order) - sum(sizes)])
    return [(pair[0][place], pair[1][place]) for place in places]


CASES: dict[str, Callable[[int], Case]] = {
    "mnist5k": lambda seed: _pictures("mnist5k", seed, (1000, 1000, 1000), 8),
    "digits": lambda seed: _pictures("digits", seed, (400, 400, 400), 20),
    "breast_cancer": lambda seed: _rows("load_breast_cancer", seed, (120, 120, 140), 30),
    "diabetes": lambda seed: _rows("load_diabetes", seed, (110, 110, 100), 30),
    "digits with noise": lambda seed: _pictures("digits", seed, (400, 400, 400), 20, "noise"),
    "digits with shift": lambda seed: _pictures("digits", seed, (400, 400, 400), 20, "shift"),
}


if __name__ == "__main__":
    every = []
    for one in foretold([int(word) for word in sys.argv[1:]] or SPLIT_SEEDS):
        every.append(one)
        print(
            f"{one.data:18} {one.seed} {one.step:16} foretold {one.value:8.4f} [{one.low:8.4f}, {one.high:8.4f}] "
            f"realised {one.realised:8.4f} {'inside' if one.inside else 'OUTSIDE'}",
            flush=True,
        )
    for step in dict.fromkeys(one.step for one in every):
        some = [one for one in every if one.step == step]
        print(f"{step}: {coverage(some)[0]:.2f} of {len(some)} inside")
    share, low, high = coverage(every)
    print(f"all: {share:.3f} [{low:.3f}, {high:.3f}] of {len(every)} inside")
