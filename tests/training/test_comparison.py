"""A change is compared with its control fairly, and a gain comes with an interval that means what it says."""

import functools
import math
from dataclasses import replace

import torch

from recipe.evidence import Answer
from recipe.models import Mlp
from recipe.statistics.gains import Judged
from recipe.statistics.intervals import Estimate
from recipe.training.comparison import (
    Change,
    Comparison,
    _from_all_seeds,
    best_of,
    compare,
    compare_all,
    control_seeds,
    gain,
    joint_answer,
    learning_curves,
    train_seeds,
    validation,
    with_seeds,
)
from recipe.training.components import Component
from recipe.training.cross_validation import replicated
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import MEMORY


def two_way(seeds: int, examples: int, generator: torch.Generator, seed_std: float) -> torch.Tensor:
    """Differences (seeds, examples) with a true mean of zero, an effect of each seed and of each example."""
    by_seed = seed_std * torch.randn(seeds, 1, generator=generator, dtype=torch.double)
    by_example = torch.randn(1, examples, generator=generator, dtype=torch.double)
    return by_seed + by_example + torch.randn(seeds, examples, generator=generator, dtype=torch.double)


def coverage(seed_std: float) -> float:
    generator = torch.Generator().manual_seed(0)
    gains = [gain(two_way(3, 200, generator, seed_std)) for _ in range(400)]
    return sum(one.low <= 0 <= one.high for one in gains) / len(gains)


def test_the_interval_holds_the_truth_as_often_as_it_says_where_examples_vary() -> None:
    assert 0.94 <= coverage(seed_std=0.0) <= 1.0


def test_the_interval_holds_the_truth_as_often_as_it_says_where_seeds_vary() -> None:
    assert 0.94 <= coverage(seed_std=0.5) <= 1.0


def test_an_interval_from_examples_alone_would_be_too_sure_where_seeds_vary() -> None:
    generator = torch.Generator().manual_seed(0)
    differences = two_way(3, 200, generator, seed_std=0.5)
    naive = 1.96 * differences.mean(0).std().item() / math.sqrt(200)
    found = gain(differences)
    assert found.high - found.low > 2 * naive


def test_a_gain_that_is_the_same_everywhere_has_no_width() -> None:
    found = gain(torch.full((2, 5), 0.25, dtype=torch.double))
    assert (found.low, found.value, found.high) == (0.25, 0.25, 0.25)
    assert found.holds(0.2)
    assert not found.holds(0.3)


def test_a_diverged_training_never_holds() -> None:
    found = gain(torch.tensor([[1.0, math.inf], [1.0, 2.0]], dtype=torch.double))
    assert not found.holds(-math.inf)


def test_early_stopping_costs_no_training(digits_cnn: Experiment) -> None:
    validation(digits_cnn, digits_cnn.training)
    trained = len(MEMORY)
    validation(digits_cnn, digits_cnn.training.having(keep_best=True))
    assert len(MEMORY) == trained


def test_both_sides_of_a_comparison_have_the_same_seeds_and_budget(digits_cnn: Experiment) -> None:
    control = digits_cnn.training.having(seed=7)
    changed = control.having(model=control.model.having(width=4))
    ways = [(one.seed, one.epochs, one.batch_size) for one in with_seeds(digits_cnn, control)]
    assert ways == [(one.seed, one.epochs, one.batch_size) for one in with_seeds(digits_cnn, changed)]
    assert [seed for seed, *_ in ways] == [7, 8]


def test_a_change_that_hurts_has_a_negative_gain_that_does_not_hold(digits_cnn: Experiment) -> None:
    starve = Change("too narrow", lambda training: training.having(model=training.model.having(width=1, hidden=0)))
    found = compare(digits_cnn, digits_cnn.training.having(epochs=10), starve)
    assert found.gain.high < 0
    assert not found.gain.holds()
    assert found.metric < found.control_metric
    assert math.isclose(found.control_loss - found.loss, found.gain.value, rel_tol=1e-9)


def test_the_legend_says_where_a_curve_is_the_lowest_loss_so_far(digits_cnn: Experiment) -> None:
    stopped = digits_cnn.training.having(keep_best=True)
    figure = learning_curves(digits_cnn, {"control": digits_cnn.training, "early stopping": stopped})
    names = [line.get_label() for line in figure.axes[0].lines]
    assert names == ["control", "early stopping, lowest so far"]


def test_where_there_are_replicates_each_seed_holds_out_other_examples(digits_cnn: Experiment) -> None:
    apart = replicated(digits_cnn)
    together = len(digits_cnn.train) + len(digits_cnn.validation)
    held_out = [{tuple(image) for image in one.validation.inputs.flatten(1).tolist()} for one in apart.replicates]
    assert len(apart.replicates) == digits_cnn.budget.seeds
    assert not set.intersection(*held_out)
    assert {len(one.train) + len(one.validation) for one in apart.replicates} == {together}
    sizes = [len(one) for one in validation(apart, apart.training).losses]
    assert sizes == [len(one.validation) for one in apart.replicates]


