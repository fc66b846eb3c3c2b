"""What augmentations do to a batch, on digits and on the rows of a table."""

import pytest
import torch
from torch import Tensor

from recipe.augmentation import ImageAugmentation, RandomAffine, RandomColour, TableAugmentation

Data = tuple[Tensor, Tensor]
SHADES = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


@pytest.fixture
def images(digits: Data) -> Tensor:
    """A batch of digits in 0..1."""
    images = digits[0][:64]
    return (images - images.min()) / (images.max() - images.min())


def seeded(change: object, batch: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    changed: Tensor = change(batch)  # type: ignore[operator]
    return changed


def test_at_strength_two_every_amount_is_twice_as_large(images: Tensor) -> None:
    amounts = {"degrees": 8.0, "translate": 0.05, "scale": 0.1, "shear": 4.0, "brightness": 0.1, "contrast": 0.2}
    twice = ImageAugmentation(**{name: 2 * amount for name, amount in amounts.items()})
    strong = ImageAugmentation(**amounts, strength=2)
    assert torch.equal(seeded(strong, images), seeded(twice, images))


def test_at_strength_nought_nothing_moves(images: Tensor) -> None:
    still = ImageAugmentation(shear=10, **SHADES, strength=0)
    assert torch.allclose(seeded(still, images), images, atol=1e-5)


def test_shear_slants_what_no_turn_or_shift_does(images: Tensor) -> None:
    line = torch.zeros(64, 1, 9, 9)
    line[:, :, 4] = 1  # lies along the direction in which a slant moves things
    slanted = seeded(RandomAffine(degrees=0, translate=0, scale=0, shear=20), line)
    assert torch.allclose(slanted, line, atol=1e-5)
    upright = seeded(RandomAffine(degrees=0, translate=0, scale=0, shear=20), line.transpose(2, 3))
    assert not torch.allclose(upright, line.transpose(2, 3), atol=0.1)


@pytest.mark.parametrize(("setting", "dimension"), [("flip", 3), ("flip_vertical", 2)])
def test_a_flip_mirrors_half_of_the_images_and_leaves_the_others(images: Tensor, setting: str, dimension: int) -> None:
    flipped = seeded(ImageAugmentation(degrees=0, translate=0, scale=0, **{setting: True}), images)
    mirrored = [torch.allclose(one, due, atol=1e-5) for one, due in zip(flipped, images.flip(dimension), strict=True)]
    left = [torch.allclose(one, due, atol=1e-5) for one, due in zip(flipped, images, strict=True)]
    assert all(a or b for a, b in zip(mirrored, left, strict=True))
    assert 20 < sum(mirrored) < 44


def test_colours_of_grey_images_stay_grey(images: Tensor) -> None:
    grey = images.expand(-1, 3, -1, -1)
    changed = seeded(RandomColour(brightness=0, contrast=0, saturation=0.5, hue=0.5), grey)
    assert torch.allclose(changed, grey, atol=1e-3)


def test_half_a_turn_of_the_colours_makes_their_opposites() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    turned = RandomColour(0, 0, 0, 0.5)
    opposite = (torch.tensor([[1.0, -1.0, 0.0]]) @ turned.colours.flatten(1)).view(3, 3) @ red.flatten()
    assert opposite[0] < 0 and torch.allclose(opposite[1], opposite[2], atol=0.1) and opposite[1] > 0.5


def test_light_stays_within_the_range_of_the_batch(images: Tensor) -> None:
    changed = seeded(RandomColour(**SHADES, strength=2), images.expand(-1, 3, -1, -1))
    assert changed.min() >= 0 and changed.max() <= 1
    assert not torch.allclose(changed, images.expand(-1, 3, -1, -1), atol=0.1)


def test_a_swapped_category_is_a_category_and_takes_no_noise(digits: Data, diabetes: Data) -> None:
    """Three columns: a number, a category of ten, a number."""
    numbers, category = diabetes[0][:400, :2], torch.eye(10)[digits[1][:400]]
    rows = torch.cat([numbers[:, :1], category, numbers[:, 1:]], 1)
    change = TableAugmentation(0.1, 0.3, columns=[0, *[1] * 10, 2], numeric=[True, *[False] * 10, True])
    changed = seeded(change, rows)
    assert (changed[:, 1:11].sum(1) == 1).all() and set(changed[:, 1:11].unique().tolist()) == {0.0, 1.0}
    other = (changed[:, 1:11] != category).any(1).float().mean()
    assert 0.2 < other < 0.34  # three tenths, less those who got their own category
    assert 0.05 < (changed[:, 0] - rows[:, 0]).abs().median() < 0.2


def test_each_cell_is_swapped_with_a_row_of_its_own(diabetes: Data) -> None:
    rows = diabetes[0]
    changed = seeded(TableAugmentation(std=0, swap=0.5), rows)
    places = [{int(i) for i in (changed[:, c] != rows[:, c]).nonzero()} for c in (0, 2)]
    assert places[0] != places[1]
    assert all(set(changed[:, c].tolist()) <= set(rows[:, c].tolist()) for c in range(rows.shape[1]))
