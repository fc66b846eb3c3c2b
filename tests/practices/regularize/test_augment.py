"""What the two practices of augmentation try, what they leave out and why, and what they show."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recipe.models import Cnn, Mlp
from recipe.practices.regularize.augment import augment, augment_changes
from recipe.practices.regularize.creative_augment import creative_augment, creative_augment_changes
from recipe.settings import Stages
from recipe.training.components import Component
from recipe.training.experiment import Experiment, make_experiment

Data = tuple[Tensor, Tensor]
AT_HAND = Component("augment", "recipe.augmentation.ImageAugmentation", {"degrees": 5.0, "translate": 0.05})
FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3})
ALL = ["mixup", "cutmix", "random erasing", "domain randomisation"]


def on_images(images: Tensor, labels: Tensor, **settings: object) -> Experiment:
    hand = AT_HAND.having(**settings)
    train, validation = (images[:1000], labels[:1000]), (images[1000:], labels[1000:])
    return make_experiment(Cnn, train, validation, optimizer=FAST, augment=hand, epochs=1, model_settings={"width": 4})


@pytest.fixture
def looking_either_way(digits: Data) -> Data:
    """Digits of which every other one is mirrored left to right, so that which side is which says nothing."""
    images, labels = digits
    return torch.where((torch.arange(len(images)) % 2 == 0).view(-1, 1, 1, 1), images, images.flip(3)), labels


def names(exp: Experiment) -> list[str]:
    return [change.name for change in augment_changes(exp)]


def test_digits_are_tried_at_three_strengths_and_never_flipped(digits: Data) -> None:
    exp = on_images(*digits)
    assert names(exp) == ["augmentation at half strength", "augmentation", "augmentation at double strength"]
    strengths = [change.apply(exp.training).augment.settings.get("strength", 1) for change in augment_changes(exp)]
    assert strengths == [0.5, 1, 2]
    found = exp.examine(augment)
    assert found.verdict == "pass" and set(found.figures) == {"curves", "examples"}
    assert "Flips left to right cost a small net" in found.summary and "so they were not tried" in found.summary


def test_strengths_are_times_the_one_that_is_set(digits: Data) -> None:
    exp = on_images(*digits, strength=0.6)
    strengths = [change.apply(exp.training).augment.settings["strength"] for change in augment_changes(exp)]
    assert strengths == pytest.approx([0.3, 0.6, 1.2])


def test_images_that_look_either_way_are_flipped_too(looking_either_way: Data) -> None:
    exp = on_images(*looking_either_way)
    assert names(exp)[3:] == ["augmentation with flips left to right"]
    augmentation = augment_changes(exp)[3].apply(exp.training).augment
    assert augmentation is not None and augmentation.settings["flip"] is True


@pytest.mark.fault("regularize/augment", "warn: flips are on, and mirrored digits are other digits")
def test_flips_that_change_labels_warn(digits: Data) -> None:
    found = on_images(*digits, flip=True).examine(augment)
    assert found.verdict == "warn"
    assert "augment.flip=false" in found.advice and "and they are on" in found.summary


def test_flips_that_labels_survive_do_not_warn(looking_either_way: Data) -> None:
    found = on_images(*looking_either_way, flip=True).examine(augment)
    assert found.verdict == "pass" and "so they are on" in found.summary


def test_an_augmentation_of_ones_own_that_declares_no_strength_is_tried_as_it_is(digits: Data) -> None:
    exp = replace(on_images(*digits), augment=Component("augment", lambda batch: batch * 0.9))
    assert names(exp) == ["augmentation"]


def test_a_strength_that_goes_with_another_changes_nothing_and_a_flip_is_added_to_it(looking_either_way: Data) -> None:
    half, own, _, flips = augment_changes(exp := on_images(*looking_either_way))
    halved = half.apply(exp.training)
    assert own.apply(halved) == halved
    assert flips.apply(halved).augment.settings == {**AT_HAND.settings, "strength": 0.5, "flip": True}


def test_every_creative_change_is_tried_on_images_and_drawn(digits: Data) -> None:
    found = on_images(*digits).examine(creative_augment)
    assert found.table["change"].tolist() == ALL
    assert set(found.figures) == {"curves", "examples"}
    assert "No other grounds: 0% of the images show something before a plain ground." in found.summary


def test_images_before_a_plain_ground_are_set_before_others(digits: Data) -> None:
    images, labels = digits
    padded = functional.pad(images - images.min(), (2, 2, 2, 2))
    exp = on_images(padded, labels)
    assert [change.name for change in creative_augment_changes(exp)] == [*ALL, "other grounds"]


def test_rows_of_a_table_are_mixed_and_nothing_else(diabetes_mlp: Experiment) -> None:
    found = diabetes_mlp.examine(creative_augment)
    assert found.table["change"].tolist() == ["mixup"]
    assert "No cutmix: the examples are no images." in found.summary


def test_codes_are_not_mixed_and_the_practice_says_why(digits: Data) -> None:
    codes, labels = (digits[0].flatten(1) * 4).round(), digits[1]
    found = make_experiment(Mlp, (codes, labels), (codes, labels), epochs=1).examine(creative_augment)
    assert found.verdict == "skip" and "No mixup: the inputs are whole numbers" in found.summary


def test_what_is_nought_in_the_settings_is_not_tried(digits: Data) -> None:
    stages = Stages.default(regularize={"creative_augment": {"mixup": 0.0, "erasing": 0.0}})
    exp = replace(on_images(*digits), stages=stages)
    assert [change.name for change in creative_augment_changes(exp)] == ["cutmix", "domain randomisation"]


def test_changes_of_one_part_add_up(digits: Data) -> None:
    exp = on_images(*digits)
    training = exp.training
    for change in creative_augment_changes(exp):
        training = change.apply(training)
    assert training.mix is not None and training.mix.settings == {"mixup": 0.2, "cutmix": 1.0}
    assert training.disturb is not None and set(training.disturb.settings) == {"erasing", "randomisation"}
    assert [change.name for change in creative_augment_changes(replace(exp, training=training))] == []
