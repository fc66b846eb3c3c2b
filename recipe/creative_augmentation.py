"""Changes of training batches that no camera makes: images disturbed, and examples mixed with one another."""

import functools
import math
import random

import torch
from torch import Tensor

ERASED = (0.02, 0.4)  # of an image's area, the least and the most (Zhong et al. 2020)
NARROWEST = 0.3  # a rectangle's height to its width, or the other way round (the same)
LIGHT, NOISE, TEXTURE = 0.5, 0.1, 0.3  # of the range of the batch at strength 1; ours, chosen by looking at pictures
CELLS = 4  # a texture's random values along a side: blots of about a quarter of it
GROUND = 0.1  # of the range of the batch: a pixel that is no further than this from the ground belongs to it
AWAY = 0.5  # of the way to a texture that another ground goes, so that what is shown stands out; ours, by looking
OPAQUE = 0.5  # of the same range: a pixel that is so far from it lets nothing of the ground through


class Mixing:
    """Each example of a batch mixed with another one; the loop then mixes its loss alike, from both targets.

    Where both kinds are on, each batch is of one of them, by chance (Wightman et al. 2021).

    Args:
        mixup: both parameters of the Beta distribution that the shares are drawn from (Zhang et al. 2018); 0: off.
        cutmix: the same where a rectangle of one image is set into the other (Yun et al. 2019).
    """

    def __init__(self, mixup: float = 0.0, cutmix: float = 0.0) -> None:
        self.kinds = [(mix, alpha) for mix, alpha in ((mixed_up, mixup), (cut_and_mixed, cutmix)) if alpha]

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor, float]:
        """`inputs` (N, ...) -> those mixed, whom each is mixed with (N,), and the share that is each one's own."""
        partner = torch.randperm(len(inputs), device=inputs.device)
        if not self.kinds:
            return inputs, partner, 1.0
        mix, alpha = random.choice(self.kinds)
        # drawn by Python, whose generator is seeded as torch's is: no device is waited for
        mixed, own = mix(inputs, inputs[partner], random.betavariate(alpha, alpha))
        return mixed, partner, own


def mixed_up(inputs: Tensor, others: Tensor, own: float) -> tuple[Tensor, float]:
    """`own` of each of `inputs` (N, ...) and the rest of `others`; with that share."""
    return torch.lerp(others, inputs, own), own


def cut_and_mixed(inputs: Tensor, others: Tensor, own: float) -> tuple[Tensor, float]:
    """`inputs` (N, C, H, W) with the same rectangle of `others` in each; with the share of the area that is left.

    The rectangle has the image's shape and 1 - `own` of its area; its middle lies anywhere, so that it may be cut off.
    """
    height, width = inputs.shape[2:]
    side = math.sqrt(1 - own)
    top, bottom = _span(height, side)
    left, right = _span(width, side)
    mixed = inputs.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _span(length: int, share: float) -> tuple[int, int]:
    """From where to where a piece of `share` of the `length` lies, its middle anywhere."""
    middle, half = random.randrange(length), int(length * share) // 2
    return max(0, middle - half), min(length, middle + half)


class ImageDisturbance:
    """Set what an image shows before other grounds, change its light and texture at random, erase a part of it.

    Args:
        grounds: the share of the images that are set before another ground; 0: off.
        randomisation: the strength of the changes of light, texture, noise and blur; 0: off.
        erasing: the share of the images of which a rectangle is erased; 0: off.
    """

    def __init__(self, grounds: float = 0.0, randomisation: float = 0.0, erasing: float = 0.0) -> None:
        self.grounds, self.randomisation, self.erasing = grounds, randomisation, erasing

    def __call__(self, batch: Tensor) -> Tensor:
        """`batch` (N, C, H, W) -> (N, C, H, W)."""
        if self.grounds:
            batch = before_other_grounds(batch, self.grounds)
        if self.randomisation:
            batch = randomised(batch, self.randomisation)
        if self.erasing:
            batch = partly_erased(batch, self.erasing)
        return batch


def partly_erased(batch: Tensor, share: float) -> Tensor:
    """`batch` (N, C, H, W) in which a `share` of the images have noise in the place of a rectangle.

    Random erasing (Zhong et al. 2020), its variant with random values. A rectangle too long for the image is cut short.
    """
    count, _, height, width = batch.shape
    low, high = torch.aminmax(batch)
    chance, area, shape, down, across = torch.rand(5, count, 1, device=batch.device)
    area = (ERASED[0] + (ERASED[1] - ERASED[0]) * area) * height * width
    ratio = torch.exp((2 * shape - 1) * math.log(NARROWEST))
    rows = _between(height, torch.sqrt(area * ratio).round(), down)
    columns = _between(width, torch.sqrt(area / ratio).round(), across)
    erased = (rows & (chance < share)).view(count, 1, height, 1) & columns.view(count, 1, 1, width)
    return torch.where(erased, low + (high - low) * torch.rand_like(batch), batch)


