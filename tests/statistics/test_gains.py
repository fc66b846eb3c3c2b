"""Intervals of gains cover what they say, and changes that do nothing are rarely named."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from recipe.statistics.gains import PartsOfChange, gain, gain_in_parts, judge_gains, judge_gains_in_parts

EXAMPLES = 100
GAINS = [step / 200 for step in range(1, 60)]
ROUNDS = 300
LEAST = 0.94 - 2 * math.sqrt(0.95 * 0.05 / ROUNDS)  # of so many rounds, two standard errors below


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.double)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("ratio", [0.0, 1.0, 10.0, 50.0])
def test_an_interval_covers_at_any_ratio_of_seed_to_example_variance(seeds: int, ratio: float) -> None:
    generator = torch.Generator().manual_seed(0)
    by_seed = math.sqrt(ratio / EXAMPLES)
    covered = 0
    for _ in range(ROUNDS):
        differences = by_seed * normal(generator, seeds, 1) + normal(generator, 1, EXAMPLES)
        found = gain(differences + normal(generator, seeds, EXAMPLES))
        covered += found.low <= 0 <= found.high
    assert covered / ROUNDS >= LEAST


def idle(generator: torch.Generator, changes: int, seeds: int, spread: float) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Runs whose changes do nothing: losses of a control with twice the seeds, and of each change."""
    for _ in range(120):
        examples = normal(generator, 1, EXAMPLES)
        control = examples + spread * normal(generator, 2 * seeds, 1) + normal(generator, 2 * seeds, EXAMPLES)
        counts = [1 if number % 4 == 3 else seeds for number in range(changes)]
        yield (
            control,
            [
                examples
                + 0.3 * normal(generator, 1, EXAMPLES)
                + spread * normal(generator, count, 1)
                + normal(generator, count, EXAMPLES)
                for count in counts
            ],
        )


@pytest.mark.parametrize(("changes", "seeds"), [(4, 3), (15, 2), (15, 3)])
@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_a_run_of_idle_changes_names_one_in_five_of_a_hundred_at_most(changes: int, seeds: int, spread: float) -> None:
    runs = [judge_gains(*run) for run in idle(torch.Generator().manual_seed(1), changes, seeds, spread)]
    named = sum(any(one.answer == "holds" for one in run) for run in runs)
    covered = [one.gain.low <= 0 <= one.gain.high for run in runs for one in run]
    assert named / len(runs) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(runs))
    assert sum(covered) / len(covered) >= 0.94


def test_a_change_that_gains_much_holds_among_many_that_do_nothing() -> None:
    control, changed = next(idle(torch.Generator().manual_seed(2), 12, 3, 0.1))
    answers = [one.answer for one in judge_gains(control, [control[:3] - 2.0, *changed])]
    assert answers[0] == "holds"
    assert "holds" not in answers[1:]


def test_a_change_that_loses_is_refuted_and_one_that_could_gain_is_open() -> None:
    control, [idle_one, *_] = next(idle(torch.Generator().manual_seed(3), 2, 3, 0.1))
    worse, unknown = judge_gains(control, [control[:3] + 3.0, idle_one])
    assert (worse.answer, unknown.answer) == ("refuted", "open")
    assert unknown.least_seen > unknown.gain.value


def test_a_small_gain_says_how_many_seeds_would_see_it() -> None:
    generator = torch.Generator().manual_seed(4)
    examples = normal(generator, 1, EXAMPLES)
    control, changed = (examples + 0.3 * normal(generator, count, 1) for count in (6, 3))
    changed = changed - changed.mean() + control.mean() - 0.4
    [found] = judge_gains(control, [changed])
    assert found.answer == "open"
    assert found.seeds_needed is not None and found.seeds_needed > 3


def test_a_training_that_diverged_never_holds() -> None:
    control = normal(torch.Generator().manual_seed(0), 4, EXAMPLES)
    lost = control[:2].clone()
    lost[0, 0] = math.inf
    [found] = judge_gains(control, [lost])
    assert found.answer == "refuted"
    assert math.isnan(found.gain.low)


def test_seeds_that_are_paired_tell_a_gain_that_unpaired_ones_hide() -> None:
    generator = torch.Generator().manual_seed(5)
    control = normal(generator, 6, EXAMPLES) * 0.01 + normal(generator, 6, 1)
    looked_at = control - 0.1
    apart, together = judge_gains(control, [looked_at, looked_at], paired=[False, True])
    assert (apart.answer, together.answer) == ("open", "holds")


