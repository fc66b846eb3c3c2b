"""One change at a time, its gain with an interval, and what goes on to the next stage."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recipe.models import Cnn, Linear, Mlp, ResNet
from recipe.practices.regularize import combination as combined
from recipe.practices.regularize.activations import activations
from recipe.practices.regularize.augment import augment
from recipe.practices.regularize.batch_size import batch_size
from recipe.practices.regularize.combination import chosen, combination
from recipe.practices.regularize.dropout import dropout
from recipe.practices.regularize.early_stopping import early_stopping, past_the_turn
from recipe.practices.regularize.first_layer import first_layer
from recipe.practices.regularize.input_size import by_information, input_size, input_size_changes
from recipe.practices.regularize.larger_early_stopped import larger_early_stopped
from recipe.practices.regularize.more_data import _answer, _law, more_data
from recipe.practices.regularize.smaller_model import smaller_model, smaller_model_changes
from recipe.practices.regularize.weight_decay import weight_decay, weight_decay_changes
from recipe.settings import Stages
from recipe.training.comparison import train_seeds
from recipe.training.components import Component
from recipe.training.cross_validation import replicated
from recipe.training.experiment import Budget, Experiment, make_experiment
from recipe.training.fit import MEMORY

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
    assert (found.verdict, found.word) == ("pass", "holds")
    assert list(found.figures) == ["control"]


def test_a_control_that_diverges_is_not_told_to_train_on(digits_cnn: Experiment) -> None:
    broken = digits_cnn.training.having(optimizer=Component("optimizer", "torch.optim.SGD", {"lr": 1e20}))
    exp = past_the_turn(replace(digits_cnn, training=broken))
    found = exp.examine(early_stopping)
    assert found.verdict == "warn"
    assert found.advice == "4 of the control's trainings diverged: lower the learning rate (optimizer.lr)."
    assert exp.training.epochs == broken.epochs


@pytest.mark.fault("regularize/early_stopping", "warn: a control whose validation loss has not turned")
def test_a_control_that_still_improves_at_its_end_warns_and_says_so(digits_cnn: Experiment) -> None:
    found = digits_cnn.examine(early_stopping)
    assert found.verdict == "warn"
    assert "has not turned" in found.summary
    assert "budget.most_steps" in found.advice


def test_a_control_is_trained_until_its_loss_has_turned_and_no_longer(overfitted: Experiment) -> None:
    short = replace(overfitted, training=overfitted.training.having(epochs=8))
    turned = past_the_turn(short)
    assert 8 < turned.training.epochs < math.ceil(short.budget.most_steps / 4)
    assert turned.examine(early_stopping).verdict == "pass"


def test_a_control_that_does_not_turn_ends_with_the_budget(digits_cnn: Experiment) -> None:
    hasty = replace(digits_cnn, budget=Budget(most_steps=5 * 16))
    assert past_the_turn(hasty).training.epochs == 5


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
    assert list(found.table["examples"]) == [200, 400, 800, 1600, 8000]
    assert list(found.table["measured"]) == [True, True, True, False, False]
    assert found.table["loss"].is_monotonic_decreasing
    assert "ten times the data" in found.summary
    assert found.answer == "holds"


def test_more_labels_of_chance_are_not_said_to_help(digits: Data) -> None:
    """Trained for long, a net is the surer of its errors the more it has seen: more such data make it no better."""
    images, labels = digits
    chance = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    exp = make_experiment(Mlp, (images[:800], chance[:800]), (images[1000:], chance[1000:]), optimizer=FAST, epochs=10)
    assert exp.examine(more_data).answer != "holds"


@pytest.mark.parametrize(
    ("fits", "gain", "answer"),
    [
        (True, (0.1, 0.2), "holds"),
        (True, (-0.2, -0.1), "refuted"),
        (True, (-0.1, 0.1), "open"),
        (False, (0.1, 0.2), "open"),
    ],
)
def test_what_a_law_that_does_not_fit_says_is_open(fits: bool, gain: tuple[float, float], answer: str) -> None:
    assert _answer(fits, gain) == answer


def test_where_seeds_hold_out_parts_the_curve_goes_through_them_and_ends_in_the_control(digits: Data) -> None:
    images, labels = digits
    exp = make_experiment(Mlp, (images[:800], labels[:800]), (images[1000:], labels[1000:]), optimizer=FAST, epochs=10)
    in_parts = replicated(exp)
    train_seeds(in_parts, [(in_parts.training, None)])
    before = len(MEMORY)
    found = in_parts.examine(more_data)
    shares, seeds = exp.stages.regularize.more_data.shares, exp.budget.seeds
    assert len(MEMORY) - before == len(shares) * seeds
    assert found.measured is not None and found.measured > 0
    assert found.interval is not None and found.interval[0] < found.measured < found.interval[1]
    assert found.table["examples"][2] == len(in_parts.replicates[0].train)


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
    held = found.table["change"][found.table["holds"]].tolist()
    assert {"dropout 0.5", "early stopping"} <= set(held)
    assert found.measured is not None and found.interval is not None and found.interval[0] > 0
    assert training.keep_best


@pytest.mark.fault("regularize/combination", "warn: changes that together are worse than the best of them alone")
def test_changes_that_get_in_each_others_way_warn_and_the_best_goes_on_alone(overfitted: Experiment) -> None:
    noise = Component("augment", "recipe.augmentation.GaussianNoise", {"std": 1.0})
    stages = Stages.default(regularize={"dropout": {"rate": 0.8}})
    harsh = replace(overfitted, augment=noise, stages=stages, budget=Budget(seeds=4))
    found = harsh.examine(combination)
    assert found.verdict == "warn"
    assert found.table["change"][found.table["holds"]].isin(["dropout 0.8", "augmentation at half strength"]).sum() == 2
    [high] = found.table["gain_high"][found.table["change"] == "all that hold"]
    assert high < 0
    assert chosen(harsh) == harsh.training.having(keep_best=True)


def test_where_nothing_holds_the_control_goes_on(overfitted: Experiment) -> None:
    stages = Stages.default(regularize={"combination": {"min_gain": 1e9}})
    strict = replace(overfitted, stages=stages)
    assert "none holds" in strict.examine(combination).summary
    assert chosen(strict).having(keep_best=False) == overfitted.training


def test_where_nothing_holds_what_leads_by_a_standard_error_goes_on(overfitted: Experiment) -> None:
    few = replace(overfitted, validation=overfitted.validation.head(20), budget=Budget(seeds=2))
    found = few.examine(combination)
    assert not found.table["holds"].any()
    assert "none holds; these lead by a standard error: " in found.summary
    first = found.table[found.table["p_value"] < 0.16].sort_values("gain", ascending=False).iloc[0]
    assert f"by a standard error: {first['change']}" in found.summary
    assert f"What goes on is {first['change']}" in found.summary or "What goes on is all that lead" in found.summary


def test_practices_of_one_stage_share_their_trainings_and_what_they_prove(overfitted: Experiment) -> None:
    exp = replace(overfitted, tried=tuple(combined.changes(overfitted)))
    table = exp.examine(combination).table.set_index("change")
    exp.examine(more_data)
    done = len(MEMORY)
    for practice in (more_data, augment, smaller_model, dropout, weight_decay, batch_size, input_size, first_layer):
        found = exp.examine(practice)
        if found.table is not None and "change" in found.table:
            for row in found.table.itertuples():
                assert row.answer == table.answer[row.change]
    assert len(MEMORY) == done


def test_a_change_that_clearly_loses_is_trained_from_one_seed_only(digits_cnn: Experiment) -> None:
    drowned = Component("augment", "recipe.augmentation.GaussianNoise", {"std": 30.0})
    found = replace(digits_cnn, augment=drowned).examine(augment)
    assert set(found.table["seeds"]) == {1}
    assert found.word == "refuted"
    assert "one seed" in found.summary


def test_what_cannot_be_told_says_which_gain_could_have_been_seen(digits_cnn: Experiment) -> None:
    found = digits_cnn.examine(batch_size)
    word = found.word
    assert word in ("holds", "refuted", "open")
    assert (found.table["least_seen"] > 0).all()
    assert ("could have been seen" in found.summary) == (word == "open")


def test_smaller_batches_are_half_as_large_and_as_many_epochs(overfitted: Experiment) -> None:
    found = overfitted.examine(batch_size)
    assert found.table["change"].tolist() == ["batches of 16"]
    tiny = replace(overfitted, training=overfitted.training.having(batch_size=2))
    assert tiny.examine(batch_size).verdict == "skip"


def test_images_are_tried_at_half_the_resolution(digits_cnn: Experiment) -> None:
    [change] = input_size_changes(digits_cnn)
    model = digits_cnn.new_model(training=change.apply(digits_cnn.training))
    assert change.name == "4 x 4 pixels"
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_columns_of_noise_are_the_first_that_are_left_out(breast_cancer: Data) -> None:
    inputs, targets = breast_cancer
    noise = torch.randn(len(inputs), 10, generator=torch.Generator().manual_seed(0))
    both = torch.cat([noise, inputs], 1)
    exp = make_experiment(Mlp, (both[:400], targets[:400]), (both[400:], targets[400:]), optimizer=FAST, epochs=30)
    assert sum(place < 10 for place in by_information(exp)[-10:]) >= 8
    assert exp.examine(input_size).table["change"].tolist() == ["30 of 40 inputs", "20 of 40 inputs"]


def test_a_model_that_takes_one_size_only_is_not_tried_with_another(digits: Data) -> None:
    class FixedSize(nn.Module):
        def __init__(self, n_outputs: int) -> None:
            super().__init__()
            self.head = nn.Linear(64, n_outputs)

        def forward(self, inputs: Tensor) -> Tensor:
            outputs: Tensor = self.head(inputs.flatten(1))
            return outputs

    assert make_experiment(FixedSize, digits, digits).examine(input_size).verdict == "skip"


def test_a_larger_model_stopped_early_costs_no_more_than_the_control(overfitted: Experiment) -> None:
    found = overfitted.examine(larger_early_stopped)
    assert found.table["change"].tolist() == ["early stopping at width 128"]
    [change] = [one for one in combined.changes(overfitted) if "stopping at width" in one.name]
    changed = change.apply(overfitted.training)
    assert (changed.epochs, changed.keep_best) == (30, True)


class TwinUnits(nn.Module):
    """A layer whose units are copies of one another, and half of which are dead."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.first, self.active = nn.Linear(math.prod(input_shape), 8), nn.ReLU()
        self.head = nn.Linear(8, n_outputs)
        with torch.no_grad():
            self.first.weight.copy_(self.first.weight[:1].expand(8, -1))
            self.first.bias.copy_(torch.tensor([0.0] * 3 + [-1e6] * 5))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.active(self.first(inputs.flatten(1))))
        return outputs


