"""Weights that were learnt elsewhere: what they gain over chance, and the wrong ones named."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from recipe.executors.parcel import fit_parcel, pack, pack_training
from recipe.executors.shared_memory import share
from recipe.models import Cnn, Mlp, ResNet
from recipe.practices.regularize.combination import changes
from recipe.practices.regularize.pretrained import pretrained, pretrained_changes
from recipe.training.components import Component
from recipe.training.experiment import (
    Budget,
    Experiment,
    Training,
    make_experiment,
    training_from_json,
    training_to_json,
)
from recipe.training.fit import fit
from recipe.training.weights import Weights, read_weights

Data = tuple[Tensor, Tensor]
FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3})
SMALL: dict[str, Any] = {"width": 8, "blocks": [1, 1]}
HALF = 5  # of the classes
A_CLASS = 10  # examples that there are to learn from


def of(digits: Data, wanted: Callable[[Tensor], Tensor]) -> Data:
    images, labels = digits
    return images[wanted(labels)], labels[wanted(labels)]


def few_of_the_upper_half(digits: Data) -> tuple[Data, Data]:
    """Ten examples of each of the digits 5 to 9 to learn from, and 400 others to validate on; labels from 0."""
    images, labels = of(digits, lambda labels: labels >= HALF)
    few = torch.cat([torch.nonzero(labels == label)[:A_CLASS, 0] for label in labels.unique()])
    others = torch.ones(len(labels), dtype=torch.bool).index_fill(0, few, False).nonzero()[:400, 0]
    return (images[few], labels[few] - HALF), (images[others], labels[others] - HALF)


@pytest.fixture(scope="module")
def lower_half(digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A small ResNet that knows the digits 0 to 4, as a checkpoint of torch."""
    images, labels = of(digits, lambda labels: labels < HALF)
    exp = make_experiment(
        ResNet,
        (images[:-100], labels[:-100]),
        (images[-100:], labels[-100:]),
        model_settings=SMALL,
        optimizer=Component("optimizer", "torch.optim.Adam", {"lr": 1e-3}),
        epochs=15,
    )
    path = tmp_path_factory.mktemp("weights") / "lower_half.pt"
    torch.save({"epoch": 15, "state_dict": {f"module.{k}": v for k, v in fit(exp, exp.training).state.items()}}, path)
    return read_weights(path)


@pytest.fixture
def upper_half(digits: Data, lower_half: Weights) -> Experiment:
    train, validation = few_of_the_upper_half(digits)
    exp = make_experiment(
        ResNet,
        train,
        validation,
        model_settings=SMALL,
        optimizer=FAST,
        epochs=10,
        batch_size=16,
        pretrained=lower_half,
    )
    return replace(exp, budget=Budget(seeds=4))


def test_weights_of_other_digits_are_a_better_start_than_chance_and_the_gain_holds(upper_half: Experiment) -> None:
    found = upper_half.examine(pretrained)
    assert found.verdict == "pass"
    assert found.measured is not None and found.measured > 0.2
    assert found.interval is not None and found.interval[0] > 0
    assert (
        "100.0% of the numbers in the body; a head that knows less than a constant guess starts afresh" in found.summary
    )
    assert "fine-tuned weights" in found.summary and "frozen body" in found.summary
    assert not found.table["loaded"][found.table["name"].str.startswith("head.")].any()
    assert found.table["loaded"].sum() == len(found.table) - 2


def test_a_head_for_the_same_classes_is_kept(digits: Data, tmp_path: Path) -> None:
    images, labels = digits
    base = make_experiment(Mlp, (images[:700], labels[:700]), (images[1400:], labels[1400:]), optimizer=FAST, epochs=10)
    save_file(fit(base, base.training).state, tmp_path / "mlp.safetensors")
    exp = make_experiment(
        Mlp,
        (images[700:800], labels[700:800]),
        (images[1400:], labels[1400:]),
        optimizer=FAST,
        epochs=10,
        pretrained=read_weights(tmp_path / "mlp.safetensors"),
    )
    found = replace(exp, budget=Budget(seeds=4)).examine(pretrained)
    assert found.verdict == "pass" and found.table["loaded"].all()
    assert "and the head, better than a constant guess" in found.summary
    assert found.interval is not None and found.interval[0] > 0


@pytest.mark.fault(
    "regularize/pretrained",
    "fail: the weights of an MLP for a CNN; warn: most of the body, or its input channels, of another shape",
)
def test_the_weights_of_an_mlp_fail_a_cnn_and_are_named(digits: Data, tmp_path: Path) -> None:
    torch.save(Mlp((1, 8, 8), 10).state_dict(), tmp_path / "mlp.pt")
    exp = make_experiment(Cnn, digits, digits, epochs=1, pretrained=read_weights(tmp_path / "mlp.pt"))
    found = exp.examine(pretrained)
    assert found.verdict == "fail" and found.measured == 0
    assert "weights of another model" in found.summary and "mlp.pt" in found.summary
    assert "body.0.weight (16x1x3x3 here, not there)" in found.summary
    assert not found.table["loaded"].any()
    assert pretrained_changes(exp) == []  # and so nothing is trained with them


