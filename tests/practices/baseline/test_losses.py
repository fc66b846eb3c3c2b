"""A loss of the user's own counts from the lowest it can reach, not from zero; targets that tell nothing are told."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.diagnostics.probes import some, some_unlike
from recipe.errors import TargetError
from recipe.evidence import Finding
from recipe.models import Mlp
from recipe.practices.baseline.gradients import gradients
from recipe.practices.baseline.init_bias import init_bias
from recipe.practices.baseline.input_independent import input_independent
from recipe.practices.baseline.loss_at_init import loss_at_init
from recipe.practices.baseline.overfit_one_batch import overfit_one_batch
from recipe.practices.baseline.special_case import special_case
from recipe.training.experiment import Experiment
from tests.faults.losses import broadcast_mse, summed_cross_entropy
from tests.faults.models import IgnoresInput
from tests.practices.baseline.conftest import Make

SIGMA = 0.1
JUDGE_BY_THE_LOSS = (loss_at_init, init_bias, input_independent, overfit_one_batch, special_case, gradients)


def less_five(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, targets) - 5


def likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    """Minus the log density of a normal distribution of fixed width: below zero once the outputs are close."""
    return functional.gaussian_nll_loss(outputs, targets, torch.full_like(outputs, SIGMA**2), full=True)


def verdicts(experiment: Experiment) -> dict[str, tuple[object, ...]]:
    """Of every practice that judges by the loss, and the share of what there is to learn where one is measured."""
    found = {practice.id: experiment.examine(practice) for practice in JUDGE_BY_THE_LOSS}
    return {name: (one.verdict, shares(name, one)) for name, one in found.items()}


def shares(name: str, finding: Finding) -> object:
    of_a_share = name in ("baseline/overfit_one_batch", "baseline/init_bias", "baseline/special_case")
    return pytest.approx(finding.measured, rel=0.01, abs=1e-5) if of_a_share else None


def test_a_loss_below_zero_gets_the_verdicts_of_the_same_loss_above(on_digits: Make, on_diabetes: Make) -> None:
    assert verdicts(on_digits(Mlp, loss=less_five)) == verdicts(on_digits(Mlp))
    assert verdicts(on_diabetes(Mlp, loss=likelihood)) == verdicts(on_diabetes(Mlp))


def test_a_fault_is_named_under_a_loss_below_zero_too(on_digits: Make, on_diabetes: Make) -> None:
    def far_below(outputs: Tensor, targets: Tensor) -> Tensor:
        return broadcast_mse(outputs, targets) - 100

    ignores = on_digits(IgnoresInput, loss=less_five).examine(overfit_one_batch)
    assert ignores.verdict == "fail" and "the model ignores its input" in ignores.summary
    broadcast = on_diabetes(Mlp, loss=far_below).examine(special_case)
    assert broadcast.verdict == "fail" and "outputs and targets are broadcast" in broadcast.summary


@pytest.mark.parametrize("constant", [0, -5, -100])
def test_a_sum_over_the_batch_is_told_whatever_constant_is_added(on_digits: Make, constant: int) -> None:
    finding = on_digits(Mlp, loss=lambda *pair: summed_cross_entropy(*pair) + constant).examine(special_case)
    assert finding.verdict == "fail" and "the sum over the batch" in finding.summary


@pytest.mark.parametrize("constant", [0, -5])
def test_weighted_classes_are_not_taken_for_a_sum(on_digits: Make, constant: int) -> None:
    def weighted(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets, torch.arange(1.0, 11)) + constant

    finding = on_digits(Mlp, loss=weighted).examine(special_case)
    assert finding.verdict == "warn" and "as when classes are weighted" in finding.summary


def test_log_probabilities_are_asked_for_where_the_loss_reads_them_off(on_digits: Make) -> None:
    class LogProbabilities(Mlp):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs).log_softmax(1)

    assert on_digits(LogProbabilities, loss=nn.NLLLoss()).examine(overfit_one_batch).verdict == "pass"
    finding = on_digits(Mlp, loss=nn.NLLLoss()).examine(overfit_one_batch)
    assert finding.verdict == "fail" and "end the model in LogSoftmax" in finding.summary


def test_a_loss_without_a_lower_bound_is_told(on_diabetes: Make) -> None:
    finding = on_diabetes(Mlp, loss=lambda outputs, targets: -(outputs * targets).mean()).examine(overfit_one_batch)
    assert finding.verdict == "fail" and "the loss has no lower bound" in finding.summary


@pytest.mark.parametrize("on", ["on_digits", "on_diabetes"])
def test_equal_targets_are_told_and_not_divided_by(on: str, request: pytest.FixtureRequest) -> None:
    experiment = request.getfixturevalue(on)(Mlp)
    same = replace(experiment.train, targets=experiment.train.targets[:1].expand_as(experiment.train.targets))
    finding = experiment.variant("same", train=same).examine(overfit_one_batch)
    assert finding.verdict == "fail" and "all targets of the training set are equal" in finding.summary


@pytest.mark.parametrize("on", ["on_digits", "on_diabetes"])
def test_examples_whose_targets_differ_are_found_where_chance_picks_equal_ones(
    on: str, request: pytest.FixtureRequest
) -> None:
    experiment = request.getfixturevalue(on)(Mlp)
    targets = experiment.train.targets.clone()
    targets[3:] = targets[0]
    rare = experiment.variant("rare", train=replace(experiment.train, targets=targets))
    assert len(some(rare, rare.train, 8).targets.unique(dim=0)) == 1
    assert len(some_unlike(rare, rare.train, 8).targets.unique(dim=0)) == len(targets.unique(dim=0)) > 1
    finding = rare.examine(overfit_one_batch)
    assert finding.verdict == "pass" and 0 <= finding.measured <= 0.05


def test_where_chance_picks_different_targets_its_choice_stays(on_diabetes: Make) -> None:
    experiment = on_diabetes(Mlp)
    one, other = (pick(experiment, experiment.train, 8) for pick in (some, some_unlike))
    assert torch.equal(one.inputs, other.inputs)


class Margin(nn.Module):
    """A hinge loss that says itself what it costs."""

    def __init__(self, start: float | None = 1.0) -> None:
        super().__init__()
        self.register_buffer("weights", torch.ones(10))
        self.start, self.asked = start, 0

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.multi_margin_loss(outputs, targets, weight=self.weights) * 2

    def at_init(self, targets: Tensor) -> float | None:
        return self.start

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.asked += 1
        return functional.multi_margin_loss(outputs, targets, weight=self.weights, reduction="none") * 2


def test_a_loss_may_say_what_it_costs_before_anything_is_learned(on_digits: Make) -> None:
    as_it_is = on_digits(Mlp, loss=Margin(1.8)).examine(loss_at_init)
    assert as_it_is.expected == 1.8 and as_it_is.verdict == "pass"
    otherwise = on_digits(Mlp, loss=Margin(0.2)).examine(loss_at_init)
    assert otherwise.expected == 0.2 and otherwise.verdict == "fail"


def test_a_loss_may_give_that_of_each_example_itself(on_digits: Make) -> None:
    loss = Margin()
    experiment = on_digits(Mlp, loss=loss)
    inputs, targets = (part[:50] for part in (experiment.train.inputs, experiment.train.targets))
    outputs = experiment.new_model()(inputs.float()).detach()
    each = experiment.objective.per_example(outputs, targets)
    assert loss.asked == 1
    assert torch.allclose(each, torch.stack([loss(outputs[i : i + 1], targets[i : i + 1]) for i in range(50)]))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            {"per_example": lambda outputs, targets: outputs},
            r"per_example\(outputs, targets\) gives \(2, 10\) where \(2,\)",
        ),
        ({"per_example": lambda outputs: outputs}, r"per_example\(outputs, targets\) raised TypeError"),
        ({"at_init": lambda targets: None}, r"at_init\(targets\) raised TypeError"),
    ],
)
def test_what_a_loss_says_wrongly_is_one_sentence(on_digits: Make, broken: dict[str, object], words: str) -> None:
    loss = Margin()
    for name, call in broken.items():
        setattr(loss, name, call)
    with pytest.raises(TargetError, match=f"loss: Margin.{words}"):
        on_digits(Mlp, loss=loss).checked()
