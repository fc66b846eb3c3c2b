"""Optimizers and schedules are compared around what the search found, and what holds is confirmed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import yaml
from torch import Tensor, nn

from recipe.models import Linear, Mlp
from recipe.practices.tune.architecture import architecture
from recipe.practices.tune.confirm import chosen, confirm
from recipe.practices.tune.optimizer import held_optimizer, optimizer
from recipe.practices.tune.schedule import AT_HAND, SHAPES, _at_hand, leading_schedule, schedule
from recipe.schedules import one_cycle, warmup_cosine
from recipe.settings import Stages
from recipe.settings.tune import Space
from recipe.training.components import Component
from recipe.training.experiment import Budget, Experiment, make_experiment
from tests.workspaces import ROOT

STILL = Component("scheduler", "torch.optim.lr_scheduler.ConstantLR", {"factor": 1e-9, "total_iters": 10**6})
NOTHING = Space(optimizer={}, training={}, model={}, augment={})
SEARCH = {"space": NOTHING}


def of_rows(breast_cancer: tuple[Tensor, Tensor], optimizer: Component, epochs: int = 6) -> Experiment:
    rows, labels = breast_cancer
    made = make_experiment(
        Mlp, (rows[:350], labels[:350]), (rows[350:], labels[350:]), optimizer=optimizer, epochs=epochs
    )
    return replace(made, budget=Budget(seeds=3), stages=Stages.default(tune=SEARCH))


@pytest.fixture(scope="module")
def frozen_adam(breast_cancer: tuple[Tensor, Tensor]) -> Experiment:
    """The default optimizer at a rate that moves nothing; shared, so that its trainings are."""
    return of_rows(breast_cancer, Component("optimizer", "torch.optim.Adam", {"lr": 1e-7}))


@pytest.fixture(scope="module")
def restless(diabetes: tuple[Tensor, Tensor]) -> Experiment:
    """A linear model on a few rows a step, at a constant rate so high that it never settles."""
    rows, targets = diabetes
    high = Component("optimizer", "torch.optim.SGD", {"lr": 0.06})
    made = make_experiment(
        Linear, (rows[:300], targets[:300]), (rows[300:], targets[300:]), optimizer=high, epochs=8, batch_size=4
    )
    peaks = {**SEARCH, "schedule": {"peaks": [1.0]}}
    return replace(made, budget=Budget(seeds=5), stages=Stages.default(tune=peaks))


def test_a_default_optimizer_whose_rate_is_hopeless_loses_and_another_is_chosen(frozen_adam: Experiment) -> None:
    finding = frozen_adam.examine(optimizer)

    assert (finding.verdict, finding.answer) == ("pass", "holds")
    both = {**SEARCH, "optimizer": {"go_on": 2}}
    table = replace(frozen_adam, stages=Stages.default(tune=both)).examine(optimizer).table
    assert set(table["change"]) == {"AdamW", "SGD with momentum"}
    held = held_optimizer(frozen_adam)
    assert held is not None
    assert chosen(frozen_adam).optimizer.name == held.name
    assert frozen_adam.examine(confirm).table["optimizer"].isin({held.name}).any()


@pytest.mark.fault("tune/optimizer", "warn: an optimizer that somebody has named loses to another")
def test_a_named_optimizer_that_loses_keeps_its_place_and_is_told_of_the_better_one(
    breast_cancer: tuple[Tensor, Tensor],
) -> None:
    named = of_rows(breast_cancer, Component("optimizer", "torch.optim.Adagrad", {"lr": 1e-7}))
    finding = named.examine(optimizer)

    assert (finding.verdict, finding.answer) == ("warn", "holds")
    assert "optimizer._target_=torch.optim." in finding.advice
    assert held_optimizer(named) is None
    assert chosen(named).optimizer.name == "torch.optim.Adagrad"


def test_adam_with_decoupled_decay_is_adamw_already(breast_cancer: tuple[Tensor, Tensor]) -> None:
    decoupled = {"lr": 1e-3, "weight_decay": 0.1, "decoupled_weight_decay": True}
    finding = of_rows(breast_cancer, Component("optimizer", "torch.optim.Adam", decoupled)).examine(optimizer)

    assert finding.table["change"].tolist() == ["SGD with momentum"]
    assert finding.verdict == "pass"


def test_a_well_tuned_adam_is_not_beaten(breast_cancer: tuple[Tensor, Tensor]) -> None:
    tuned = of_rows(breast_cancer, Component("optimizer", "torch.optim.Adam", {"lr": 3e-3}))
    finding = tuned.examine(optimizer)

    assert finding.verdict == "pass"
    assert finding.answer in ("open", "refuted")
    assert held_optimizer(tuned) is None


def test_a_rate_that_never_settles_is_better_with_a_decay_which_is_chosen(restless: Experiment) -> None:
    finding = restless.examine(schedule)
    held, training = leading_schedule(restless), chosen(restless)

    assert (finding.verdict, finding.answer) == ("pass", "holds")
    assert held is not None
    assert training.scheduler == held.scheduler
    assert len(finding.table) == 1
    assert set(finding.figures) == {"curves", "rates"}


def test_a_schedule_that_was_chosen_ends_with_a_longer_training(restless: Experiment) -> None:
    longer = chosen(restless).having(epochs=20)
    optimizer = restless.new_optimizer(restless.new_model(training=longer), longer)
    scheduler = restless.new_scheduler(optimizer, longer)
    assert isinstance(optimizer, torch.optim.Optimizer) and scheduler is not None

    rates = []
    for _ in range(restless.steps_of(longer)):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[len(rates) // 2] > 0.1 * max(rates)
    assert rates[-1] < 0.02 * max(rates)


@pytest.mark.fault("tune/schedule", "warn: a schedule of one's own that stops the training before it has begun")
def test_a_schedule_at_hand_that_stops_the_training_is_pointed_out(breast_cancer: tuple[Tensor, Tensor]) -> None:
    good = of_rows(breast_cancer, Component("optimizer", "torch.optim.Adam", {"lr": 1e-3}))
    finding = replace(good, scheduler=STILL).examine(schedule)

    assert finding.verdict == "warn"
    assert finding.table.set_index("change")["answer"][AT_HAND] == "refuted"
    assert chosen(replace(good, scheduler=STILL)).scheduler != STILL


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("linear", "a linear decay"),
        ("cosine", "a cosine decay"),
        ("one_cycle", "one cycle"),
        ("warmup_cosine", "a warm-up and a cosine decay"),
    ],
)
def test_a_schedule_of_the_settings_is_known_by_its_shape(restless: Experiment, name: str, shape: str) -> None:
    settings = yaml.safe_load((ROOT / "conf" / "scheduler" / f"{name}.yaml").read_text())
    at_hand = Component("scheduler", settings.pop("_target_"), settings)
    assert _at_hand(replace(restless, scheduler=at_hand)) == shape
    assert _at_hand(replace(restless, scheduler=STILL)) == AT_HAND


def test_a_schedule_that_is_named_goes_on_though_another_shape_is_better_at_first(restless: Experiment) -> None:
    for name, shape in SHAPES.items():
        finding = replace(restless, scheduler=shape).examine(schedule)
        assert name in set(finding.table["change"])
        assert len(finding.table) <= 2


def test_without_a_rate_there_is_nothing_to_compare_optimizers_or_schedules_at(
    breast_cancer: tuple[Tensor, Tensor],
) -> None:
    class Own:
        """Steps down the gradient, and knows neither a rate by its usual name nor groups of parameters."""

        def __init__(self, parameters: Iterator[nn.Parameter], pace: float = 0.1) -> None:
            self.parameters, self.pace = list(parameters), pace

        def zero_grad(self) -> None:
            for parameter in self.parameters:
                parameter.grad = None

        def step(self) -> None:
            with torch.no_grad():
                for parameter in self.parameters:
                    parameter -= self.pace * parameter.grad

    own = of_rows(breast_cancer, Component("optimizer", Own))
    assert [own.examine(one).verdict for one in (optimizer, schedule, confirm)] == ["skip"] * 3
    assert chosen(own) == own.training.having(keep_best=True)
    assert own.examine(architecture).table["learning_rate"].isna().all()


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_schedules_of_our_own_rise_to_the_rate_and_end_near_zero(steps: int) -> None:
    for shape in (warmup_cosine, one_cycle):
        optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler, rates = shape(optimizer, total_steps=steps), []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert max(rates) <= 0.1 + 1e-9
        if steps >= 10:
            assert max(rates) > 0.09
            assert rates[-1] < 0.004
            assert rates[0] < max(rates) or steps < 20
