"""A model as a user brings it."""

from torch import Tensor, nn


class Net(nn.Module):
    """Two layers; takes what the contract offers."""

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int, width: int = 64) -> None:
        super().__init__()
        channels, height, side = input_shape
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * height * side, width), nn.ReLU(), nn.Linear(width, n_outputs)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)
