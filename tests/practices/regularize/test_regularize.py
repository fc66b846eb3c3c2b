"""One change at a time, its gain with an interval, and what goes on to the next stage."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recipe.models import Cnn, Linear, Mlp, ResNet
from recipe.practices.regularize import combination as combined
from recipe.practices.regularize.augment import augment
from recipe.practices.regularize.combination import chosen, combination, trainings
from recipe.practices.regularize.dropout import dropout
from recipe.practices.regularize.early_stopping import early_stopping
from recipe.practices.regularize.first_layer import first_layer
from recipe.practices.regularize.more_data import _law, more_data
from recipe.practices.regularize.smaller_model import smaller_model, smaller_model_changes
from recipe.practices.regularize.weight_decay import weight_decay, weight_decay_changes
from recipe.settings import Stages
from recipe.training.components import Component
from recipe.training.experiment import Experiment, make_experiment
from recipe.training.fit import MEMORY, fit_all

Data = tuple[Tensor, Tensor]
FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3})
SHIFTS = Component("augment", "recipe.augmentation.RandomAffine", {"degrees": 10.0, "translate": 0.05})


@pytest.fixture
def overfitted(diabetes: Data) -> Experiment:
    """A wide net on few noisy rows, trained far past its best epoch: everything that regularises helps."""
    inputs, targets = diabetes
    return make_experiment(
        Mlp,
        (inputs[:120], targets[:120]),
        (inputs[120:], targets[120:]),
        optimizer=FAST,
        augment=Component("augment", "recipe.augmentation.GaussianNoise", {"std": 0.3}),
        epochs=60,
        batch_size=32,
    )


def test_early_stopping_helps_a_net_that_overfits_and_the_gain_holds(overfitted: Experiment) -> None:
    found = overfitted.examine(early_stopping)
    assert found.interval is not None and found.interval[0] > 0
    assert found.table["change"].tolist() == ["early stopping"]


def test_noise_on_a_table_is_compared_and_drawn(overfitted: Experiment) -> None:
    found = overfitted.examine(augment)
    assert found.measured is not None and found.measured > 0
    assert "augmentation" in found.table["change"].tolist()
    assert set(found.figures) == {"curves", "examples"}


def test_without_an_augmentation_the_practice_is_skipped_and_says_how_to_name_one(digits_cnn: Experiment) -> None:
    found = digits_cnn.examine(augment)
    assert found.verdict == "skip"
    assert "augment._target_" in found.summary


def test_the_smaller_models_of_a_cnn_are_half_the_width_and_average_pooling(digits_cnn: Experiment) -> None:
    models = [change.apply(digits_cnn.training).model.settings for change in smaller_model_changes(digits_cnn)]
    assert models == [{"width": 8}, {"hidden": 0}]
    compared = digits_cnn.examine(smaller_model).table["change"]
    assert set(compared) == {"width 8 instead of 16", "average pooling instead of a dense layer"}


def test_a_model_that_declares_no_capacity_is_skipped(diabetes: Data) -> None:
    exp = make_experiment(Linear, diabetes, diabetes)
    assert exp.examine(smaller_model).verdict == "skip"
    assert exp.examine(dropout).verdict == "skip"


def test_a_custom_model_whose_hidden_means_something_else_is_not_tried_with_none(digits: Data) -> None:
    class Own(nn.Module):
        def __init__(self, input_shape: tuple[int, ...], n_outputs: int, hidden: int = 16) -> None:
            super().__init__()
            if hidden < 1:
                raise ValueError("at least one hidden unit")
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), hidden), nn.ReLU())
            self.head = nn.Linear(hidden, n_outputs)

        def forward(self, inputs: Tensor) -> Tensor:
            outputs: Tensor = self.head(self.body(inputs))
            return outputs

    exp = make_experiment(Own, digits, digits)
    assert smaller_model_changes(exp) == []


@pytest.mark.fault("regularize/dropout", "warn: dropout beside batch norm")
def test_dropout_beside_batch_norm_warns(digits: Data) -> None:
    images, labels = digits
    exp = make_experiment(
        ResNet,
        (images[:64], labels[:64]),
        (images[64:128], labels[64:128]),
        model_settings={"width": 4, "blocks": [1]},
        epochs=1,
    )
    found = exp.examine(dropout)
    assert found.verdict == "warn"
    assert "batch norm" in found.advice
    assert len(found.table) == 2  # of units and of channels


def test_dropout_without_batch_norm_does_not_warn(overfitted: Experiment) -> None:
    assert overfitted.examine(dropout).verdict == "pass"


def test_the_decay_shrinks_an_idle_weight_by_what_the_setting_says(overfitted: Experiment) -> None:
    [change] = weight_decay_changes(overfitted)
    optimizer = change.apply(overfitted.training).optimizer
    assert optimizer.settings["decoupled_weight_decay"] is True
    weight = nn.Parameter(torch.ones(1))
    stepper = optimizer.build([weight])
    weight.grad = torch.zeros(1)
    for _ in range(60 * math.ceil(120 / 32)):
        stepper.step()
    foldings = overfitted.stages.regularize.weight_decay.foldings
    assert weight.item() == pytest.approx(math.exp(-foldings), rel=0.01)


def test_an_optimizer_without_weight_decay_is_skipped(overfitted: Experiment) -> None:
    exp = replace(
        overfitted, training=overfitted.training.having(optimizer=Component("optimizer", "torch.optim.LBFGS"))
    )
    assert exp.examine(weight_decay).verdict == "skip"


def test_a_power_law_is_found_again() -> None:
    counts = np.array([100.0, 200.0, 400.0])
    assert float(_law(counts, 3 * counts**-0.5, 800)) == pytest.approx(3 * 800**-0.5)


def test_more_digits_lower_the_loss_and_the_curve_says_by_how_much(digits: Data) -> None:
    images, labels = digits
    exp = make_experiment(Mlp, (images[:800], labels[:800]), (images[1000:], labels[1000:]), optimizer=FAST, epochs=10)
    found = exp.examine(more_data)
    assert found.measured is not None and found.measured > 0
    assert found.interval is not None and found.interval[0] < found.measured < found.interval[1]
    assert list(found.table["examples"]) == [200, 400, 800]
    assert found.table["loss"].is_monotonic_decreasing


def test_copies_in_the_validation_split_leave_the_losses_of_the_curve_above_zero(digits: Data) -> None:
    images, labels = digits
    exp = make_experiment(Mlp, (images[:800], labels[:800]), (images[1000:], labels[1000:]), optimizer=FAST, epochs=10)
    uneven = torch.arange(797) // 40 + 20 * (torch.arange(797) < 600).long()  # few clusters, of very uneven size
    groups = torch.where(torch.arange(797) < 500, 0, uneven)
    found = replace(exp, validation=replace(exp.validation, groups=groups)).examine(more_data)
    assert np.isfinite(found.table[["low", "high"]].to_numpy()).all() and (found.table["low"] > 0).all()
    assert "nan" not in found.summary


def test_weights_fresh_from_their_initialisation_are_like_noise(digits: Data) -> None:
    images, labels = digits
    still = Component("optimizer", "torch.optim.Adam", {"lr": 1e-9})
    exp = make_experiment(
        Mlp, (images[:100], labels[:100]), (images[100:200], labels[100:200]), optimizer=still, epochs=1
    )
    found = exp.examine(first_layer)
    assert found.measured == pytest.approx(1, abs=0.1)


def test_trained_weights_of_an_image_model_have_structure(digits: Data) -> None:
    images, labels = digits
    decayed = Component("optimizer", "torch.optim.AdamW", {"lr": 3e-3, "weight_decay": 1.0})
    exp = make_experiment(
        Linear, (images[:1000], labels[:1000]), (images[1000:], labels[1000:]), optimizer=decayed, epochs=40
    )
    found = exp.examine(first_layer)
    assert found.measured is not None and found.measured < 0.9


def test_what_holds_is_combined_and_the_better_of_both_goes_on(overfitted: Experiment) -> None:
    found = overfitted.examine(combination)
    training = chosen(overfitted)
    assert found.verdict == "pass"
    assert found.table["change"][found.table["holds"]].tolist() == ["dropout 0.5", "early stopping"]
    [gain] = found.table["gain"][found.table["change"] == "all that hold"]
    assert gain == found.measured and gain > 0
    assert training.keep_best and training.model.settings["dropout"] == 0.5


@pytest.mark.fault("regularize/combination", "warn: changes that together are worse than the best of them alone")
def test_changes_that_get_in_each_others_way_warn_and_the_best_goes_on_alone(diabetes: Data) -> None:
    inputs, targets = diabetes
    few = make_experiment(
        Mlp,
        (inputs[:60], targets[:60]),
        (inputs[60:], targets[60:]),
        optimizer=FAST,
        augment=Component("augment", "recipe.augmentation.GaussianNoise", {"std": 0.3}),
        epochs=60,
        batch_size=32,
    )
    found = few.examine(combination)
    assert found.verdict == "warn"
    assert found.measured is not None and found.measured < 0
    assert chosen(few) == few.training.having(keep_best=True)


def test_where_nothing_holds_the_control_goes_on(overfitted: Experiment) -> None:
    stages = Stages.default(regularize={"combination": {"min_gain": 1e9}})
    strict = replace(overfitted, stages=stages)
    assert "Gains that hold: none" in strict.examine(combination).summary
    assert chosen(strict).having(keep_best=False) == overfitted.training


def test_all_trainings_that_can_be_named_are_named_beforehand(overfitted: Experiment) -> None:
    fit_all(overfitted, trainings(overfitted))
    done = len(MEMORY)
    for practice in (more_data, augment, smaller_model, dropout, weight_decay, early_stopping, first_layer):
        overfitted.examine(practice)
    assert len(MEMORY) == done


def test_every_change_of_the_stage_differs_from_the_control_in_one_thing(digits: Data) -> None:
    exp = make_experiment(Cnn, digits, digits, augment=SHIFTS)
    parameters = exp.training.parameters()
    for change in combined.changes(exp):
        changed = change.apply(exp.training).parameters()
        roles = {
            name.partition(".")[0] for name in parameters.keys() | changed if parameters.get(name) != changed.get(name)
        }
        assert len(roles) == 1, change.name
