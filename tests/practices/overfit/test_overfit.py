"""Low training loss by the plainest means, and what stands in its way is named."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.evidence import Finding, judge
from recipe.models import Cnn, Linear, Mlp
from recipe.practices.overfit.adam import adam
from recipe.practices.overfit.constant_rate import constant_rate
from recipe.practices.overfit.low_training_loss import is_straight, low_training_loss, own_optimum
from recipe.practices.overfit.low_training_loss import memorised as handed_over
from recipe.practices.overfit.simple_architecture import simple_architecture
from recipe.training.components import Component
from recipe.training.experiment import Experiment, Training, make_experiment
from tests.faults.models import IgnoresInput

Data = tuple[Tensor, Tensor]


class DecayingAdam(torch.optim.Adam):
    """Adam with a schedule of its own inside, as taken over from elsewhere."""

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        super().step()
        for group in self.param_groups:
            group["lr"] *= 0.999


class ScheduledAdam(torch.optim.Adam):
    """Adam with a schedule attached that has not moved yet."""

    def __init__(self, params: object, lr: float = 3e-4) -> None:
        super().__init__(params, lr=lr)  # type: ignore[arg-type]
        self.schedule = torch.optim.lr_scheduler.StepLR(self, step_size=10_000)


class FirstPixels(nn.Module):
    """A custom model that sees four pixels of the image only."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, n_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(inputs.flatten(1)[:, 26:30])
        return outputs


def on_digits(digits: Data, model: type[nn.Module], epochs: int = 10, batch_size: int = 64) -> Experiment:
    images, labels = digits
    some, rest = slice(0, 300), slice(1000, 1300)
    return make_experiment(
        model, (images[some], labels[some]), (images[rest], labels[rest]), epochs=epochs, batch_size=batch_size
    )


def with_optimizer(exp: Experiment, call: object, **settings: float) -> Experiment:
    training: Training = exp.training.having(optimizer=Component("optimizer", call, settings))  # type: ignore[arg-type]
    return replace(exp, training=training)


def test_the_default_model_is_the_simplest_and_is_shown_beside_a_linear_one(digits: Data) -> None:
    found = on_digits(digits, Cnn, epochs=20).examine(simple_architecture)
    assert found.verdict == "pass"
    assert list(found.table["change"]) == ["over linear"]


@pytest.mark.fault("overfit/simple_architecture", "warn: a model of one's own that loses to the simplest")
def test_a_custom_model_that_loses_to_the_simplest_warns(digits: Data) -> None:
    found = on_digits(digits, FirstPixels, epochs=20).examine(simple_architecture)
    assert found.verdict == "warn"
    assert found.interval is not None and found.interval[1] < 0
    assert "recipe.models.Cnn" in found.advice


@pytest.mark.fault("overfit/adam", "warn: a learning rate ten times off")
@pytest.mark.parametrize(("rate", "verdict"), [(1e-3, "pass"), (3e-6, "warn"), (3.0, "warn")])
def test_the_range_test_tells_a_rate_that_is_ten_times_off(digits: Data, rate: float, verdict: str) -> None:
    exp = with_optimizer(on_digits(digits, Mlp, batch_size=32), "torch.optim.Adam", lr=rate)
    found = exp.examine(adam)
    assert found.verdict == verdict
    assert "as told" in found.summary


def test_the_range_test_says_which_rate_to_try(digits: Data) -> None:
    exp = with_optimizer(on_digits(digits, Mlp, batch_size=32), "torch.optim.Adam", lr=1e-4)
    found = exp.examine(adam)
    assert "too low" in found.summary
    assert "optimizer.lr=" in found.advice


def test_an_optimizer_without_a_rate_is_skipped(digits: Data) -> None:
    class Rateless(torch.optim.Adam):
        def __init__(self, params: object) -> None:
            super().__init__(params, lr=1e-3)  # type: ignore[arg-type]

    assert with_optimizer(on_digits(digits, Mlp), Rateless).examine(adam).verdict == "skip"


def test_a_constant_rate_passes(digits_cnn: Experiment) -> None:
    found = digits_cnn.examine(constant_rate)
    assert (found.verdict, found.measured) == ("pass", 0)


@pytest.mark.fault("overfit/constant_rate", "fail: a schedule inside the optimizer")
@pytest.mark.parametrize(("optimizer", "said"), [(DecayingAdam, "moves"), (ScheduledAdam, "a schedule is attached")])
def test_a_schedule_inside_the_optimizer_closes_the_gate(
    digits_cnn: Experiment, optimizer: type[torch.optim.Optimizer], said: str
) -> None:
    found = with_optimizer(digits_cnn, optimizer, lr=1e-3).examine(constant_rate)
    assert found.verdict == "fail"
    assert said in found.summary


