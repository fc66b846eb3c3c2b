"""Architectures are compared at equal compute, and only a default model gives way to a better one."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_wine
from torch import Tensor, nn

from recipe.models import Cnn, Linear, Mlp
from recipe.practices.tune.architecture import architecture, from_the_better, runners_up
from recipe.settings import Stages
from recipe.training.components import Component
from recipe.training.experiment import Budget, Experiment, make_experiment
from recipe.training.flops import flops_per_example

ADAM = Component("optimizer", "torch.optim.Adam", {"lr": 1e-3})
NARROW = {"width": 1, "depth": 1, "hidden": 2}  # a bottleneck through which no digit fits


class OneUnit(nn.Module):
    """Somebody's own net, which is large and lets one number through: it cannot tell ten digits apart."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__()
        large = nn.Sequential(nn.Flatten(), nn.Linear(input_shape[-1] ** 2, 2000), nn.ReLU())
        self.head = nn.Sequential(large, nn.Linear(2000, 1), nn.Linear(1, n_outputs))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images)


def of_digits(digits: tuple[Tensor, Tensor], model: Component, epochs: int = 8) -> Experiment:
    images, labels = digits
    made = make_experiment(
        Cnn, (images[:600], labels[:600]), (images[600:1000], labels[600:1000]), optimizer=ADAM, epochs=epochs
    )
    return replace(made, training=made.training.having(model=model), budget=Budget(seeds=2))


@pytest.fixture(scope="module")
def of_wine() -> Experiment:
    """The default MLP for a few steps on 106 wines: others have less loss, which so few cannot prove."""
    data = load_wine()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    rows, labels = torch.tensor(data.data, dtype=torch.float32)[order], torch.tensor(data.target)[order]
    rows = (rows - rows.mean(0)) / rows.std(0)
    return make_experiment(Mlp, (rows[:106], labels[:106]), (rows[106:], labels[106:]), optimizer=ADAM, epochs=40)


@pytest.fixture(scope="module")
def crippled(digits: tuple[Tensor, Tensor]) -> Experiment:
    """The default CNN, with settings that leave it next to nothing; shared, so that its trainings are."""
    return of_digits(digits, Component("model", "recipe.models.Cnn", NARROW))


def test_a_default_model_gives_way_to_one_that_is_better_beyond_chance(crippled: Experiment) -> None:
    finding = crippled.examine(architecture)
    after = from_the_better(crippled).training

    assert (finding.verdict, finding.answer) == ("pass", "holds")
    assert finding.interval is not None and finding.interval[0] > 0
    assert after.model.name != "recipe.models.Cnn"
    assert f"{after.model.name} goes on in place of the default recipe.models.Cnn" in finding.summary
    assert (after.seed, after.scheduler) == (crippled.training.seed, None)
    epochs = finding.table.set_index("model")["epochs"][after.model.name]
    assert after.epochs == epochs  # eight are compared whole
    assert set(finding.figures) == {"curves"}


def test_a_default_model_gives_way_to_one_that_leads_by_a_standard_error(of_wine: Experiment) -> None:
    finding = of_wine.examine(architecture)
    after = from_the_better(of_wine).training

    assert (finding.verdict, finding.answer) == ("pass", "open")
    assert after.model.name != "recipe.models.Mlp"
    assert (
        f"{after.model.name} goes on in place of the default recipe.models.Mlp: it leads by more than a standard error"
        in finding.summary
    )


def test_a_named_model_gives_way_to_none_that_only_leads(of_wine: Experiment) -> None:
    named = replace(of_wine, stages=Stages.default(tune={"architecture": {"replaced": []}}))
    finding = named.examine(architecture)

    assert finding.verdict == "pass"
    assert "recipe.models.Mlp goes on." in finding.summary
    assert from_the_better(named) == named


