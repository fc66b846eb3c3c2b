"""The error is split into causes: what was planted is found in its part, and what was not is in none."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from recipe.error_budget.advice import LARGER, LONGER, MEMBER, RELABEL, TRIALS, TWICE
from recipe.error_budget.nets import train_nets
from recipe.error_budget.parts import ALIKE, BIAS, EXAMPLES, NOISE, SEEDS, SHIFT
from recipe.evidence import Finding
from recipe.models import Linear, Mlp
from recipe.practices.squeeze.error_budget import error_budget
from recipe.training.components import Component
from recipe.training.experiment import Budget, Experiment, HeldOut, make_experiment
from recipe.training.split import Split

FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3, "fused": True})
TRAINED, VALIDATED = 900, 1300
PLANTED = 0.1  # of the labels
SEARCHED = (0.31, 0.24, 0.29, 0.45, 0.62, 0.38, 0.27, 0.33)


def made(digits: tuple[Tensor, Tensor], model: type = Mlp, epochs: int = 12, members: int = 3) -> Experiment:
    """Digits with a test split, and members that learn in a second."""
    images, labels = digits
    experiment = make_experiment(
        model,
        (images[:TRAINED], labels[:TRAINED]),
        (images[TRAINED:VALIDATED], labels[TRAINED:VALIDATED]),
        optimizer=FAST,
        epochs=epochs,
    )
    return with_test_split(replace(experiment, budget=Budget(members=members)), images[VALIDATED:], labels[VALIDATED:])


def with_test_split(experiment: Experiment, inputs: Tensor, targets: Tensor) -> Experiment:
    return replace(experiment, test=HeldOut(lambda reader: Split(inputs, targets)))


def table_of(finding: Finding) -> pd.DataFrame:
    assert isinstance(finding.table, pd.DataFrame)
    return finding.table.set_index("name")


@pytest.fixture(scope="module")
def shuffled() -> tuple[Tensor, Tensor]:
    """Digits in an order that mixes their writers, so that a later part of them is no other data."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(3))
    return torch.tensor(found.images[:, None] / 16, dtype=torch.float32)[order], torch.tensor(found.target)[order]


