"""Every example but the test's is held out once, from the net that judges it and from nothing else."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recipe.errors import DataError
from recipe.models import Mlp
from recipe.practices.regularize.dropout import dropout
from recipe.practices.regularize.first_layer import first_layer
from recipe.practices.regularize.more_data import more_data
from recipe.training.cross_validation import cross_validated, in_part
from recipe.training.experiment import Budget, Experiment, make_experiment
from recipe.training.fit import fit, fit_all
from recipe.training.split import Split


@pytest.fixture(scope="module")
def small(breast_cancer: tuple[Tensor, Tensor]) -> Experiment:
    """200 tumours, 40 of them to validate on."""
    rows, labels = breast_cancer
    return make_experiment(Mlp, (rows[:160], labels[:160]), (rows[160:200], labels[160:200]), epochs=6, batch_size=16)


def ids_of(split: Split) -> set[tuple[float, ...]]:
    return {tuple(row) for row in split.inputs.tolist()}


def test_each_example_is_held_out_once_and_never_trained_on_where_it_is(small: Experiment) -> None:
    folded = cross_validated(small, 5)
    assert len(folded.folds) == 5 and len(folded.validation) == 200
    assert ids_of(folded.validation) == ids_of(small.train) | ids_of(small.validation)
    for fold in folded.folds:
        assert not ids_of(fold.train) & ids_of(fold.validation)
        assert len(fold.train) + len(fold.validation) == 200
    shares = [fold.validation.targets.float().mean().item() for fold in folded.folds]
    assert max(shares) - min(shares) < 0.06  # the classes are alike in every fold


def test_copies_and_groups_are_held_out_together(small: Experiment) -> None:
    groups = torch.arange(160) // 4
    folded = cross_validated(replace(small, train=replace(small.train, groups=groups)), 5)
    for fold in folded.folds:
        held_out, trained_on = (set(one.groups.tolist()) for one in (fold.validation, fold.train))  # type: ignore[union-attr]
        assert not held_out & trained_on


def test_comparisons_of_a_large_set_are_made_on_a_part_of_it_and_of_a_small_one_on_all(small: Experiment) -> None:
    part = in_part(replace(small, budget=Budget(examples=100)))
    assert (len(part.train), part.left_out) == (100, len(small.train) - 100)
    assert part.validation is small.validation
    assert ids_of(part.train) < ids_of(small.train)
    assert fit(part, part.training).history.steps_per_epoch == math.ceil(100 / part.training.batch_size)
    assert fit(part, part.training).variant == "100 examples"
    for count in (None, len(small.train), len(small.train) + 1):
        whole = replace(small, budget=Budget(examples=count))
        assert in_part(whole) is whole


def test_a_learning_curve_says_of_how_many_its_examples_are_a_part(small: Experiment) -> None:
    part = in_part(replace(small, budget=Budget(examples=100)))
    assert f"100 of {len(small.train)} examples give" in part.examine(more_data).summary
    assert f"{len(small.train)} examples give" in small.examine(more_data).summary


def test_a_training_is_judged_by_what_each_fold_says_of_its_own_examples(small: Experiment) -> None:
    folded = cross_validated(small, 4)
    [run] = fit_all(folded, [small.training])
    alone = [fit(fold, small.training) for fold in folded.folds]
    assert torch.equal(run.outputs, torch.cat([one.outputs for one in alone]))
    assert torch.equal(run.history.end_losses, torch.cat([one.history.end_losses for one in alone]))
    evaluation = run.evaluation(folded)
    assert evaluation.loss == pytest.approx(run.history.validation_loss[-1], rel=1e-5)
    assert evaluation.metric == pytest.approx(run.history.validation_metric[-1])
    assert evaluation.metric > 0.85
    assert run.history.best_epoch == 1 + min(range(6), key=run.history.validation_loss.__getitem__)


def test_a_gain_is_known_better_over_all_examples_than_over_a_few(small: Experiment) -> None:
    once, folded = (one.examine(dropout) for one in (small, cross_validated(small, 5)))
    assert once.interval is not None and folded.interval is not None
    assert folded.interval[1] - folded.interval[0] < once.interval[1] - once.interval[0]


def test_weights_are_looked_at_in_the_first_fold(small: Experiment) -> None:
    assert cross_validated(small, 3).examine(first_layer).verdict != "fail"


def test_more_folds_than_examples_are_told(small: Experiment) -> None:
    with pytest.raises(DataError, match=r"budget\.folds=300 asks for more folds than the 200 examples"):
        cross_validated(small, 300)
