"""The training loop with all its records against a bare torch loop over resident tensors, both evaluated every epoch.

Interleaved and compared pair by pair, since the machine's speed drifts: the figures are medians of ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from recipe.models import Cnn, Mlp
from recipe.training.experiment import ADAM, Component, Experiment, make_experiment
from recipe.training.loop import train
from recipe.training.split import Split

PAIRS = 15
EPOCHS = 6
BATCH = 32  # the default of conf/config.yaml
WIDTHS = {"digits MLP": (Mlp, {"width": 64}), "digits CNN": (Cnn, {"width": 16})}


@dataclass(frozen=True)
class Ratio:
    """Our time over the bare loop's, as the median of the pairs.

    `same_optimizer`: the same model and optimizer in both loops. `default_adam`: our default settings (fused Adam,
    channels last) against torch's default Adam and memory format.
    """

    model: str
    same_optimizer: float
    default_adam: float


def loop_speed() -> list[Ratio]:
    """The ratios on a digits MLP and a digits CNN."""
    torch.set_num_threads(1)
    return [_ratio(name, model, settings) for name, (model, settings) in WIDTHS.items()]


def _ratio(name: str, model: Callable[..., nn.Module], settings: dict[str, int]) -> Ratio:
    experiment = _experiment(model, settings)
    plain = Component("optimizer", "torch.optim.Adam", {"lr": 3e-4})
    same, default = [], []
    for pair in range(PAIRS + 1):
        ours_plain = _time(lambda: _ours(experiment, plain))
        bare_plain = _time(lambda: _bare(experiment, plain, torch.channels_last))
        ours_default = _time(lambda: _ours(experiment, ADAM))
        bare_default = _time(lambda: _bare(experiment, plain, torch.contiguous_format))
        if pair:  # the first is a warm-up
            same.append(ours_plain / bare_plain)
            default.append(ours_default / bare_default)
    return Ratio(name, round(statistics.median(same), 3), round(statistics.median(default), 3))


def _experiment(model: Callable[..., nn.Module], settings: dict[str, int]) -> Experiment:
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(data.target)
    split = (images[:1200], labels[:1200])
    return make_experiment(model, split, (images[1200:], labels[1200:]), model_settings=settings)


def _ours(experiment: Experiment, optimizer: Component) -> None:
    model = experiment.new_model(0)
    train(
        model,
        experiment.objective,
        optimizer.build(model.parameters()),
        experiment.train,
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=0,
        validation=experiment.validation,
    )


def _bare(experiment: Experiment, optimizer: Component, memory_format: torch.memory_format) -> None:
    model = experiment.new_model(0).to(memory_format=memory_format)
    adam = optimizer.build(model.parameters())
    inputs, targets = experiment.train.inputs, experiment.train.targets
    model.train()
    for _ in range(EPOCHS):
        for index in torch.randperm(len(targets)).split(BATCH):
            adam.zero_grad()
            loss: Tensor = functional.cross_entropy(model(inputs[index]), targets[index])
            loss.backward()
            adam.step()
        _bare_evaluation(model, experiment.validation)


@torch.no_grad()
def _bare_evaluation(model: nn.Module, split: Split) -> tuple[float, float]:
    """Loss and accuracy over the whole split, as anyone would write them after an epoch."""
    model.eval()
    outputs = torch.cat([model(part) for part in split.inputs.split(512)])
    loss = functional.cross_entropy(outputs, split.targets).item()
    accuracy = (outputs.argmax(1) == split.targets).float().mean().item()
    model.train()
    return loss, accuracy


def _time(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    for ratio in loop_speed():
        print(asdict(ratio))