def less_five(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy as far below zero as the likelihood of a density may take a loss."""
    return functional.cross_entropy(outputs, targets) - 5


def memorised(exp: Experiment) -> Finding:
    return exp.examine(low_training_loss)


def test_a_net_that_memorises_passes_and_stops_as_soon_as_it_has(digits: Data) -> None:
    exp = with_optimizer(on_digits(digits, Mlp, epochs=20), "torch.optim.Adam", lr=3e-3)
    found = memorised(exp)
    assert found.verdict == "pass"
    assert found.measured is not None and found.measured < 0.05
    assert "After 400 epochs" not in found.summary


def test_a_rate_that_memorises_sooner_is_handed_over_where_nobody_named_another(digits: Data) -> None:
    exp = on_digits(digits, Cnn, epochs=5, batch_size=32)
    found = handed_over(exp)
    rate = found.training.optimizer.settings["lr"]
    assert rate > 3e-4
    assert found.steps is not None and found.steps < 500
    assert (found.training.until, found.training.epochs) == (None, 5)


def test_a_rate_that_somebody_named_is_handed_over_as_it_is(digits: Data) -> None:
    exp = with_optimizer(on_digits(digits, Mlp, epochs=5), "torch.optim.Adam", lr=2e-3)
    assert handed_over(exp).training.optimizer.settings["lr"] == 2e-3


@pytest.mark.fault("overfit/low_training_loss", "warn: a model that is too narrow to memorise, where a wider one does")
def test_a_wider_model_is_handed_over_where_the_narrow_one_does_not_memorise(digits: Data) -> None:
    images, labels = digits
    exp = make_experiment(
        Mlp,
        (images[:300], labels[:300]),
        (images[1000:1300], labels[1000:1300]),
        model_settings={"width": 4, "depth": 1},
        epochs=3,
        batch_size=32,
    )
    found = memorised(exp)
    assert found.verdict == "warn"
    assert "It took a width of" in found.summary
    assert handed_over(exp).training.model.settings["width"] > 4


@pytest.mark.fault("overfit/low_training_loss", "fail: a net too small for its examples")
def test_a_net_too_small_for_its_examples_fails_and_says_so(digits: Data) -> None:
    found = memorised(on_digits(digits, FirstPixels, epochs=2))
    assert found.verdict == "fail"
    assert "larger model" in found.advice


def test_likely_causes_are_not_told_of_a_training_that_passes(digits: Data) -> None:
    found = memorised(on_digits(digits, FirstPixels, epochs=2))
    assert "likely causes" in found.advice
    patient = judge(found, {"low_training_loss": {"max_loss_share": 1.0, "max_contradicted": 1.0}})
    assert patient.verdict == "pass"
    assert "ikely causes" not in patient.summary


@pytest.mark.fault("overfit/low_training_loss", "warn: equal examples with different labels")
def test_equal_examples_with_different_labels_are_named_with_what_they_cost(digits: Data) -> None:
    images, labels = digits
    twice, wrong = torch.cat([images[:100], images[:100]]), torch.cat([labels[:100], (labels[:100] + 1) % 10])
    exp = make_experiment(Mlp, (twice, wrong), (images[1000:1100], labels[1000:1100]), epochs=12)
    found = memorised(with_optimizer(exp, "torch.optim.Adam", lr=3e-3))
    assert found.verdict == "warn"
    assert found.measured < 0.05  # of what there is to learn beside the toss of a coin, which ln 2 of 2.28 is
    assert "200 training examples equal another one whose target is different, which puts 30.5%" in found.summary


def test_examples_that_a_transform_makes_alike_are_not_excused(digits: Data) -> None:
    images, labels = digits

    def blank_half(batch: Tensor) -> Tensor:
        return batch * (batch.sum((1, 2, 3), keepdim=True) > images.sum((1, 2, 3)).median())

    made = make_experiment(Mlp, (images[:200], labels[:200]), (images[1000:1100], labels[1000:1100]), epochs=2)
    found = memorised(made.variant("blank", train=replace(made.train, transform=blank_half)))
    assert found.verdict == "fail"
    assert "training examples are for the net equal to another one whose target is different" in found.advice


def test_rows_of_few_columns_are_held_to_the_best_answer_to_each(diabetes: Data) -> None:
    """Prices, counts and answers of a questionnaire: many rows are alike, and their targets vary a little."""
    inputs, targets = (part[:300] for part in diabetes)
    coarse = (inputs[:, :3] > 0).float()
    noisy = coarse.sum(1, keepdim=True) + 0.2 * targets
    exp = make_experiment(Mlp, (coarse[:200], noisy[:200]), (coarse[200:], noisy[200:]), epochs=10)
    found = memorised(with_optimizer(exp, "torch.optim.Adam", lr=3e-3))
    assert found.verdict == "pass"
    assert "out of reach of any net" in found.summary


def test_each_of_three_equals_counts_where_one_has_another_label(digits: Data) -> None:
    images, labels = digits
    rows = torch.cat([torch.arange(100), torch.arange(10), torch.arange(10), torch.arange(50, 60)])
    given = labels[rows]
    given[110:120] = (given[110:120] + 1) % 10  # of three copies each the last; the last ten are copies that agree
    exp = make_experiment(Mlp, (images[rows], given), (images[1000:1100], labels[1000:1100]), epochs=1)
    assert "30 training examples equal another one whose target is different" in memorised(exp).summary


def test_a_linear_model_is_held_to_its_own_optimum_and_passes(diabetes: Data) -> None:
    inputs, targets = diabetes
    exp = make_experiment(Linear, (inputs[:300], targets[:300]), (inputs[300:], targets[300:]), epochs=20)
    found = memorised(with_optimizer(exp, "torch.optim.Adam", lr=0.01))
    assert found.verdict == "pass"
    assert "held to its own optimum" in found.summary


def test_the_optimum_of_a_linear_model_is_that_of_least_squares(diabetes: Data) -> None:
    inputs, targets = diabetes
    exp = make_experiment(Linear, (inputs, targets), (inputs, targets))
    design = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    residual = targets - design @ torch.linalg.lstsq(design, targets).solution
    assert own_optimum(exp) == pytest.approx(residual.square().mean().item(), rel=1e-4)


class ZeroHead(Mlp):
    """Starts its last layer at zero, so that at first all outputs are equal."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        nn.init.zeros_(self.head.weight)


class ZeroLinear(Linear):
    """A linear model that starts at zero."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        nn.init.zeros_(self.head.weight)


class StraightAtHome(Mlp):
    """A net whose units are all on wherever the data lie."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Linear) and layer is not self.head:
                nn.init.constant_(layer.bias, 50.0)


@pytest.mark.parametrize(
    ("model", "straight"),
    [
        (Linear, True),
        (ZeroLinear, True),
        (Mlp, False),
        (Cnn, False),
        (ZeroHead, False),
        (StraightAtHome, False),
        (IgnoresInput, False),
    ],
)
def test_only_a_linear_model_is_straight(digits: Data, model: type[nn.Module], straight: bool) -> None:
    assert is_straight(on_digits(digits, model)) is straight


def test_a_net_with_a_zero_head_is_not_excused_as_a_linear_model_would_be(diabetes: Data) -> None:
    inputs, targets = diabetes
    exp = make_experiment(ZeroHead, (inputs[:300], targets[:300]), (inputs[300:], targets[300:]), epochs=1)
    found = memorised(with_optimizer(exp, "torch.optim.SGD", lr=0.01))
    assert found.verdict == "fail"
    assert "held to its own optimum" not in found.summary


def test_equal_targets_are_told_and_not_divided_by(diabetes: Data) -> None:
    inputs, targets = diabetes
    same = torch.full_like(targets, 0.5)
    found = memorised(make_experiment(Mlp, (inputs[:300], same[:300]), (inputs[300:], targets[300:])))
    assert found.verdict == "fail"
    assert "all targets of the training set are equal" in found.summary


def test_a_loss_without_a_lower_bound_is_told(digits: Data) -> None:
    images, labels = digits
    train, validation = (images[:300], labels[:300]), (images[1000:1300], labels[1000:1300])
    found = memorised(make_experiment(Mlp, train, validation, loss=nn.NLLLoss()))
    assert found.verdict == "fail"
    assert "end the model in LogSoftmax" in found.summary


def test_a_negative_loss_is_memorised_as_far_as_the_same_loss_above_zero(digits: Data) -> None:
    plain = with_optimizer(on_digits(digits, Mlp, epochs=5), "torch.optim.Adam", lr=3e-3)
    objective = replace(plain.objective, loss=less_five)
    negative = plain.variant("less five", objective=replace(objective, name="cross-entropy - 5"))
    one, other = memorised(plain), memorised(negative)
    assert (one.verdict, other.verdict) == ("pass", "pass")
    assert other.measured == pytest.approx(one.measured, rel=1e-3)
