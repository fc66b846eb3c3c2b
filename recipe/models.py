"""The models that published work starts from, small enough for a first look; any other comes by `_target_`.

Each is built with `input_shape`, one example's shape without the batch, and `n_outputs`.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import convert_conv2d_weight_memory_format


class Linear(nn.Module):
    """Multinomial logistic (or linear) regression on the flattened input."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(math.prod(input_shape), n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs.flatten(1))


class Mlp(nn.Module):
    """A multilayer perceptron with ReLU: `depth` hidden layers of `width` units."""

    def __init__(
        self, input_shape: Sequence[int], n_outputs: int, width: int = 64, depth: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        sizes = [math.prod(input_shape), *[width] * depth]
        self.body = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
                for before, after in pairwise(sizes)
            )
        )
        self.head = nn.Linear(sizes[-1], n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs.flatten(1)))


class ResMlp(nn.Module):
    """A residual network for tables: `depth` blocks x + F(x) of `width` units, each with batch norm and one ReLU.

    The form is that of ResNet in Gorishniy et al. 2021, section 3.2. A block's hidden layer has `expansion` times the
    width; `dropout` leaves out units of it.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        width: int = 64,
        depth: int = 2,
        expansion: float = 2.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Linear(math.prod(input_shape), width)
        hidden = max(1, round(width * expansion))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(width),
                nn.Linear(width, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, width),
            )
            for _ in range(depth)
        )
        self.last = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU())
        self.head = nn.Linear(width, n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.stem(inputs.flatten(1))
        for block in self.blocks:
            features = features + block(features)
        return self.head(self.last(features))


class Cnn(nn.Module):
    """`depth` blocks of 3x3 convolution, ReLU and 2x2 pooling, then a dense layer of `hidden` units.

    With `hidden=0` the last block is averaged over its positions instead (Lin et al. 2013, global average pooling).
    The form is LeNet-5's (LeCun et al. 1998) with ReLU and max-pooling. `dropout` leaves out units before the last
    layer, `spatial_dropout` whole channels after each block (Tompson et al. 2015).
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        width: int = 16,
        depth: int = 2,
        hidden: int = 128,
        dropout: float = 0.0,
        spatial_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, side = input_shape
        blocks: list[nn.Module] = []
        for block in range(depth):
            blocks += [
                nn.Conv2d(channels, width << block, 3, padding=1),
                *_pooled_relu(),
                nn.Dropout2d(spatial_dropout),
            ]
            channels, height, side = width << block, -(-height // 2), -(-side // 2)
        self.body = nn.Sequential(*blocks)
        self.dense: nn.Module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        if hidden:
            self.dense = nn.Sequential(nn.Flatten(), nn.Linear(channels * height * side, hidden), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden or channels, n_outputs)
        convert_conv2d_weight_memory_format(self, torch.channels_last)  # 0.7 of the time of a step on a CPU

    def forward(self, inputs: Tensor) -> Tensor:
        channels_last = inputs.contiguous(memory_format=torch.channels_last)
        return self.head(self.dropout(self.dense(self.body(channels_last))))


class ConvNet(nn.Module):
    """`depth` blocks of `convs` 3x3 convolutions with batch norm and ReLU, then 2x2 pooling; the width doubles.

    The form is VGG's (Simonyan and Zisserman 2015) with batch norm (Ioffe and Szegedy 2015), and one dense layer on the
    flattened last map in place of three. `dropout` leaves out units before it.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        width: int = 16,
        depth: int = 3,
        convs: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, side = input_shape
        layers: list[nn.Module] = []
        for block in range(depth):
            for conv in range(convs):
                last = conv == convs - 1
                layers += [
                    nn.Conv2d(channels, width << block, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width << block),
                    *(_pooled_relu() if last else [nn.ReLU()]),
                ]
                channels = width << block
            height, side = -(-height // 2), -(-side // 2)
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels * height * side, n_outputs)
        convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, inputs: Tensor) -> Tensor:
        channels_last = inputs.contiguous(memory_format=torch.channels_last)
        return self.head(self.dropout(self.body(channels_last).flatten(1)))


def _pooled_relu() -> list[nn.Module]:
    """ReLU and 2x2 max-pooling, in the order in which ReLU meets a quarter of the values: 0.87 of the time of a step.

    Both are monotone, so that either order gives the same maps and the same gradients.
    """
    return [nn.MaxPool2d(2, ceil_mode=True), nn.ReLU()]


class ResNet(nn.Module):
    """A residual network (He et al. 2015) for small images: a 3x3 stem and `blocks` residual blocks a stage.

    Each stage doubles the channels and halves the side. `blocks=[3, 4, 6, 3], bottleneck=True, width=64` is
    ResNet-50 but for its stem. `dropout` and `spatial_dropout` are as in `Cnn`.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        width: int = 16,
        blocks: Sequence[int] = (2, 2, 2),
        bottleneck: bool = False,
        dropout: float = 0.0,
        spatial_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        channels = width
        layers: list[nn.Module] = []
        for stage, count in enumerate(blocks):
            for index in range(count):
                block = _Residual(channels, width << stage, 2 if stage and not index else 1, bottleneck)
                layers.append(block)
                channels = block.channels
            layers.append(nn.Dropout2d(spatial_dropout))
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, n_outputs)
        convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, inputs: Tensor) -> Tensor:
        channels_last = inputs.contiguous(memory_format=torch.channels_last)
        return self.head(self.dropout(self.body(self.stem(channels_last)).mean((2, 3))))