def test_a_body_most_of_which_does_not_fit_warns_with_names_and_shapes(digits: Data, tmp_path: Path) -> None:
    torch.save(Cnn((1, 8, 8), 10, hidden=64).state_dict(), tmp_path / "narrow.pt")
    images, labels = digits
    exp = make_experiment(
        Cnn,
        (images[:100], labels[:100]),
        (images[100:200], labels[100:200]),
        epochs=1,
        pretrained=read_weights(tmp_path / "narrow.pt"),
    )
    found = exp.examine(pretrained)
    assert found.verdict == "warn"
    assert "dense.1.weight (128x128 here, 64x128 there)" in found.summary
    row = found.table.set_index("name").loc["dense.1.weight"]
    assert (row["here"], row["there"], row["loaded"], row["why"]) == ("128x128", "64x128", False, "another shape")


def test_a_first_layer_for_another_number_of_channels_warns(digits: Data, tmp_path: Path) -> None:
    torch.save(ResNet((3, 8, 8), 10, width=4, blocks=[1]).state_dict(), tmp_path / "colour.pt")
    images, labels = digits
    exp = make_experiment(
        ResNet,
        (images[:100], labels[:100]),
        (images[100:200], labels[100:200]),
        model_settings={"width": 4, "blocks": [1]},
        epochs=1,
        pretrained=read_weights(tmp_path / "colour.pt"),
    )
    found = exp.examine(pretrained)
    assert found.verdict == "warn"
    assert "The first layer, stem.0.weight, takes 1 inputs here and 3 there" in found.summary


def test_without_weights_it_is_skipped_and_says_how_to_name_some(digits_cnn: Experiment) -> None:
    found = digits_cnn.examine(pretrained)
    assert found.verdict == "skip" and "pretrained=" in found.summary


def test_a_model_that_loads_weights_of_its_own_is_compared_with_itself_from_scratch(digits: Data) -> None:
    images, labels = digits
    base = make_experiment(Mlp, (images[:700], labels[:700]), (images[1400:], labels[1400:]), optimizer=FAST, epochs=10)
    state = fit(base, base.training).state

    def from_the_zoo(input_shape: tuple[int, ...], n_outputs: int, pretrained: bool = False) -> nn.Module:
        net = Mlp(input_shape, n_outputs)
        if pretrained:
            net.load_state_dict(state)
        return net

    exp = make_experiment(
        from_the_zoo,
        (images[700:800], labels[700:800]),
        (images[1400:], labels[1400:]),
        model_settings={"pretrained": True},
        optimizer=FAST,
        epochs=5,
    )
    found = replace(exp, budget=Budget(seeds=4)).examine(pretrained)
    assert found.interval is not None and found.interval[0] > 0
    assert found.measured is not None and found.measured > 0
    off = replace(exp, training=exp.training.having(model=exp.training.model.having(pretrained=False)))
    assert off.examine(pretrained).verdict == "skip"


def test_the_frozen_body_stays_as_it_was_batch_norms_included_and_the_head_learns(
    upper_half: Experiment, lower_half: Weights
) -> None:
    training = upper_half.training.having(weights=lower_half.digest, frozen=True, new_head=True, epochs=2)
    trained = fit(upper_half, training).state
    before = upper_half.new_model(training=training).state_dict()
    changed = {name for name, value in trained.items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_of_two_changes_that_start_from_the_weights_the_first_stays(upper_half: Experiment) -> None:
    tuned, frozen = pretrained_changes(upper_half)
    assert {"fine-tuned weights", "frozen body"} <= {one.name for one in changes(upper_half)}
    both = frozen.apply(tuned.apply(upper_half.training))
    assert both == tuned.apply(upper_half.training) and not both.frozen


def test_a_new_head_begins_with_the_bias_of_the_best_constant_guess(
    upper_half: Experiment, lower_half: Weights
) -> None:
    training = upper_half.training.having(weights=lower_half.digest, new_head=True)
    bias = upper_half.new_model(training=training).state_dict()["head.bias"]
    assert torch.allclose(bias, upper_half.objective.prior_outputs(upper_half.train.targets))


def test_other_weights_are_another_training(upper_half: Experiment) -> None:
    def key(weights: str | None) -> str:
        return str(upper_half.training.having(weights=weights).parameters())

    assert len({key(None), key("a"), key("b")}) == 3


def test_weights_travel_to_worker_processes_in_a_file_that_they_share(
    upper_half: Experiment, lower_half: Weights
) -> None:
    shared = share(upper_half)
    assert shared.experiment.pretrained is not None and not shared.experiment.pretrained.state
    training = upper_half.training.having(weights=lower_half.digest, epochs=1)
    there = fit(pickle.loads(pickle.dumps(shared)).whole(), training)  # noqa: S301 - made a line above
    assert torch.equal(there.outputs, fit(upper_half, training).outputs)


def test_weights_travel_to_the_workers_of_a_cluster(upper_half: Experiment, lower_half: Weights) -> None:
    training = upper_half.training.having(weights=lower_half.digest, epochs=1)
    there = fit_parcel(pack(upper_half), pack_training(training))
    assert torch.equal(there.outputs, fit(upper_half, training).outputs)


def test_a_chosen_training_keeps_its_weights_through_its_file(upper_half: Experiment, lower_half: Weights) -> None:
    named = Training(Component("model", "recipe.models.ResNet", SMALL), FAST, weights=lower_half.digest, frozen=True)
    assert training_from_json(training_to_json(named)) == named
