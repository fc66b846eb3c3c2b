"""Mixed, erased, randomised and cut-out digits."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recipe.creative_augmentation import ImageDisturbance, Mixing, share_before_a_plain_ground
from recipe.training.experiment import set_seed

Data = tuple[Tensor, Tensor]


@pytest.fixture
def images(digits: Data) -> Tensor:
    """Digits in 0..1 in the middle of a black square of 16 x 16."""
    images = digits[0][:200]
    return functional.pad((images - images.min()) / (images.max() - images.min()), (4, 4, 4, 4))


def test_mixup_gives_each_its_share(images: Tensor) -> None:
    set_seed(0)
    mixed, partner, own = Mixing(mixup=1.0)(images)
    assert 0 < own < 1 and sorted(partner.tolist()) == list(range(len(images)))
    assert torch.allclose(mixed, own * images + (1 - own) * images[partner], atol=1e-6)


def test_most_mixtures_of_a_small_alpha_are_nearly_pure(images: Tensor) -> None:
    set_seed(0)
    shares = torch.tensor([Mixing(mixup=0.2)(images[:2])[2] for _ in range(500)])
    assert abs(shares.mean() - 0.5) < 0.06
    assert ((shares - 0.5).abs() > 0.4).float().mean() > 0.5


def test_the_share_of_cutmix_is_the_area_that_is_left(images: Tensor) -> None:
    set_seed(0)
    numbered = torch.arange(float(len(images))).view(-1, 1, 1, 1).expand_as(images)
    for _ in range(20):
        mixed, partner, own = Mixing(cutmix=1.0)(numbered)
        foreign = partner != torch.arange(len(images))
        assert ((mixed == numbered).float().mean((1, 2, 3))[foreign] == pytest.approx(own)) or own == 1
        assert ((mixed == numbered) | (mixed == numbered[partner])).all()


def test_with_both_kinds_on_each_batch_is_of_one(images: Tensor) -> None:
    set_seed(0)
    both, kinds = Mixing(mixup=1.0, cutmix=1.0), set()
    for _ in range(20):
        mixed, partner, _ = both(images)
        kinds.add(bool(((mixed == images) | (mixed == images[partner])).all()))
    assert kinds == {True, False}


def test_a_rectangle_of_the_chosen_images_is_erased_and_no_more(images: Tensor) -> None:
    set_seed(0)
    changed = ImageDisturbance(erasing=0.5)(images) != images
    touched = changed.flatten(1).any(1)
    assert 0.4 < touched.float().mean() < 0.6
    heights, widths = changed[touched].any(3).sum((1, 2)), changed[touched].any(2).sum((1, 2))
    areas = changed[touched].sum((1, 2, 3))
    assert (areas == heights * widths).all()
    assert areas.min() >= 1 and 0.35 < areas.max() / 256 < 0.45


def test_domain_randomisation_stays_in_range_and_is_stronger_where_it_is_asked_to_be(images: Tensor) -> None:
    distances = []
    for strength in (0.3, 1.0):
        set_seed(0)
        changed = ImageDisturbance(randomisation=strength)(images)
        assert changed.min() >= 0 and changed.max() <= 1
        distances.append((changed - images).abs().mean())
    assert distances[1] > 2 * distances[0] > 0


def test_another_ground_leaves_what_is_shown(images: Tensor) -> None:
    set_seed(0)
    changed = ImageDisturbance(grounds=1.0)(images)
    shown = images > 0.5
    assert torch.allclose(changed[shown], images[shown], atol=1e-5)
    assert changed[images == 0].std() > 0.1


def test_the_ground_of_digits_that_reach_the_border_is_not_plain(images: Tensor) -> None:
    assert share_before_a_plain_ground(images, 0.9) == 1
    assert share_before_a_plain_ground(images[:, :, 4:-4, 4:-4], 0.9) < 0.5
    assert share_before_a_plain_ground(torch.rand(50, 3, 16, 16), 0.9) == 0
