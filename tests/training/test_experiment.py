"""A training travels between stages as plain JSON, and ends by its own target."""

import json
import math
from dataclasses import replace

import pytest
import torch

from recipe.errors import SettingsError, TargetError
from recipe.executors.loky import Processes
from recipe.executors.parcel import fit_parcel, pack, pack_training
from recipe.training.components import Component
from recipe.training.experiment import ADAM, Experiment, Training, training_from_json, training_to_json
from recipe.training.fit import fit, fit_all

MODEL = Component("model", "recipe.models.Mlp", {"width": 8})
STILL = Component("optimizer", "torch.optim.SGD", {"lr": 0.0})
COSINE = Component("scheduler", "torch.optim.lr_scheduler.CosineAnnealingLR")


def test_a_training_comes_back_from_json_as_it_was() -> None:
    noise = Component("augment", "recipe.augmentation.GaussianNoise", {"std": 0.2})
    mix = Component("mix", "recipe.creative_augmentation.Mixing", {"mixup": 0.2})
    erased = Component("disturb", "recipe.creative_augmentation.ImageDisturbance", {"erasing": 0.5})
    training = Training(
        MODEL,
        ADAM.having(lr=1e-3),
        noise,
        COSINE,
        disturb=erased,
        mix=mix,
        epochs=7,
        share=0.5,
        keep_best=True,
        until=0.1,
        patience=3,
    )
    again = training_from_json(json.loads(json.dumps(training_to_json(training))))
    assert again == training
    assert again.parameters() == training.parameters()


def test_a_model_given_as_an_object_cannot_be_written_down_and_says_what_to_do(digits_cnn: Experiment) -> None:
    with pytest.raises(TargetError, match="_target_"):
        training_to_json(digits_cnn.training)


def test_a_training_of_another_version_is_refused_by_name() -> None:
    content = training_to_json(Training(MODEL, ADAM))
    with pytest.raises(SettingsError, match="warmth"):
        training_from_json({**content, "warmth": 1})


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_schedule_goes_through_its_whole_course_in_the_steps_of_a_training(
    digits_cnn: Experiment, share: float
) -> None:
    training = digits_cnn.training.having(scheduler=COSINE, epochs=2, share=share)
    optimizer = digits_cnn.new_optimizer(digits_cnn.new_model(), training)
    scheduler, first = digits_cnn.new_scheduler(optimizer, training), ADAM.settings["lr"]
    assert scheduler is not None
    steps = len(fit(digits_cnn, training).history.train_loss)
    for number in range(1, steps + 1):
        optimizer.step()
        scheduler.step()
        [rate] = {group["lr"] for group in optimizer.param_groups}  # type: ignore[attr-defined]
        assert rate == pytest.approx(first * (1 + math.cos(math.pi * number / steps)) / 2, abs=1e-12)


def test_a_training_with_a_schedule_is_another_one(digits_cnn: Experiment) -> None:
    constant = digits_cnn.training.having(epochs=2)
    scheduled = constant.having(scheduler=COSINE)
    assert constant.parameters() != scheduled.parameters()
    assert not torch.equal(fit(digits_cnn, constant).outputs, fit(digits_cnn, scheduled).outputs)


def test_a_training_whose_examples_are_disturbed_or_mixed_is_another_one(digits_cnn: Experiment) -> None:
    plain = digits_cnn.training.having(epochs=1)
    mixed = plain.having(mix=Component("mix", "recipe.creative_augmentation.Mixing", {"mixup": 0.2}))
    part = Component("disturb", "recipe.creative_augmentation.ImageDisturbance", {"erasing": 0.5})
    disturbed = plain.having(disturb=part)
    assert len({str(one.parameters()) for one in (plain, mixed, disturbed)}) == 3
    losses = [fit(digits_cnn, one).history.train_loss for one in (plain, mixed, disturbed, mixed)]
    assert not torch.equal(losses[0], losses[1]) and not torch.equal(losses[0], losses[2])
    assert torch.equal(losses[1], losses[3])  # by the same seed


def test_a_disturbance_comes_after_the_augmentation(digits_cnn: Experiment) -> None:
    halved = Component("augment", lambda batch: batch / 2)
    brought_up = Component("disturb", lambda batch: batch + 1)
    augment = digits_cnn.new_augment(digits_cnn.training.having(augment=halved, disturb=brought_up))
    assert augment is not None and augment(torch.ones(1)).item() == 1.5


def test_only_an_augmentation_that_names_the_columns_of_a_table_is_offered_them(digits_cnn: Experiment) -> None:
    exp = replace(digits_cnn, columns=(0, 0, 1), numeric=(False, False, True))
    seen: dict[str, object] = {}

    def names_them(batch: torch.Tensor, columns: tuple[int, ...] = ()) -> torch.Tensor:
        seen["named"] = columns
        return batch

    def takes_anything(batch: torch.Tensor, **settings: object) -> torch.Tensor:
        seen["anything"] = settings
        return batch

    for call in (names_them, takes_anything):
        augment = exp.new_augment(exp.training.having(augment=Component("augment", call)))
        assert augment is not None
        augment(torch.ones(1))
    assert seen == {"named": (0, 0, 1), "anything": {}}


def test_a_training_ends_with_the_epoch_that_reaches_its_target(digits_cnn: Experiment) -> None:
    run = fit(digits_cnn, digits_cnn.training.having(epochs=40, until=1.0))
    losses = run.history.epoch_loss()
    assert run.history.epochs < 40
    assert losses[-1] <= 1.0 < losses[-2]


def test_a_training_out_of_patience_ends_wherever_it_is_carried_out(digits_cnn: Experiment) -> None:
    [impatient, other] = [
        digits_cnn.training.having(optimizer=STILL, epochs=9, patience=2, seed=seed) for seed in (0, 1)
    ]
    assert impatient.parameters() != impatient.having(patience=None).parameters()
    beside = fit_all(digits_cnn.variant("beside", executor=Processes(2)), [impatient, other])
    assert [run.history.epochs for run in (fit(digits_cnn, impatient), *beside)] == [3, 3, 3]
    assert fit_parcel(pack(digits_cnn), pack_training(impatient)).history.epochs == 3
