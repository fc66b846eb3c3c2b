"""Trainings are repeatable in any process, kept when finished, and carried out once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from recipe.executors import Executor
from recipe.executors.loky import Processes
from recipe.training.experiment import Experiment
from recipe.training.fit import MEMORY, Shelf, Trained, Wanted, fit, fit_all, fit_together, one_after_another


def same(one: Trained, other: Trained) -> bool:
    states = all(torch.equal(one.state[name], other.state[name]) for name in one.state)
    return (
        states
        and torch.equal(one.outputs, other.outputs)
        and one.history.validation_loss == other.history.validation_loss
    )


def test_the_same_training_gives_the_same_bits_again_and_another_seed_does_not(digits_cnn: Experiment) -> None:
    first, second = fit(digits_cnn, digits_cnn.training), fit(digits_cnn, digits_cnn.training)
    assert same(first, second)
    assert not same(first, fit(digits_cnn, digits_cnn.training.having(seed=1)))


def test_a_training_settles_the_process_that_it_is_asked_for_in(digits_cnn: Experiment) -> None:
    torch.set_flush_denormal(False)
    fit(digits_cnn, digits_cnn.training.having(epochs=1))
    assert bool((torch.full((8,), torch.finfo(torch.float32).tiny) / 2 == 0).all())


def test_side_by_side_gives_the_same_bits_as_one_after_the_other(digits_cnn: Experiment) -> None:
    trainings = [digits_cnn.training.having(seed=seed, epochs=1) for seed in range(3)]
    one = fit_all(digits_cnn, trainings)
    again = digits_cnn.variant("again", executor=Processes(2))
    fewer = again.variant("fewer", train=again.train.head(500))
    *two, of_fewer = fit_together([*((again, training) for training in trainings), (fewer, trainings[0])])
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
    assert same(of_fewer, fit(fewer, trainings[0]))


def test_a_finished_training_is_read_from_its_file_and_not_trained_again(
    digits_cnn: Experiment, tmp_path: Path
) -> None:
    experiment = replace(digits_cnn, folder=str(tmp_path))
    [first] = fit_all(experiment, [experiment.training])
    [file] = tmp_path.iterdir()
    MEMORY.clear()
    written = file.stat().st_ino  # a file is written beside and moved into place; reading it renews its time
    [second] = fit_all(experiment, [experiment.training])
    assert same(first, second)
    assert file.stat().st_ino == written


def test_a_half_written_training_file_is_trained_again(digits_cnn: Experiment, tmp_path: Path) -> None:
    experiment = replace(digits_cnn, folder=str(tmp_path))
    [first] = fit_all(experiment, [experiment.training])
    [file] = tmp_path.iterdir()
    replace_by(file, file.read_bytes()[:1000])
    MEMORY.clear()
    [second] = fit_all(experiment, [experiment.training])
    assert same(first, second)


def test_a_training_file_with_a_changed_byte_is_trained_again(digits_cnn: Experiment, tmp_path: Path) -> None:
    experiment = replace(digits_cnn, folder=str(tmp_path))
    [first] = fit_all(experiment, [experiment.training])
    [file] = tmp_path.iterdir()
    damaged = bytearray(file.read_bytes())
    place = damaged.find(first.outputs.numpy().tobytes())
    assert place > 0
    damaged[place] ^= 1
    replace_by(file, bytes(damaged))
    MEMORY.clear()
    [second] = fit_all(experiment, [experiment.training])
    assert same(first, second)


def test_a_training_file_that_is_cut_or_scribbled_over_anywhere_is_no_training(
    digits_cnn: Experiment, tmp_path: Path
) -> None:
    """Whatever zipfile, zlib, pickle and torch make of it: it is as if there were none."""
    experiment = replace(digits_cnn, folder=str(tmp_path))
    shelf, training = Shelf(experiment), experiment.training
    fit_all(experiment, [training])
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    draw = np.random.default_rng(0)
    broken = [whole[:end] for end in np.linspace(0, len(whole) - 1, 40).astype(int)]
    for place in draw.integers(0, len(whole) - 8, 60):
        broken.append(whole[:place] + draw.bytes(8) + whole[place + 8 :])
    broken += [whole[: len(whole) // 2] + whole[: len(whole) // 2], b"PK\x03\x04", whole + b"more" * 9]
    expected = fit(experiment, training)
    for content in broken:
        replace_by(file, content)
        MEMORY.clear()
        found = shelf.read(training)
        assert found is None or same(found, expected)
    replace_by(file, whole)
    MEMORY.clear()
    assert shelf.read(training) is not None


def replace_by(file: Path, content: bytes) -> None:
    """Another file in its place; the one that was there is mapped by who has read it."""
    file.unlink()
    file.write_bytes(content)


def test_equal_trainings_are_carried_out_once_and_come_back_in_the_order_asked(digits_cnn: Experiment) -> None:
    done: list[int] = []
    experiment = replace(digits_cnn, executor=noting(done))
    a, b = digits_cnn.training.having(epochs=1), digits_cnn.training.having(epochs=1, seed=5)
    results = fit_all(experiment, [a, b, a])
    assert [result.training.seed for result in results] == [0, 5, 0]
    assert sorted(done) == [0, 5]


def test_trainings_of_several_experiments_are_carried_out_together_the_longest_first(digits_cnn: Experiment) -> None:
    done: list[int] = []
    one = replace(digits_cnn, executor=noting(done))
    other = one.variant("shuffled", train=replace(one.train, targets=one.train.targets.roll(1)))
    short, long = one.training.having(epochs=1, seed=1), one.training.having(epochs=2, seed=2)
    results = fit_together([(one, short), (other, long), (other, short)])
    assert done == [2, 1, 1]
    assert [(result.variant, result.training) for result in results] == [
        ("", short),
        ("shuffled", long),
        ("shuffled", short),
    ]
    assert same(results[0], fit(digits_cnn, short))
    assert same(results[2], fit(other, short))


def noting(seeds: list[int]) -> Executor:
    """One training after another, the seed of each noted."""

    def carry_out(wanted: Sequence[Wanted]) -> Iterator[tuple[int, Trained]]:
        for place, trained in one_after_another(wanted):
            seeds.append(trained.training.seed)
            yield place, trained

    return carry_out


def test_other_data_under_a_variant_is_another_training(digits_cnn: Experiment) -> None:
    shuffled = digits_cnn.train.targets.roll(1)
    variant = digits_cnn.variant("shuffled", train=replace(digits_cnn.train, targets=shuffled))
    assert not same(fit_all(digits_cnn, [digits_cnn.training])[0], fit_all(variant, [variant.training])[0])
