"""Random changes that keep the label, made to training batches only."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

# RGB -> YIQ, the colour space of NTSC television: brightness, and two coordinates of colour, which are 0 for grey
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
TURN_OF_HUE = 2 * math.pi  # a hue of 1 is the whole circle of colours


class ImageAugmentation:
    """Turn, shift, zoom, shear and, where a mirrored image has the same label, flip; then change the light and colours.

    A shift is the crop of a padded image, and a zoom with a shift is a crop that is resized; there is no other crop.

    Args:
        degrees, translate, scale, shear, flip, flip_vertical: as `RandomAffine` has them.
        brightness, contrast, saturation, hue: as `RandomColour` has them.
        strength: what every amount is multiplied by.
    """

    def __init__(
        self,
        degrees: float = 10.0,
        translate: float = 0.08,
        scale: float = 0.1,
        shear: float = 0.0,
        flip: bool = False,
        flip_vertical: bool = False,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        strength: float = 1.0,
    ) -> None:
        self.affine = RandomAffine(degrees, translate, scale, flip, shear, flip_vertical, strength)
        self.colour = RandomColour(brightness, contrast, saturation, hue, strength)

    def __call__(self, batch: Tensor) -> Tensor:
        """`batch` (N, C, H, W) -> (N, C, H, W)."""
        return self.colour(self.affine(batch))


class RandomAffine:
    """Turn, shift, scale, shear and, where a mirrored image has the same label, flip each image by its own random
    amount.

    Plain `affine_grid` and `grid_sample`, which took 1/2.8 of the time of a batched augmentation library on small
    images.

    Args:
        degrees: the largest turn either way.
        translate: the largest shift, as a share of the side.
        scale: the largest change of size, as a share.
        flip: mirror half of the images left to right.
        shear: the largest slant either way, in degrees.
        flip_vertical: mirror half of the images top to bottom.
        strength: what every amount is multiplied by; flips have none.
    """

    def __init__(
        self,
        degrees: float = 10.0,
        translate: float = 0.08,
        scale: float = 0.1,
        flip: bool = False,
        shear: float = 0.0,
        flip_vertical: bool = False,
        strength: float = 1.0,
    ) -> None:
        self.degrees, self.shear = degrees * strength, shear * strength
        self.translate, self.scale = translate * strength, scale * strength
        self.flip, self.flip_vertical = flip, flip_vertical

    def __call__(self, batch: Tensor) -> Tensor:
        """`batch` (N, C, H, W) -> (N, C, H, W); what moves in from outside repeats the border."""
        count, device = len(batch), batch.device
        uniform = torch.rand(4, count, device=device) * 2 - 1
        angle = uniform[0] * math.radians(self.degrees)
        size = 1 + uniform[1] * self.scale
        shift = uniform[2:] * 2 * self.translate  # the grid's side is 2
        cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
        columns = [torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1), shift.T]
        if self.flip:
            columns[0] = columns[0] * _signs(batch)
        if self.flip_vertical:
            columns[1] = columns[1] * _signs(batch)
        if self.shear:
            slant = torch.tan((torch.rand(count, 1, device=device) * 2 - 1) * math.radians(self.shear))
            columns[1] = columns[1] + slant * columns[0]
        grid = functional.affine_grid(torch.stack(columns, 2), list(batch.shape), align_corners=False)
        return functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)


class RandomColour:
    """Make each image a little brighter or darker, of more or less contrast, and turn and fade its colours.

    All four are one matrix over the channels, so that an image is gone through once. Saturation and hue are changed in
    YIQ, where grey has no colour: they leave an image alone whose three channels are equal, and one that has another
    number of them. What results is kept within the range of the batch.

    Args:
        brightness, contrast, saturation: the largest change of each, as a share.
        hue: the largest turn of the colours either way, as a share of their circle.
        strength: what every amount is multiplied by.
    """

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        hue: float = 0.02,
        strength: float = 1.0,
    ) -> None:
        self.brightness, self.contrast = brightness * strength, contrast * strength
        self.saturation, self.hue = saturation * strength, hue * strength
        self.colours = _colour_parts()

    def __call__(self, batch: Tensor) -> Tensor:
        """`batch` (N, C, H, W) -> (N, C, H, W)."""
        coloured = batch.shape[1] == len(YIQ) and (self.saturation or self.hue)
        if not (self.brightness or self.contrast or coloured):
            return batch
        uniform = torch.rand(4, len(batch), 1, 1, device=batch.device) * 2 - 1
        light = 1 + uniform[0] * self.brightness
        contrast = 1 + uniform[1] * self.contrast
        pixels = batch.flatten(2)
        offset = (1 - contrast) * light * pixels.mean((1, 2), keepdim=True)
        if coloured:
            matrix = self._colour_matrix(uniform[2, :, :, 0], uniform[3, :, :, 0])
            changed = torch.baddbmm(offset, light * contrast * matrix, pixels)
        else:
            changed = torch.addcmul(offset, light * contrast, pixels)
        low, high = torch.aminmax(batch)
        return changed.clamp(low, high).view_as(batch)

    def _colour_matrix(self, saturation: Tensor, hue: Tensor) -> Tensor:
        """What turns and fades the colours, (N, 3, 3), for amounts (N, 1) of -1 to 1."""
        fade, turn = 1 + saturation * self.saturation, hue * self.hue * TURN_OF_HUE
        parts = torch.cat([torch.ones_like(fade), fade * torch.cos(turn), fade * torch.sin(turn)], 1)
        return (parts @ self.colours.to(parts.device).flatten(1)).view(-1, len(YIQ), len(YIQ))


class TableAugmentation:
    """Add normal noise to the numbers of a row, and put cells of other rows of the batch in the place of its own.

    A column is swapped whole, with every input that was made of it: the places of its categories, its mark of what is
    missing. Source: swap noise, as the winner of Porto Seguro's competition had it (Jahrer 2017, with 0.15, for an
    autoencoder); Ucar et al. 2021.

    Args:
        std: of the noise, in units of the standardised column.
        swap: the share of the cells that are swapped.
        strength: what both are multiplied by.
        columns: the number of the column that each input was made of; empty: each is a column.
        numeric: whether each input is a number, and takes noise; empty: all are.
    """

    def __init__(
        self,
        std: float = 0.1,
        swap: float = 0.1,
        strength: float = 1.0,
        columns: Sequence[int] = (),
        numeric: Sequence[bool] = (),
    ) -> None:
        self.std, self.swap = std * strength, min(1.0, swap * strength)
        self.columns = torch.tensor(columns, dtype=torch.long) if columns else None
        self.numeric = torch.tensor(numeric, dtype=torch.float32) if numeric else None

    def __call__(self, batch: Tensor) -> Tensor:
        """`batch` (N, F) -> (N, F)."""
        if self.swap:
            batch = self._swapped(batch)
        if self.std:
            noise = torch.randn_like(batch)
            batch = torch.add(batch, noise if self.numeric is None else noise * self.numeric, alpha=self.std)
        return batch

    def _swapped(self, batch: Tensor) -> Tensor:
        rows, width, device = *batch.shape, batch.device
        columns = torch.arange(width, device=device) if self.columns is None else self.columns
        shape = (rows, width)  # as many columns at most
        donors = torch.randint(rows, shape, device=device)
        own = torch.arange(rows, device=device).unsqueeze(1)
        donors = torch.where(torch.rand(shape, device=device) < self.swap, donors, own)
        return batch.gather(0, donors[:, columns])


class GaussianNoise:
    """Add normal noise of `std` to every input, in units of the standardised column; `strength` multiplies it."""

    def __init__(self, std: float = 0.1, strength: float = 1.0) -> None:
        self.std = std * strength

    def __call__(self, batch: Tensor) -> Tensor:
        """`batch` (N, F) -> (N, F)."""
        return batch + self.std * torch.randn_like(batch)


def _signs(batch: Tensor) -> Tensor:
    """1 or -1 for each of `batch`, (N, 1)."""
    return torch.randint(0, 2, (len(batch), 1), device=batch.device) * 2.0 - 1


def _colour_parts() -> Tensor:
    """The matrices of RGB whose sum, weighted by 1, s cos(h) and s sin(h), fades colours by s and turns them by h."""
    to_yiq = torch.tensor(YIQ)
    kept = torch.diag(torch.tensor([1.0, 0.0, 0.0]))
    faded = torch.diag(torch.tensor([0.0, 1.0, 1.0]))
    turned = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    return torch.linalg.inv(to_yiq) @ torch.stack([kept, faded, turned]) @ to_yiq