def test_the_seeds_of_a_control_go_through_the_replicates_in_turn(digits_cnn: Experiment) -> None:
    apart = replicated(digits_cnn)
    [runs] = train_seeds(apart, [(apart.training, 4)])
    assert [run.training.seed for run in runs] == [0, 1, 2, 3]
    assert [len(run.outputs) for run in runs] == [len(apart.replicates[i % 2].validation) for i in range(4)]


def test_a_change_that_hurts_is_refuted_in_replicates_after_one_seed(digits_cnn: Experiment) -> None:
    starve = Change("too narrow", lambda training: training.having(model=training.model.having(width=1, hidden=0)))
    same = Change("the same", lambda training: training.having(batch_size=training.batch_size - 1))
    apart = replicated(digits_cnn)
    apart = replace(apart, training=apart.training.having(epochs=8))
    worse, idle = compare_all(apart, [starve, same])
    assert (worse.answer, worse.seeds) == ("refuted", 1)
    assert math.isclose(worse.control_loss - worse.loss, worse.gain.value, rel_tol=1e-9)
    first = validation(apart, idle.training, 1).loss
    control = torch.cat(validation(apart, apart.training, control_seeds(apart)).losses[:: len(apart.replicates)])
    assert idle.answer == "open"
    assert idle.seeds == (2 if first < control.mean() else 1)


def test_too_few_examples_for_replicates_are_compared_on_the_validation_split(digits_cnn: Experiment) -> None:
    few = replace(digits_cnn, train=digits_cnn.train.head(1), validation=digits_cnn.validation.head(1))
    assert replicated(few) == few


def test_of_several_ways_to_do_one_thing_only_the_best_of_the_first_seeds_gets_more(digits_cnn: Experiment) -> None:
    def of_width(width: int) -> Change:
        return Change(
            f"width {width}", lambda training: training.having(model=training.model.having(width=width)), way="width"
        )

    alone = Change("smaller batches", lambda training: training.having(batch_size=16))
    compared = compare_all(digits_cnn, [of_width(20), of_width(24), alone])
    seeds = {one.name: one.seeds for one in compared}
    best = min(compared[:2], key=lambda one: validation(digits_cnn, one.training, 1).loss)
    assert seeds.pop(best.name) == digits_cnn.budget.seeds
    assert seeds.pop(alone.name) == digits_cnn.budget.seeds
    assert list(seeds.values()) == [1]


def test_a_way_whose_first_seed_diverged_does_not_stand_in_front_of_the_others(digits_cnn: Experiment) -> None:
    control = replace(digits_cnn, training=at_rate(digits_cnn.training, 1e-4))
    ways = [("diverged", 1e20), ("sound", 3e-3)]
    changes = [Change(name, functools.partial(at_rate, rate=rate), way="rate") for name, rate in ways]
    seeds = {one.name: one.seeds for one in compare_all(control, changes)}
    assert seeds == {"diverged": 1, "sound": control.budget.seeds}


def at_rate(training: Training, rate: float) -> Training:
    return training.having(optimizer=training.optimizer.having(lr=rate))


def compared(name: str, answer: Answer, value: float, seeds: int) -> Comparison:
    parts = Component("model", Mlp), Component("optimizer", "torch.optim.Adam")
    training, gained = Training(*parts), Estimate(value, value - 0.01, value + 0.01)
    proof = Judged(gained, answer, 0.5, 0.1, None)
    return Comparison(name, training, 0.2, 0.2 - value, gained, 0.9, 0.9, gained, proof, seeds)


def test_what_holds_speaks_for_a_practice_though_luck_gives_another_more() -> None:
    holds, lucky = compared("holds", "holds", 0.03, 3), compared("lucky", "open", 0.05, 1)
    assert best_of([lucky, holds]) is holds
    assert joint_answer([lucky, holds]) == "holds"
    assert best_of([lucky, compared("open", "open", 0.02, 3)]).name == "open"


def test_one_seed_proves_nothing_and_a_gain_that_is_no_number_speaks_for_nobody(digits_cnn: Experiment) -> None:
    proof = compared("lucky", "holds", 0.05, 1).judged
    assert proof is not None
    assert _from_all_seeds(proof, 1, digits_cnn).answer == "open"
    assert _from_all_seeds(proof, digits_cnn.budget.seeds, digits_cnn).answer == "holds"
    lost, refuted = compared("lost", "refuted", math.nan, 3), compared("refuted", "refuted", -0.1, 1)
    assert best_of([lost, refuted]) is refuted
    assert best_of([compared("refuted", "refuted", 0.01, 3), compared("open", "open", 0.02, 1)]).name == "open"