def idle_parts(generator: torch.Generator, changes: int, parts: int, spread: float) -> Iterator[tuple[list, list]]:
    """Runs whose changes do nothing, each seed with a part of the examples of its own: control, and changes."""
    for _ in range(100):
        examples = [2 * normal(generator, 1, EXAMPLES) for _ in range(parts)]
        control = [one + spread * normal(generator, 2, 1) + normal(generator, 2, EXAMPLES) for one in examples]
        tried = [
            PartsOfChange(
                [
                    one[0] + 0.7 * normal(generator, EXAMPLES) + spread * normal(generator, 1)
                    for one in examples[: 1 if number % 4 == 3 else parts]
                ]
            )
            for number in range(changes)
        ]
        stopped = [one + 0.3 * normal(generator, 1, EXAMPLES) + 0.05 * normal(generator, 2, 1) for one in control]
        yield control, [*tried, PartsOfChange(stopped, looked_at=True)]


@pytest.mark.parametrize(("changes", "parts"), [(4, 3), (15, 2), (15, 3)])
@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_idle_changes_judged_in_parts_are_rarely_named(changes: int, parts: int, spread: float) -> None:
    runs = [
        judge_gains_in_parts([control] * len(tried), tried, [None] * parts)
        for control, tried in idle_parts(torch.Generator().manual_seed(1), changes, parts, spread)
    ]
    named = sum(any(one.answer == "holds" for one in run) for run in runs)
    covered = [one.gain.low <= 0 <= one.gain.high for run in runs for one in run]
    assert named / len(runs) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(runs))
    assert sum(covered) / len(covered) >= 0.94


@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_idle_ways_of_which_the_first_seeds_best_goes_on_are_rarely_named(spread: float) -> None:
    runs = []
    for control, tried in idle_parts(torch.Generator().manual_seed(3), 15, 3, spread):
        ways = [[one for one in tried if len(one.losses) == 3][first : first + 3] for first in range(0, 9, 3)]
        best = [min(way, key=lambda one: one.losses[0].mean()) for way in ways]
        going_on = [one for one in best if one.losses[0].mean() < control[0].mean()]
        kept = [
            one if one.looked_at or any(one is way for way in going_on) else PartsOfChange(one.losses[:1])
            for one in tried
        ]
        runs.append(judge_gains_in_parts([control] * len(kept), kept, [None] * 3))
    named = sum(any(one.answer == "holds" for one in run) for run in runs)
    assert named / len(runs) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(runs))


def test_a_true_gain_holds_in_parts_and_a_loss_is_refuted() -> None:
    control, tried = next(idle_parts(torch.Generator().manual_seed(2), 8, 3, 0.1))
    better = PartsOfChange([one.mean(0) - 2.0 for one in control])
    worse = PartsOfChange([control[0].mean(0) + 3.0])
    answers = [one.answer for one in judge_gains_in_parts([control] * 11, [better, worse, *tried], [None] * 3)]
    assert answers[:2] == ["holds", "refuted"]
    assert "holds" not in answers[2:]


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_a_paired_gain_in_parts_covers(spread: float) -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(ROUNDS):
        parts = [spread * normal(generator, 1) + normal(generator, EXAMPLES) for _ in range(3)]
        found = gain_in_parts(parts, [None] * 3)
        covered += found.low <= 0 <= found.high
    assert covered / ROUNDS >= LEAST


def test_more_seeds_are_asked_for_than_the_others_of_a_run_have_and_no_more_than_it_takes() -> None:
    """A change that was given up after its first seed is not told that two would do."""
    generator = torch.Generator().manual_seed(3)
    examples = normal(generator, 1, EXAMPLES)
    control, several, single = (
        examples + 0.05 * normal(generator, seeds, 1) + 0.1 * normal(generator, seeds, EXAMPLES) for seeds in (6, 3, 1)
    )
    several, single = (arm - arm.mean() + control.mean() for arm in (several, single))
    rivals = [several + 0.5] * 8
    again = [*[False] * 9, True]  # early stopping: the control's six seeds once more, which no change has
    for change in (several, single):
        judged = [judge_gains(control, [change - gain, *rivals, control], None, again)[0] for gain in GAINS]
        needed = {one.seeds_needed for one in judged} - {None}
        assert min(needed) == 4 and max(needed) > 6
