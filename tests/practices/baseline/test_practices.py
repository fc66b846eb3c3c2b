"""What each baseline practice measures, on real data."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.models import Cnn, Linear, Mlp
from recipe.practices.baseline.dependencies import dependencies
from recipe.practices.baseline.fixed_seed import fixed_seed
from recipe.practices.baseline.gradients import gradients
from recipe.practices.baseline.init_bias import init_bias
from recipe.practices.baseline.just_before_net import just_before_net
from recipe.practices.baseline.linear import linear
from recipe.practices.baseline.loss_at_init import loss_at_init
from recipe.practices.baseline.overfit_one_batch import overfit_one_batch
from recipe.practices.baseline.predictions import predictions, times_shown
from recipe.practices.baseline.simplify import simplify
from recipe.practices.baseline.special_case import special_case
from recipe.training.experiment import ADAM
from recipe.training.split import Split
from tests.practices.baseline.conftest import Make

ENTROPY = np.random.default_rng()  # seeded by nothing: another number at every call


class Unseeded(Mlp):
    """Draws its first weights from a generator that no seed sets."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        with torch.no_grad():
            self.head.weight.add_(float(ENTROPY.normal()))


class ZeroHead(Mlp):
    """Starts its last layer at zero, as published nets do."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        nn.init.zeros_(self.head.weight)


class HugeHead(Mlp):
    """Starts its last layer at standard normal numbers."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        nn.init.normal_(self.head.weight, std=5)


class NoBias(nn.Module):
    """A net whose outputs have no bias to set, with targets that need one."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(math.prod(input_shape), n_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1) @ self.weight


class FrozenAndUnused(Mlp):
    """One layer is frozen on purpose, another is never called."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        self.unused = nn.Linear(3, 3)
        for parameter in self.body[0].parameters():
            parameter.requires_grad_(False)