@pytest.mark.fault("regularize/activations", "warn: most channels of a layer dead, or twins of one another")
def test_dead_and_twin_units_are_counted_and_warn(digits: Data) -> None:
    images, labels = digits
    still = Component("optimizer", "torch.optim.Adam", {"lr": 1e-9})
    exp = make_experiment(
        TwinUnits, (images[:100], labels[:100]), (images[100:200], labels[100:200]), optimizer=still, epochs=1
    )
    found = exp.examine(activations)
    assert found.verdict == "warn"
    assert found.measured == 5 / 8
    assert found.table["twins"].tolist() == [2 / 8]


def test_a_trained_net_has_living_channels_that_differ_and_its_maps_are_drawn(digits_cnn: Experiment) -> None:
    found = digits_cnn.examine(activations)
    assert found.verdict == "pass"
    assert set(found.figures) == {"layers", "maps"}


def test_every_change_of_the_stage_differs_from_the_control_in_one_thing(digits: Data) -> None:
    exp = make_experiment(Cnn, digits, digits, augment=SHIFTS)
    parameters = exp.training.parameters()
    for change in combined.changes(exp):
        if "stopping at width" in change.name:
            continue  # which are two, by its name
        changed = change.apply(exp.training).parameters()
        roles = {
            name.partition(".")[0] for name in parameters.keys() | changed if parameters.get(name) != changed.get(name)
        }
        assert len(roles) == 1, change.name