class _Residual(nn.Module):
    """x + F(x), the shortcut a 1x1 convolution where the shape changes; the last norm starts at 0 (Goyal 2017)."""

    EXPANSION = 4  # of a bottleneck's channels (He et al. 2015, figure 5)

    def __init__(self, before: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        self.channels = width * self.EXPANSION if bottleneck else width
        if bottleneck:
            shapes = [(before, width, 1, 1), (width, width, 3, stride), (width, self.channels, 1, 1)]
        else:
            shapes = [(before, width, 3, stride), (width, width, 3, 1)]
        layers: list[nn.Module] = []
        for channels_in, channels_out, kernel, step in shapes:
            layers += [
                nn.Conv2d(channels_in, channels_out, kernel, step, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(channels_out),
                nn.ReLU(),
            ]
        self.residual = nn.Sequential(*layers[:-1])
        last_norm = self.residual[-1]
        assert isinstance(last_norm, nn.BatchNorm2d)
        nn.init.zeros_(last_norm.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != self.channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, self.channels, 1, stride, bias=False), nn.BatchNorm2d(self.channels)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.relu(self.shortcut(inputs) + self.residual(inputs))


class Shrink(nn.Module):
    """Images averaged down to `size`, (height, width), before a model that knows no larger ones."""

    def __init__(self, input_shape: Sequence[int], size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)
        self.output_shape = (input_shape[0], *self.size)

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.interpolate(inputs, self.size, mode="area")


class Select(nn.Module):
    """The columns of a table at the places `columns`, before a model that knows no others."""

    def __init__(self, input_shape: Sequence[int], columns: Sequence[int]) -> None:
        super().__init__()
        self.output_shape = (len(columns),)
        self.columns: Tensor
        self.register_buffer("columns", torch.tensor(columns), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, self.columns]


def last_layer(model: nn.Module) -> nn.Linear | None:
    """The dense layer that gives the outputs: the last `nn.Linear` with a bias, or None where there is none."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear) and module.bias is not None]
    return layers[-1] if layers else None


def head_of(model: nn.Module, n_outputs: int) -> str:
    """The name of the layer that gives the outputs: the last dense one of `n_outputs`, else the last that learns."""
    layers = [(name, one) for name, one in model.named_modules() if any(True for _ in one.parameters(recurse=False))]
    dense = [name for name, one in layers if isinstance(one, nn.Linear) and one.out_features == n_outputs]
    return dense[-1] if dense else layers[-1][0] if layers else ""


def set_last_bias(model: nn.Module, bias: Tensor) -> bool:
    """Set the last layer's bias to `bias` (n_outputs,); False where the model has no such layer."""
    layer = last_layer(model)
    if layer is None or layer.bias.shape != bias.shape:
        return False
    with torch.no_grad():
        layer.bias.copy_(bias)
    return True


def count_parameters(model: nn.Module) -> int:
    """How many numbers training may change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