class DropsByHand(Mlp):
    """Drops without a dropout module."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(functional.dropout(inputs, 0.5, self.training))


class SortsTheBatch(Mlp):
    """Mixes examples by a step that has no gradient to the inputs."""

    def forward(self, inputs: Tensor) -> Tensor:
        rank = inputs.flatten(1).sum(1).argsort().argsort().float().detach()
        return super().forward(inputs) + rank.unsqueeze(1)


@pytest.mark.fault("baseline/fixed_seed", "fail: a net that draws from a generator that no seed sets")
def test_a_net_that_draws_from_an_unseeded_generator_is_caught_and_the_weights_are_named(on_digits: Make) -> None:
    finding = on_digits(Unseeded).examine(fixed_seed)
    assert finding.verdict == "fail"
    assert "the model starts from other weights each time" in finding.summary


@pytest.mark.fault("baseline/simplify", "fail: dropout, weight decay or augmentation is on")
@pytest.mark.parametrize(
    ("model", "settings", "optimizer", "words"),
    [
        (Mlp, {"dropout": 0.3}, ADAM, "Dropout is on in body.0.2 at 0.3, body.1.2 at 0.3"),
        (DropsByHand, {}, ADAM, "draws random numbers in training"),
        (Mlp, {}, ADAM.having(weight_decay=0.1), "decays weights by 0.1"),
    ],
)
def test_what_is_not_simple_is_named(
    on_digits: Make, model: type, settings: dict[str, float], optimizer: object, words: str
) -> None:
    finding = on_digits(model, model_settings=settings, optimizer=optimizer).examine(simplify)
    assert (finding.verdict, finding.measured) == ("fail", 1)
    assert words in finding.summary


def test_augmentation_at_this_stage_is_named(on_digits: Make) -> None:
    experiment = on_digits(Cnn)
    noise = ADAM.having()
    noise = replace(noise, role="augment", call="recipe.augmentation.GaussianNoise", settings={})
    experiment = replace(experiment, training=experiment.training.having(augment=noise))
    assert "recipe.augmentation.GaussianNoise is on" in experiment.examine(simplify).summary


def test_numbers_that_are_not_finite_are_counted_before_they_enter_the_net(on_diabetes: Make) -> None:
    experiment = on_diabetes(Mlp)
    inputs = experiment.train.inputs.clone()
    inputs[5, 3] = math.nan
    experiment = experiment.variant(
        "broken", train=replace(experiment.train, inputs=inputs), features=tuple("abcdefghij")
    )
    finding = experiment.examine(just_before_net)
    assert finding.verdict == "fail"
    assert "; 1 number is NaN or infinite, in d" in finding.summary


def test_a_validation_split_that_is_prepared_otherwise_is_caught(on_digits: Make) -> None:
    experiment = on_digits(Cnn)
    brighter = replace(experiment.validation, view=lambda batch: batch + 1)
    finding = experiment.variant("brighter", validation=brighter).examine(just_before_net)
    assert finding.verdict == "fail"
    assert "channel 0 mean is distributed otherwise in validation than in train" in finding.summary


def test_copies_that_validation_holds_are_no_other_distribution(on_digits: Make) -> None:
    experiment = on_digits(Cnn)
    split = experiment.validation
    brightest = split.inputs.flatten(1).mean(1).argsort(descending=True)[:4]
    rows = torch.cat([torch.arange(len(split)), brightest.repeat_interleave(60)])
    copied = split.at(rows)
    told_apart = experiment.variant("copied", validation=copied).examine(just_before_net)
    as_copies = experiment.variant("copied", validation=replace(copied, groups=rows)).examine(just_before_net)
    assert "is distributed otherwise in validation" in told_apart.summary
    assert as_copies.verdict == "pass"
    assert "distributed otherwise" not in as_copies.summary


@pytest.mark.parametrize("groups", [10, 100])
def test_a_validation_split_that_is_prepared_otherwise_is_caught_in_groups_too(on_digits: Make, groups: int) -> None:
    experiment = on_digits(Cnn)
    brighter = replace(experiment.validation, view=lambda batch: batch + 1)
    brighter = replace(brighter, groups=torch.arange(len(brighter)) % groups)
    train = replace(experiment.train, groups=torch.arange(len(experiment.train)) % groups)
    finding = experiment.variant("brighter", train=train, validation=brighter).examine(just_before_net)
    assert finding.verdict == "fail"
    assert "channel 0 mean is distributed otherwise in validation than in train" in finding.summary


def test_a_validation_split_of_a_later_time_may_differ_which_is_told(on_digits: Make) -> None:
    experiment = on_digits(Cnn)
    brighter = replace(experiment.validation, view=lambda batch: batch + 1)
    finding = experiment.variant("later", validation=brighter, by_time=True).examine(just_before_net)
    assert finding.verdict == "warn"
    assert "distributed otherwise in validation than in train, which is of earlier" in finding.summary


def test_the_expected_first_loss_is_ln_n_for_classes_and_the_variance_for_squared_error(
    on_digits: Make, on_diabetes: Make
) -> None:
    classes, number = on_digits(ZeroHead).examine(loss_at_init), on_diabetes(ZeroHead).examine(loss_at_init)
    assert classes.expected == pytest.approx(math.log(10))
    targets = on_diabetes(ZeroHead).train.targets
    assert number.expected == pytest.approx(targets.var(unbiased=False).item(), rel=1e-5)
    assert number.measured == pytest.approx(number.expected, rel=0.02)


def test_a_binary_loss_is_expected_at_ln_2_a_logit_and_log_probabilities_at_ln_n(on_digits: Make) -> None:
    def binary(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs, functional.one_hot(targets, 10).float())

    def likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.nll_loss(outputs.log_softmax(1) if outputs.requires_grad else outputs, targets)

    assert on_digits(Mlp, loss=binary).examine(loss_at_init).expected == pytest.approx(math.log(2))
    assert on_digits(Mlp, loss=likelihood).objective.even_loss(torch.tensor([1, 2])) == pytest.approx(math.log(10))


def test_weights_that_start_too_large_are_caught_by_the_first_loss(on_digits: Make) -> None:
    assert on_digits(HugeHead).examine(loss_at_init).verdict == "fail"


@pytest.mark.fault("baseline/init_bias", "fail: a net without a last bias, which has to learn the mean first")
def test_a_net_that_must_first_learn_the_mean_is_caught_and_one_with_a_bias_is_not(
    diabetes: tuple[Tensor, Tensor], on_diabetes: Make
) -> None:
    def far(experiment: object) -> object:
        assert hasattr(experiment, "train")
        train, validation = (
            replace(split, targets=split.targets + 10) for split in (experiment.train, experiment.validation)
        )
        return experiment.variant("far", train=train, validation=validation)

    assert far(on_diabetes(NoBias)).examine(init_bias).verdict == "fail"
    finding = far(on_diabetes(Mlp)).examine(init_bias)
    assert finding.verdict == "pass"
    assert set(finding.figures) == {"first_steps"}


def test_the_linear_baseline_is_as_good_as_scikit_learns(on_diabetes: Make) -> None:
    from sklearn.linear_model import Ridge

    experiment = on_diabetes(Mlp)
    ridge = Ridge(1.0).fit(experiment.train.inputs.numpy(), experiment.train.targets.numpy())
    score = ridge.score(experiment.validation.inputs.numpy(), experiment.validation.targets.numpy())
    assert experiment.examine(linear).measured == pytest.approx(score, abs=0.03)


def test_smoothed_labels_are_no_reason_to_fail_at_overfitting(on_digits: Make) -> None:
    finding = on_digits(Mlp, loss=nn.CrossEntropyLoss(label_smoothing=0.2)).examine(overfit_one_batch)
    assert finding.verdict == "pass", finding.summary


def test_labels_that_contradict_each_other_are_named(on_digits: Make) -> None:
    experiment = on_digits(Mlp)
    same = replace(experiment.train, inputs=torch.zeros_like(experiment.train.inputs))
    finding = experiment.variant("same", train=same).examine(overfit_one_batch)
    assert finding.verdict == "fail"
    assert "equal inputs have different labels" in finding.summary


def test_a_learning_rate_that_is_far_too_low_is_no_failure_but_a_warning(on_digits: Make) -> None:
    finding = on_digits(Mlp, optimizer=ADAM.having(lr=3e-7)).examine(overfit_one_batch)
    assert finding.verdict == "warn"
    assert "with a learning rate of 0.0003" in finding.summary


def test_every_example_is_in_the_table_of_predictions_the_most_suspicious_first(on_digits: Make) -> None:
    experiment = on_digits(Cnn)
    finding = experiment.examine(predictions)
    table = finding.table
    assert len(table) == len(experiment.validation)
    assert table["score"].is_monotonic_decreasing
    assert table["score"].between(0, 1).all()
    assert 1 - table["flagged"].mean() == pytest.approx(finding.measured)
    assert {"confusion", "classes", "worst", "surest_mistakes"} <= set(finding.figures)


def test_where_nothing_is_wrong_no_class_is_called_the_hardest(on_digits: Make) -> None:
    experiment = on_digits(Cnn)
    experiment = replace(
        experiment, validation=experiment.train.head(20), training=experiment.training.having(epochs=30)
    )
    summary = experiment.examine(predictions).summary
    assert summary.endswith("; no mistakes.")
    assert "hardest" not in summary


def test_of_copies_one_is_shown_with_how_many_there_are(digits: tuple[Tensor, Tensor]) -> None:
    images, labels = (part[[0, 1, 1, 2, 1, 1]] for part in digits)
    split = Split(images, labels, groups=torch.tensor([4, 7, 7, 7, 7, 9]))
    captions = {4: "1 → 7", 3: "2 → 7", 1: "1 → 7", 5: "1 → 7", 2: "1 → 8", 0: "0 → 7"}
    # 1, 2 and 4 are copies, of which 2 is taken for another digit; 3 is in their group; 5 is by itself.
    assert times_shown(split, captions) == {4: 2, 3: 1, 5: 1, 2: 1, 0: 1}
    assert list(times_shown(split, captions)) == [4, 3, 5, 2, 0]


def test_a_regressions_predictions_are_listed_and_drawn(on_diabetes: Make) -> None:
    finding = on_diabetes(Mlp).examine(predictions)
    assert finding.table["score"].is_monotonic_decreasing
    assert "predicted" in finding.figures


def test_mixing_without_a_gradient_is_caught_by_replacing_an_input(on_digits: Make) -> None:
    finding = on_digits(SortsTheBatch).examine(dependencies)
    assert finding.verdict == "fail"
    assert "by replacement" in finding.summary


def test_weighted_classes_only_warn(on_digits: Make) -> None:
    weights = torch.linspace(1, 5, 10)
    finding = on_digits(Mlp, loss=nn.CrossEntropyLoss(weight=weights)).examine(special_case)
    assert finding.verdict == "warn"
    assert "classes are weighted" in finding.summary


def test_a_frozen_layer_is_taken_as_meant_and_an_unused_one_is_named(on_digits: Make) -> None:
    finding = on_digits(FrozenAndUnused).examine(gradients)
    assert finding.measured == 2
    assert "on unused.weight, unused.bias" in finding.summary
    assert "frozen, as meant: body.0.0.weight, body.0.0.bias" in finding.summary
    assert set(finding.table["state"]) == {"learns", "frozen", "not in the graph"}


def test_a_layer_that_starts_at_zero_is_no_fault(on_digits: Make) -> None:
    for practice in (dependencies, gradients, special_case, overfit_one_batch):
        assert on_digits(ZeroHead).examine(practice).verdict == "pass"


def test_a_linear_model_that_needs_more_steps_is_no_fault(on_diabetes: Make) -> None:
    assert on_diabetes(Linear).examine(overfit_one_batch).verdict == "pass"