@pytest.fixture(scope="module")
def noisy(shuffled: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The same with a tenth of the labels those of another class."""
    images, labels = shuffled
    generator = torch.Generator().manual_seed(5)
    wrong = torch.rand(len(labels), generator=generator) < PLANTED
    others = (labels + torch.randint(1, 10, (len(labels),), generator=generator)) % 10
    return images, torch.where(wrong, others, labels)


@pytest.fixture(scope="module")
def healthy(shuffled: tuple[Tensor, Tensor]) -> Finding:
    return made(shuffled).examine(error_budget)


def test_the_parts_add_up_to_the_error_on_the_test_set(healthy: Finding) -> None:
    parts = table_of(healthy).query("kind == 'part'")
    assert list(parts.index) == [NOISE, BIAS, ALIKE, EXAMPLES, SEEDS, SHIFT]
    assert parts["error"].sum() == pytest.approx(healthy.measured, abs=1e-9)
    assert (parts["low"] <= parts["error"]).all() and (parts["error"] <= parts["high"]).all()


def test_where_nothing_is_planted_neither_noise_nor_a_shift_nor_bias_is_told(healthy: Finding) -> None:
    parts = table_of(healthy)
    assert parts.loc[NOISE, "low"] == 0 and parts.loc[NOISE, "error"] < 0.01
    assert parts.loc[SHIFT, "low"] <= 0 <= parts.loc[SHIFT, "high"]
    assert parts.loc[BIAS, "low"] == 0
    assert RELABEL not in parts.index or parts.loc[RELABEL, "low"] <= 0


def test_what_is_missed_of_a_delivery_lies_beside_the_parts(shuffled: tuple[Tensor, Tensor]) -> None:
    images, labels = shuffled
    experiment, later = made(shuffled), slice(VALIDATED, VALIDATED + 200)
    alike = replace(experiment, delivery=Split(images[later], labels[later])).examine(error_budget)
    other = replace(experiment, delivery=Split(1 - images[later], labels[later])).examine(error_budget)  # inverted

    shift = table_of(alike).loc["delivery"]
    assert shift["kind"] == "beside" and shift["low"] <= 0 <= shift["high"]
    assert "On the 200 new examples of the delivery the error is" in alike.summary
    assert "that on the validation split, which chance may explain." in alike.summary
    shift = table_of(other).loc["delivery"]
    assert shift["low"] > 0.5 and shift["error"] <= 1
    assert "points above that on the validation split." in other.summary
    assert other.measured == alike.measured  # of the test set, to which a delivery adds nothing


def test_of_a_delivery_that_is_one_group_nothing_is_claimed(shuffled: tuple[Tensor, Tensor]) -> None:
    images, labels = shuffled
    of_one = replace(Split(images[1300:1310], labels[1300:1310]), groups=torch.zeros(10, dtype=torch.long))
    finding = replace(made(shuffled), delivery=of_one).examine(error_budget)
    assert "that on the validation split, which chance may explain." in finding.summary


def test_without_a_delivery_nothing_is_said_of_one(healthy: Finding) -> None:
    assert "delivery" not in table_of(healthy).index
    assert "delivery" not in healthy.summary


def test_planted_label_noise_lies_in_its_interval_and_labels_are_looked_at_first(
    noisy: tuple[Tensor, Tensor], shuffled: tuple[Tensor, Tensor]
) -> None:
    experiment = made(noisy)
    named = replace(experiment.train, ids=tuple(f"digit {number}" for number in range(TRAINED)))
    finding = replace(experiment.variant("named"), train=named).examine(error_budget)
    parts = table_of(finding)
    assert parts.loc[NOISE, "low"] < PLANTED < parts.loc[NOISE, "high"]
    assert parts.loc[NOISE, "low"] > 0.03
    steps = parts.query("kind == 'step'")
    assert steps.index[0] == RELABEL
    assert steps.loc[RELABEL, "examples"] >= PLANTED * TRAINED * 0.8
    assert f"What would lower it: {RELABEL}" in finding.summary
    labels = parts.query("kind == 'label'")
    tested = len(noisy[1]) - VALIDATED  # whose labels are not listed: they are another person's to look at
    assert steps.loc[RELABEL, "examples"] == math.ceil(len(labels) * (1 + tested / TRAINED))
    wrong = (noisy[1] != shuffled[1]).nonzero()[:, 0].tolist()
    first = [int(name.removeprefix("digit ")) for name in labels.index[:20]]
    assert sum(place in wrong for place in first) >= 18
    assert labels["how"].iloc[0].startswith(f"labelled {noisy[1][first[0]]}, taken for ")


def test_a_test_set_that_differs_is_told_as_a_shift_and_as_nothing_else(shuffled: tuple[Tensor, Tensor]) -> None:
    images, labels = shuffled
    experiment = made(shuffled)
    inverted = with_test_split(experiment, images[VALIDATED:].flip(3), labels[VALIDATED:])
    parts = table_of(inverted.examine(error_budget))
    assert parts.loc[SHIFT, "low"] > 0.2
    assert parts.loc[SHIFT, "error"] > 5 * parts.loc[[NOISE, BIAS, EXAMPLES, SEEDS], "error"].max()


def test_a_net_that_cannot_fit_its_training_set_is_told_of_what_it_misses_there(
    shuffled: tuple[Tensor, Tensor],
) -> None:
    finding = made(shuffled, model=Linear, epochs=1).examine(error_budget)
    parts = table_of(finding)
    assert parts.loc[BIAS, "low"] > 0.05, finding.summary
    assert parts.loc[BIAS, "error"] > parts.loc[[EXAMPLES, SEEDS], "error"].max()


def test_few_examples_are_told_as_such_and_more_of_them_as_what_to_bring(shuffled: tuple[Tensor, Tensor]) -> None:
    few = made(shuffled, epochs=40)
    few = replace(few.variant("few"), train=few.train.head(60))
    parts = table_of(few.examine(error_budget))
    steps = parts.query("kind == 'step'")
    assert parts.loc[EXAMPLES, "low"] > 0
    assert steps.loc[TWICE, "error"] == steps["error"].max() > 0.03


def test_each_step_says_what_it_costs_and_which_setting_does_it(shuffled: tuple[Tensor, Tensor]) -> None:
    made_of_two = made(shuffled, members=2)
    experiment = replace(made_of_two, searched=SEARCHED, budget=replace(made_of_two.budget, trials=8))
    finding = experiment.examine(error_budget)
    steps = table_of(finding).query("kind == 'step'")
    assert {TWICE, LARGER, LONGER, MEMBER, TRIALS} <= set(steps.index)
    assert steps.loc[MEMBER, "setting"] == "budget.members=3" and steps.loc[MEMBER, "trainings"] == 1
    assert steps.loc[TRIALS, "setting"] == "budget.trials=16"
    diverged = replace(experiment, searched=SEARCHED[:5]).examine(error_budget)
    assert table_of(diverged).loc[TRIALS, "setting"] == "budget.trials=16"
    assert steps.loc[LONGER, "setting"] == "stages.squeeze.ensemble.epochs_factor=3"
    assert steps.loc[LARGER, "trainings"] > 2
    assert f"{MEMBER} " in finding.timed and " s" in finding.timed


def test_where_members_are_left_training_halves_and_a_wider_net_stand_beside_nets_as_short_as_they(
    shuffled: tuple[Tensor, Tensor],
) -> None:
    left = replace(made(shuffled, epochs=4), long_members=True)
    nets = train_nets(left)
    assert [net.training.epochs for net in nets.members] == [12, 12, 12]
    assert [net.training.epochs for net in nets.usual] == [6, 6]
    assert nets.larger is not None and nets.larger.training.epochs == 6
    assert {net.training.epochs for half in nets.halves for net in half.nets} == {9}
    finding = left.examine(error_budget)
    table = table_of(finding)
    assert table.query("kind == 'part'")["error"].sum() == pytest.approx(finding.measured)
    assert {TWICE, LARGER} <= set(table.index) and LONGER not in table.index


class Uncounted(Mlp):
    """A layer of one's own that does not go through what counts operations."""

    def forward(self, inputs: Tensor) -> Tensor:
        if _get_current_dispatch_mode() is not None:
            raise RuntimeError("no mode but none")
        return super().forward(inputs)


def test_a_net_whose_operations_cannot_be_counted_is_taken_to_cost_as_much_when_wider(
    shuffled: tuple[Tensor, Tensor],
) -> None:
    steps = table_of(made(shuffled, model=Uncounted, epochs=2, members=2).examine(error_budget))
    assert steps.loc[LARGER, "trainings"] == 2


def test_one_member_is_enough_and_its_seed_counts_whole(shuffled: tuple[Tensor, Tensor]) -> None:
    parts = table_of(made(shuffled, epochs=4, members=1).examine(error_budget))
    three = table_of(made(shuffled, epochs=4, members=3).examine(error_budget))
    assert parts.loc[SEEDS, "error"] > three.loc[SEEDS, "error"]


def test_a_regression_is_split_as_a_share_of_the_variance(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(Mlp, (rows[:250], targets[:250]), (rows[250:350], targets[250:350]), epochs=30)
    made = with_test_split(replace(made, budget=Budget(members=2)), rows[350:], targets[350:])
    finding = made.examine(error_budget)
    parts = table_of(finding).query("kind == 'part'")
    assert pd.isna(parts.loc[NOISE, "error"])
    assert parts["error"].sum() == pytest.approx(finding.measured, abs=1e-9)
    assert "the targets' variance" in finding.summary


def test_without_a_test_split_it_is_skipped(shuffled: tuple[Tensor, Tensor]) -> None:
    assert replace(made(shuffled), test=None).examine(error_budget).verdict == "skip"


def test_examples_too_few_to_halve_leave_what_halves_tell_untold(shuffled: tuple[Tensor, Tensor]) -> None:
    experiment = made(shuffled, epochs=2)
    in_one_group = replace(experiment.train.head(40), groups=torch.zeros(40, dtype=torch.long))
    parts = table_of(replace(experiment.variant("one group"), train=in_one_group).examine(error_budget))
    assert pd.isna(parts.loc[EXAMPLES, "error"]) and pd.isna(parts.loc[NOISE, "error"])
    assert TWICE not in parts.index


def test_it_reads_no_more_of_the_test_labels_than_the_final_test_has(shuffled: tuple[Tensor, Tensor]) -> None:
    images, labels = shuffled
    readers: list[str] = []

    def note(reader: str, examples: int, figure: float) -> int:
        readers.append(reader)
        return 1

    experiment = made(shuffled, epochs=2)
    split = Split(images[VALIDATED:], labels[VALIDATED:])
    replace(experiment, test=HeldOut(lambda reader: split, note)).examine(error_budget)
    assert readers == ["squeeze/final_test"]