def test_those_that_were_not_chosen_are_left_to_the_ensemble_the_best_first(crippled: Experiment) -> None:
    after = from_the_better(crippled).training
    left = runners_up(crippled, after.having(augment=ADAM, seed=3))

    table = crippled.examine(architecture).table.set_index("model")
    gains = {**table["gain"], "recipe.models.Cnn": 0.0}  # the start, which was beaten
    names = [one.model.name for one in left]
    assert set(names) == set(gains) - {after.model.name}
    assert names == sorted(names, key=gains.__getitem__, reverse=True)
    assert all((one.seed, one.augment, one.keep_best) == (3, ADAM, True) for one in left)
    assert all(one.scheduler is not None for one in left)


def test_beside_a_named_model_no_other_is_wanted(crippled: Experiment) -> None:
    staying = replace(crippled, stages=Stages.default(tune={"architecture": {"replaced": []}}))

    assert runners_up(staying, staying.training) == []


def test_the_epochs_of_each_follow_from_what_a_step_costs(crippled: Experiment) -> None:
    table = crippled.examine(architecture).table

    present = flops_per_example(crippled, crippled.training)
    epochs = crippled.training.epochs
    spent = table["flops_per_example"] * table["epochs"]
    assert ((spent <= present * epochs) | (table["epochs"] == 1)).all()
    assert (table["epochs"] <= 2 * epochs).all()


@pytest.mark.parametrize(("epochs", "compared"), [(4, 4), (8, 8), (12, 8), (40, 20)])
def test_a_long_training_is_compared_at_a_share_of_its_length_and_a_short_one_whole(
    breast_cancer: tuple[Tensor, Tensor], epochs: int, compared: int
) -> None:
    rows, labels = breast_cancer
    made = make_experiment(Mlp, (rows[:350], labels[:350]), (rows[350:], labels[350:]), optimizer=ADAM, epochs=epochs)
    assert set(made.examine(architecture).table["present_epochs"]) == {compared}


def test_each_has_a_rate_of_its_own(crippled: Experiment) -> None:
    table = crippled.examine(architecture).table

    assert set(table["learning_rate"]) <= {1e-3, 3e-3}


@pytest.mark.fault("tune/architecture", "warn: a model that somebody has named loses to a published architecture")
def test_a_named_model_that_loses_keeps_its_place_and_is_told_of_the_better_one(
    digits: tuple[Tensor, Tensor],
) -> None:
    own = of_digits(digits, Component("model", OneUnit))
    finding = own.examine(architecture)

    assert (finding.verdict, finding.answer) == ("warn", "holds")
    assert "model._target_=recipe.models." in finding.advice
    assert from_the_better(own) == own


def test_a_default_that_is_told_to_stay_stays(crippled: Experiment) -> None:
    staying = replace(crippled, stages=Stages.default(tune={"architecture": {"replaced": []}}))

    assert staying.examine(architecture).verdict == "warn"
    assert from_the_better(staying) == staying


def test_a_default_that_nothing_beats_goes_on(breast_cancer: tuple[Tensor, Tensor]) -> None:
    rows, labels = breast_cancer
    made = make_experiment(Mlp, (rows[:350], labels[:350]), (rows[350:], labels[350:]), optimizer=ADAM, epochs=40)
    finding = made.examine(architecture)

    assert finding.verdict == "pass"
    assert finding.answer in ("open", "refuted")
    assert set(finding.table["change"]) == {"a linear model", "a residual MLP"}
    assert from_the_better(made) == made


def test_floating_point_operations_are_those_of_the_products(breast_cancer: tuple[Tensor, Tensor]) -> None:
    rows, labels = breast_cancer
    made = make_experiment(Linear, (rows[:350], labels[:350]), (rows[350:], labels[350:]))
    products = rows.shape[1] * 2  # of a multiplication and an addition each; forwards, and for the weights backwards

    assert flops_per_example(made, made.training) == 2 * products * 2


def test_a_net_that_torch_cannot_count_trains_as_long(breast_cancer: tuple[Tensor, Tensor]) -> None:
    class Scaled(nn.Module):
        """Elementwise alone: no product of matrices."""

        def __init__(self, n_outputs: int) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(n_outputs))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs[:, : len(self.scale)] * self.scale

    rows, labels = breast_cancer
    made = make_experiment(Scaled, (rows[:350], labels[:350]), (rows[350:], labels[350:]), epochs=3)
    assert set(made.examine(architecture).table["epochs"]) == {3}
