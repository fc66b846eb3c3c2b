"""baseline/dependencies: what is no number fails, and what can be measured in one way only is."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from recipe.diagnostics.probes import gradient_reach, ignores_input, replacement_reach
from recipe.models import Mlp
from recipe.practices.baseline.dependencies import dependencies
from recipe.training.experiment import Experiment, make_experiment
from tasks.baseline import PRACTICES
from tests.faults.models import Checkpointed, IgnoresInput, RootsWhatIsNegative, ViewsForTranspose
from tests.practices.baseline.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")


def on_one_binary_feature(model: Callable[..., nn.Module], labels: Tensor, ones: float = 0.5) -> Experiment:
    """A table of one column that holds 0 or 1, drawn with the share `ones`."""
    feature = (torch.rand(len(labels), 1, generator=torch.Generator().manual_seed(0)) < ones).float()
    rows = feature - feature.mean()
    return make_experiment(model, (rows[:400], labels[:400]), (rows[400:], labels[400:]), epochs=2)


def test_a_gradient_that_is_no_number_fails_though_replacement_sees_nothing(on_digits: Make) -> None:
    experiment = on_digits(RootsWhatIsNegative)
    finding = experiment.examine(dependencies)
    assert finding.verdict == "fail"
    assert "no finite number, by gradient" in finding.summary


def test_outputs_that_are_no_numbers_fail(on_digits: Make) -> None:
    experiment = on_digits(Mlp)
    broken = replace(experiment.train, view=lambda batch: batch * float("nan"))
    assert experiment.variant("nan", train=broken).examine(dependencies).verdict == "fail"


@pytest.mark.parametrize("ones", [0.5, 0.02])
def test_one_binary_feature_is_enough_to_tell_examples_apart(breast_cancer: tuple[Tensor, Tensor], ones: float) -> None:
    _, labels = breast_cancer
    assert on_one_binary_feature(Mlp, labels, ones).examine(dependencies).verdict == "pass"
    assert on_one_binary_feature(IgnoresInput, labels, ones).examine(dependencies).verdict == "fail"


def test_examples_that_are_all_equal_are_no_ground_to_judge_on(breast_cancer: tuple[Tensor, Tensor]) -> None:
    _, labels = breast_cancer
    finding = on_one_binary_feature(Mlp, labels, ones=0).examine(dependencies)
    assert finding.verdict == "skip"
    assert "all equal" in finding.summary


def test_a_net_that_reads_its_input_is_not_said_to_ignore_it_where_all_examples_are_equal(on_digits: Make) -> None:
    experiment = on_digits(Mlp)
    images = experiment.train.inputs[:8]
    assert not ignores_input(experiment.new_model(), images[:1].expand(8, -1, -1, -1))
    assert ignores_input(on_digits(IgnoresInput).new_model(), images)


def test_an_equal_example_is_not_taken_as_a_replacement(on_digits: Make) -> None:
    experiment = on_digits(Mlp)
    pair = experiment.train.inputs[:2].repeat_interleave(3, 0)
    assert bool((replacement_reach(experiment.new_model().eval(), pair).diag() > 0).all())


def test_a_checkpointed_net_is_measured_by_replacement_and_every_practice_leaves_it_alone(on_digits: Make) -> None:
    experiment = on_digits(Checkpointed).checked()
    with pytest.raises(RuntimeError, match="checkpoint"):
        gradient_reach(experiment.new_model(), experiment.train.inputs[:4])
    assert "measured by replacement alone" in experiment.examine(dependencies).summary
    findings = [experiment.examine(practice) for practice in PRACTICES]
    assert [f"{one.practice}: {one.summary}" for one in findings if one.verdict not in ("pass", "skip")] == []


def test_a_checkpointed_net_that_mixes_examples_is_still_caught(on_digits: Make) -> None:
    class Mixes(Checkpointed):
        """Views for transpose before its checkpointed middle."""

        def __init__(self, input_shape: tuple[int, ...], n_outputs: int) -> None:
            super().__init__(input_shape, n_outputs)
            self.first = ViewsForTranspose(input_shape, 64)

        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(self.first(inputs))

    finding = on_digits(Mixes).examine(dependencies)
    assert finding.verdict == "fail"
    assert "information crosses examples" in finding.summary
