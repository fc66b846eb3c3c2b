"""Each fault is caught by a practice whose summary names it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recipe.evidence import Finding, Practice
from recipe.models import Cnn, Mlp
from recipe.pipeline.stage import Stage
from recipe.practices.baseline.dependencies import dependencies
from recipe.practices.baseline.gradients import gradients
from recipe.practices.baseline.input_independent import input_independent
from recipe.practices.baseline.just_before_net import just_before_net
from recipe.practices.baseline.loss_at_init import loss_at_init
from recipe.practices.baseline.overfit_one_batch import overfit_one_batch
from recipe.practices.baseline.special_case import special_case
from recipe.practices.baseline.whole_test_set import whole_test_set
from recipe.report.findings import read_judged
from recipe.settings import Stages
from recipe.training.components import Component
from recipe.training.experiment import Experiment
from recipe.training.split import Split
from tasks.baseline import PRACTICES
from tests.faults import losses, models, optimizers, transforms
from tests.faults.catalogue import FAULTS
from tests.faults.data import composed
from tests.practices.baseline.conftest import Make


def failed(experiment: Experiment, practice: Practice) -> Finding:
    finding = experiment.checked().examine(practice)
    assert finding.verdict == "fail", finding.summary
    return finding


def adam(lr: float) -> Component:
    return Component("optimizer", "torch.optim.Adam", {"lr": lr})


def shuffled(split: Split) -> Split:
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(1))
    return replace(split, targets=split.targets[order])


@pytest.mark.fault(
    "baseline/overfit_one_batch",
    "fail: a softmax before cross-entropy; warn: a learning rate that is far too low",
)
def test_a_softmax_before_cross_entropy_is_named_by_overfitting_one_batch(
    on_digits: Make, on_breast_cancer: Make
) -> None:
    for make in (on_digits, on_breast_cancer):
        finding = failed(make(models.EndsInSoftmax), overfit_one_batch)
        assert "the model ends in a softmax and the loss applies another" in finding.summary


@pytest.mark.fault(
    "baseline/dependencies",
    "fail: a view where a transpose is meant, an effect that is no finite number",
)
def test_a_view_that_mixes_examples_is_named_by_its_dependencies(on_digits: Make, on_breast_cancer: Make) -> None:
    for make in (on_digits, on_breast_cancer):
        experiment = make(models.ViewsForTranspose)
        assert "information crosses examples" in failed(experiment, dependencies).summary
        failed(experiment, special_case)
        failed(experiment, whole_test_set)


@pytest.mark.fault(
    "baseline/special_case",
    "fail: outputs and targets that are broadcast, a summed loss; warn: weighted classes",
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_broadcast_squared_error_is_named_by_its_special_case(on_diabetes: Make) -> None:
    for experiment in (on_diabetes(models.SqueezesOutput), on_diabetes(Mlp, loss=losses.broadcast_mse)):
        assert "outputs and targets are broadcast" in failed(experiment, special_case).summary


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_overfitting_one_batch_names_the_broadcast_as_well(on_diabetes: Make) -> None:
    finding = failed(on_diabetes(models.SqueezesOutput), overfit_one_batch)
    assert "outputs and targets are broadcast" in finding.summary


@pytest.mark.parametrize("model", [Mlp, Cnn])
def test_a_learning_rate_of_ten_is_named_and_a_lower_one_that_works(on_digits: Make, model: type) -> None:
    experiment = on_digits(model, optimizer=adam(10))
    assert "the learning rate is likely too high, 10; at 0.01 the loss falls" in failed(experiment, gradients).summary
    assert "the learning rate is too high" in failed(experiment, overfit_one_batch).summary


def test_a_learning_rate_of_ten_is_named_on_tables_too(on_breast_cancer: Make, on_diabetes: Make) -> None:
    for make in (on_breast_cancer, on_diabetes):
        assert "the learning rate is likely too high" in failed(make(Mlp, optimizer=adam(10)), gradients).summary


def test_a_model_that_ignores_its_input_is_named(on_digits: Make, on_diabetes: Make) -> None:
    for make in (on_digits, on_diabetes):
        experiment = make(models.IgnoresInput)
        assert "the model ignores its input" in failed(experiment, input_independent).summary
        assert "the model ignores its input" in failed(experiment, dependencies).summary


@pytest.mark.fault(
    "baseline/gradients",
    "fail: layers that the optimizer does not hold, a rising loss, units that are dead or never vary",
)
def test_layers_that_the_optimizer_does_not_hold_are_named_one_by_one(on_digits: Make) -> None:
    optimizer = Component("optimizer", optimizers.without_first_layer)
    finding = failed(on_digits(Cnn, optimizer=optimizer), gradients)
    assert "the optimizer does not hold body.0.weight, body.0.bias" in finding.summary
    assert finding.measured == 2


def test_unscaled_inputs_are_named_and_the_loss_starts_too_high(on_digits: Make) -> None:
    healthy = on_digits(Cnn)
    low, high = healthy.train.inputs.min(), healthy.train.inputs.max()

    def as_bytes(batch: Tensor) -> Tensor:
        return transforms.unscaled((batch - low) / (high - low))

    experiment = healthy.variant(
        "x255",
        train=replace(healthy.train, view=as_bytes),
        validation=replace(healthy.validation, view=as_bytes),
    )
    assert "the inputs are not scaled" in failed(experiment, just_before_net).summary
    assert failed(experiment, loss_at_init).measured > 2 * torch.tensor(10.0).log().item()


@pytest.mark.fault("baseline/input_independent", "fail: a net that ignores its input, labels that were shuffled")
def test_shuffled_labels_are_named(on_digits: Make, on_breast_cancer: Make, on_diabetes: Make) -> None:
    for make in (on_digits, on_breast_cancer, on_diabetes):
        experiment = make(Mlp)
        experiment = experiment.variant(
            "shuffled", train=shuffled(experiment.train), validation=shuffled(experiment.validation)
        )
        assert "the labels look unrelated to the inputs" in failed(experiment, input_independent).summary


def test_batch_statistics_in_evaluation_are_caught(on_digits: Make) -> None:
    experiment = on_digits(models.UsesBatchStatistics)
    assert "cannot evaluate a batch of 1" in failed(experiment, whole_test_set).summary
    assert "information crosses examples" in failed(experiment, dependencies).summary


def test_a_summed_loss_is_named(on_digits: Make) -> None:
    assert "sum over the batch" in failed(on_digits(Mlp, loss=losses.summed_cross_entropy), special_case).summary


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    "model", [models.EndsInSoftmax, models.IgnoresInput, models.UsesBatchStatistics, models.GivesNoNumbers]
)
def test_every_practice_has_something_to_say_about_a_broken_model_and_none_crashes(
    on_digits: Make, model: type, tmp_path: Path
) -> None:
    stage = Stage("baseline", tmp_path, composed("data=digits"))
    stage.run(PRACTICES, on_digits(model, optimizer=adam(10)))
    stage.write()
    found = read_judged(stage.workspace / "reports", "baseline", stage.settings).findings
    assert [finding.practice for finding in found] == [practice.id for practice in PRACTICES]
    assert not [finding.summary for finding in found if "could not be measured" in finding.summary]


def test_outputs_that_are_no_numbers_are_named(on_digits: Make) -> None:
    experiment = on_digits(models.GivesNoNumbers)
    assert "no finite numbers" in failed(experiment, loss_at_init).advice
    assert "no longer finite numbers" in failed(experiment, input_independent).summary
    assert "not finite" in failed(experiment, gradients).summary


@pytest.mark.filterwarnings("ignore:std")
def test_outputs_that_are_no_numbers_at_the_last_batch_size_only_are_caught(on_digits: Make) -> None:
    experiment = on_digits(models.NeedsCompany)
    stages = Stages.default(baseline={"whole_test_set": {"batch_sizes": (64, 7, 1)}})
    assert "by at most nan" in failed(replace(experiment, stages=stages), whole_test_set).summary


def test_a_net_that_gives_no_numbers_on_zeros_is_not_blamed_for_that(on_digits: Make, on_diabetes: Make) -> None:
    for make in (on_digits, on_diabetes):
        finding = make(models.DividesByItsSpread).examine(input_independent)
        assert finding.verdict == "pass", finding.summary
        assert math.isfinite(finding.measured)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_overrides_of_each_fault_compose(fault: object) -> None:
    assert composed(*[override.format(folder="somewhere") for override in fault.overrides])  # type: ignore[attr-defined]