def _between(length: int, size: Tensor, place: Tensor) -> Tensor:
    """Which of `length` pixels lie in a piece of `size` (N, 1) at `place` (N, 1), 0 to 1: (N, length)."""
    size = size.clamp(1, length)
    start = (place * (length + 1 - size)).floor()
    pixels = torch.arange(length, device=size.device)
    return (pixels >= start) & (pixels < start + size)


def randomised(batch: Tensor, strength: float) -> Tensor:
    """`batch` (N, C, H, W) under other lights, with blots, noise and blur, each image by amounts of its own.

    Domain randomisation (Tobin et al. 2017), of what can be changed in a picture that has been taken.
    """
    low, high = torch.aminmax(batch)
    extent = strength * (high - low)
    light, noise, blur = torch.rand(3, *batch.shape[:2], 1, 1, device=batch.device)
    changed = torch.lerp(batch, _blurred(batch), strength * blur)
    changed = changed * (1 + strength * LIGHT * (2 * light - 1)) + TEXTURE * extent * (2 * texture_like(batch) - 1)
    changed = changed + NOISE * extent * noise[:, :1] * torch.randn_like(batch)
    return changed.clamp(low, high)


def before_other_grounds(batch: Tensor, share: float) -> Tensor:
    """`batch` (N, C, H, W) in which a `share` of the images have a texture in the place of their plain ground.

    Cut and paste (Dwibedi et al. 2017) where no pictures of empty scenes are at hand. The ground is what an image's
    border is mostly of; what differs from it comes through the less, the less it differs.
    """
    low, high = torch.aminmax(batch)
    ground = ground_of(batch)
    lets_through = 1 - ((batch - ground).abs().amax(1, keepdim=True) / (OPAQUE * (high - low))).clamp(max=1)
    chosen = torch.rand(len(batch), 1, 1, 1, device=batch.device) < share
    away = AWAY * (low + (high - low) * texture_like(batch) - ground)
    return torch.where(chosen, batch + away * lets_through, batch)


def texture_like(batch: Tensor) -> Tensor:
    """Blots of random values in 0..1 for each image and channel of `batch` (N, C, H, W)."""
    few = torch.rand(*batch.shape[:2], CELLS, CELLS, device=batch.device)
    rows, columns = (_spread(length).to(batch.device) for length in batch.shape[2:])
    return rows @ few @ columns.T


@functools.cache
def _spread(length: int) -> Tensor:
    """What draws `CELLS` values out to `length`, in straight lines from one to the next: (length, CELLS).

    As a product of matrices it took a sixth of the time of torch's interpolation on images of 28 x 28.
    """
    places = torch.linspace(0, CELLS - 1, length).unsqueeze(1)
    return (1 - (places - torch.arange(CELLS)).abs()).clamp_min(0)


def _blurred(batch: Tensor) -> Tensor:
    """Each pixel the mean of the four beside it; those of the border stay."""
    blurred = batch.clone()
    beside = (batch[:, :, :-2, 1:-1], batch[:, :, 2:, 1:-1], batch[:, :, 1:-1, :-2], batch[:, :, 1:-1, 2:])
    blurred[:, :, 1:-1, 1:-1] = sum(beside) / len(beside)
    return blurred


def ground_of(batch: Tensor) -> Tensor:
    """What the border of each image of `batch` (N, C, H, W) is mostly of: the median, (N, C, 1, 1)."""
    return _border(batch).median(2, keepdim=True).values.unsqueeze(3)


def share_before_a_plain_ground(batch: Tensor, even: float) -> float:
    """The share of `batch` (N, C, H, W) that show something before a ground of one colour.

    Args:
        even: the share of an image's border that must be of its ground's colour.
    """
    low, high = torch.aminmax(batch)
    ground = ground_of(batch)
    of_ground = (_border(batch) - ground.squeeze(3)).abs().amax(1) <= GROUND * (high - low)
    shown = (batch - ground).abs().amax((1, 2, 3)) >= OPAQUE * (high - low)
    return ((of_ground.float().mean(1) >= even) & shown).float().mean().item()


def _border(batch: Tensor) -> Tensor:
    """The outermost pixels of each image, (N, C, pixels)."""
    sides = (batch[:, :, 0], batch[:, :, -1], batch[:, :, 1:-1, 0], batch[:, :, 1:-1, -1])
    return torch.cat(sides, 2)
