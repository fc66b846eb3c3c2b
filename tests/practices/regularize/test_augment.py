"""What augmentation tries, what it leaves out and why, and what it shows."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recipe.models import Cnn
from recipe.practices.regularize.augment import augment, augment_changes
from recipe.training.components import Component
from recipe.training.experiment import Experiment, make_experiment

Data = tuple[Tensor, Tensor]
AT_HAND = Component("augment", "recipe.augmentation.ImageAugmentation", {"degrees": 5.0, "translate": 0.05})
FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3})


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
