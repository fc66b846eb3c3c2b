"""Boosted trees beside the net, on tables: what they say of each class, by what they stop, when they are better."""

import re
from dataclasses import replace

import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_info
from torch import Tensor

from recipe.models import Linear, Mlp
from recipe.practices.baseline.boosting import boosting
from recipe.training.boosting import _held_out, boosting_outputs
from recipe.training.evaluation import evaluate_outputs
from recipe.training.experiment import Experiment, make_experiment
from recipe.training.split import Split
from tests.practices.baseline.conftest import Make

ROWS, KNOWN = 1500, 1000


def checkerboard(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows (N, 6) whose class is the colour of the field that two of their numbers lie in: no line parts them."""
    inputs = torch.rand(ROWS, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    fields = (inputs[:, :2] * 2).floor().long().sum(1)
    return inputs, fields % 2


def on(inputs: Tensor, targets: Tensor, model: type = Mlp, **training: object) -> Experiment:
    return make_experiment(model, (inputs[:KNOWN], targets[:KNOWN]), (inputs[KNOWN:], targets[KNOWN:]), **training)  # type: ignore[arg-type]


@pytest.mark.fault("baseline/boosting", "warn: a net that boosted trees beat beyond chance")
def test_a_net_that_boosting_beats_beyond_chance_is_named() -> None:
    finding = on(*checkerboard(), model=Linear, epochs=5).examine(boosting)
    assert finding.verdict == "warn"
    assert finding.measured is not None and finding.measured > 0.9
    assert "Gradient boosting reaches accuracy 0.9" in finding.summary
    assert finding.summary.endswith("the trees are better than the net beyond chance.")
    assert "beside_the_net" in finding.figures


def test_a_net_that_is_better_than_boosting_is_left_alone(on_diabetes: Make) -> None:
    line = torch.randn(10, generator=torch.Generator().manual_seed(1))
    inputs = torch.randn(ROWS, 10, generator=torch.Generator().manual_seed(2))
    finding = on(inputs, (inputs @ line > 0).long(), epochs=20).examine(boosting)
    assert finding.verdict == "pass" and "better than the net" not in finding.summary
    assert on_diabetes(Mlp).examine(boosting).verdict == "pass"


def test_a_net_that_is_hardly_trained_is_trained_for_longer_before_it_is_blamed(on_breast_cancer: Make) -> None:
    finding = on_breast_cancer(Linear, epochs=1).examine(boosting)
    [epochs] = re.findall(r"after (\d+) epochs", finding.summary)
    assert finding.verdict == "pass" and int(epochs) > 100


def test_images_are_no_table(digits_cnn: Experiment) -> None:
    finding = digits_cnn.examine(boosting)
    assert finding.verdict == "skip" and "for tables" in finding.summary


def test_the_outputs_are_log_probabilities_and_the_same_again(on_breast_cancer: Make) -> None:
    experiment = on_breast_cancer(Mlp)
    outputs = boosting_outputs(experiment, experiment.validation)
    assert outputs.shape == (len(experiment.validation), 2) and outputs.dtype == torch.float32
    assert torch.allclose(outputs.exp().sum(1), torch.ones(len(outputs)), atol=1e-5)
    assert torch.equal(outputs, boosting_outputs(experiment, experiment.validation))


def test_boosting_is_as_good_as_scikit_learns_own_on_the_same_rows(on_breast_cancer: Make, on_diabetes: Make) -> None:
    experiment = on_breast_cancer(Mlp)
    train, validation = experiment.train, experiment.validation
    theirs = HistGradientBoostingClassifier(random_state=0).fit(train.inputs.numpy(), train.targets.numpy())
    ours = boosting_outputs(experiment, validation).argmax(1)
    assert float((ours == validation.targets).float().mean()) == pytest.approx(
        theirs.score(validation.inputs.numpy(), validation.targets.numpy()), abs=0.03
    )
    experiment = on_diabetes(Mlp)
    train, validation = experiment.train, experiment.validation
    other = HistGradientBoostingRegressor(random_state=0).fit(train.inputs.numpy(), train.targets[:, 0].numpy())
    outputs = boosting_outputs(experiment, validation)
    reached = evaluate_outputs(outputs, validation.targets, experiment.objective).metric
    assert reached > other.score(validation.inputs.numpy(), validation.targets[:, 0].numpy()) - 0.05


def test_several_quantities_are_learnt_each_by_itself(diabetes: tuple[Tensor, Tensor]) -> None:
    inputs, target = diabetes
    both = torch.cat([target, -2 * target], dim=1)
    made = make_experiment(Mlp, (inputs[:300], both[:300]), (inputs[300:], both[300:]))
    outputs = boosting_outputs(made, made.validation)
    assert outputs.shape == (142, 2)
    assert torch.allclose(outputs[:, 1], -2 * outputs[:, 0], atol=1e-4)


def test_a_class_that_training_lacks_has_a_finite_part(breast_cancer: tuple[Tensor, Tensor]) -> None:
    inputs, targets = breast_cancer
    made = make_experiment(Mlp, (inputs[:300], targets[:300]), (inputs[300:], targets[300:]))
    wider = replace(made, objective=replace(made.objective, n_outputs=4))
    outputs = boosting_outputs(wider, wider.validation)
    assert outputs.shape == (269, 4) and bool(outputs.isfinite().all())
    assert bool((outputs[:, 2:].exp() < 0.01).all())
    assert bool((outputs[:, :2].argmax(1) == made.validation.targets).float().mean() > 0.9)
    alone = replace(made, train=Split(inputs[:50], torch.zeros(50, dtype=torch.long)))
    assert bool((boosting_outputs(alone, alone.validation).argmax(1) == 0).all())


def test_a_class_of_one_example_is_learnt_and_not_held_out(breast_cancer: tuple[Tensor, Tensor]) -> None:
    inputs, targets = breast_cancer
    rare = targets.clone()
    rare[:3] = torch.tensor([2, 3, 4])
    for seed in range(5):
        made = make_experiment(Mlp, (inputs[:100], rare[:100]), (inputs[100:], rare[100:]), seed=seed)
        assert bool(boosting_outputs(made, made.validation).isfinite().all())


def test_what_it_stops_by_holds_no_copy_of_what_it_learns(diabetes: tuple[Tensor, Tensor]) -> None:
    inputs, targets = diabetes
    fives = torch.arange(300) // 5
    held_out = _held_out(Split(inputs[:300], targets[:300], groups=fives), 0.1, seed=0)
    assert held_out.sum() == 30
    assert not set(fives[held_out].tolist()) & set(fives[~held_out].tolist())
    assert not _held_out(Split(inputs[:300], targets[:300], groups=torch.zeros(300)), 0.1, seed=0).any()


def test_nothing_of_the_validation_split_is_used(on_diabetes: Make) -> None:
    experiment = on_diabetes(Mlp)
    validation = experiment.validation
    shuffled = replace(validation, targets=validation.targets.flip(0))
    before = boosting_outputs(experiment, validation)
    assert torch.equal(before, boosting_outputs(replace(experiment, validation=shuffled), shuffled))


def test_numbers_that_are_not_finite_count_as_missing(on_diabetes: Make) -> None:
    experiment = on_diabetes(Mlp)
    inputs = experiment.train.inputs.clone()
    inputs[::7, 2], inputs[::5, 3] = torch.inf, torch.nan
    holed = replace(experiment, train=replace(experiment.train, inputs=inputs))
    assert bool(boosting_outputs(holed, holed.validation).isfinite().all())


def test_threads_are_as_many_afterwards_as_before(on_diabetes: Make) -> None:
    experiment = on_diabetes(Mlp)
    boosting_outputs(experiment, experiment.validation)
    before = [(one["filepath"], one["num_threads"]) for one in threadpool_info()]
    boosting_outputs(experiment, experiment.validation)
    assert before == [(one["filepath"], one["num_threads"]) for one in threadpool_info()]
