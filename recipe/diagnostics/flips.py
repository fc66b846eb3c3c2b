"""Whether images keep their labels when they are mirrored, as far as a small net can tell that has seen none so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recipe.diagnostics.probes import some
from recipe.statistics.clusters import by_cluster, mean_interval
from recipe.training.components import Component
from recipe.training.experiment import ADAM, IMAGE_DIMENSIONS, Experiment, Training
from recipe.training.fit import fit_all
from recipe.training.objective import objective_of
from recipe.training.split import Split, View

BATCH = 64
RATE = 1e-3  # Adam's own default (Kingma and Ba 2015, algorithm 1)
WIDTH = 8  # channels of the net's first layer: half of the default model's
FEWEST = 10  # examples of a class that is looked at alone
SURE = 0.05  # the chance that any class is named wrongly, shared out among them (Bonferroni)


@dataclass(frozen=True)
class Mirrored:
    """What mirroring costs a small net, with its 95 % interval, in parts of what it knows.

    What it knows is by how much it is better than a constant guess; not a number where it is not surely better.
    `changed` are the classes that it surely does not know any more when they are mirrored, the worst first.
    """

    cost: float
    low: float
    high: float
    changed: tuple[int, ...] = ()

    def keeps_labels(self, max_cost: float) -> bool:
        """Whether mirroring surely costs no more than `max_cost`, and no class is read otherwise."""
        return self.high <= max_cost and not self.changed


def mirrored(exp: Experiment, dimension: int, examples: int, steps: int, max_cost: float) -> Mirrored | None:
    """What mirroring the validation images (N, C, H, W) costs, along `dimension` 3 left to right, 2 top to bottom.

    Labels that survive mirroring cost a net nothing that has learnt what they depend on; digits cost most of it. Images
    that all look one way may cost it too, though their labels survive: then mirroring is left out needlessly, and
    nothing is lost but a trial.

    Args:
        examples: how many are learnt from, and how many are judged, at most.
        steps: of the optimizer.
        max_cost: by how much more a class must surely lose to be named in `changed`.

    Returns:
        None where the net does not receive images, or the transform makes others of them.
    """
    if not takes_images(exp):
        return None
    own = exp.folds[0] if exp.folds else exp
    plain = objective_of(exp.task, exp.objective.n_outputs, None)  # a net of ours may not go with a loss of the user's
    probe = own.variant("flips", objective=plain, folds=())
    [run] = fit_all(probe, [_training(probe, examples, steps)])
    model, few = run.model(probe), some(probe, probe.validation, examples)
    before, guess = _points(model, few, None, probe)
    after, _ = _points(model, few, lambda batch: batch.flip(dimension), probe)
    knows = before - guess
    if mean_interval(knows, few.groups)[0] <= 0:
        return Mirrored(math.nan, math.nan, math.nan)
    lost, unit = before - after, knows.mean().item()
    low, high = mean_interval(lost, few.groups)
    return Mirrored(lost.mean().item() / unit, low / unit, high / unit, _changed(lost, few, max_cost))


def takes_images(exp: Experiment) -> bool:
    """Whether augmentations get images and the net does."""
    stored = exp.train.untransformed(torch.zeros(1, dtype=torch.long, device=exp.train.device))
    return stored.dim() - 1 == len(exp.input_shape) == IMAGE_DIMENSIONS


def _training(exp: Experiment, examples: int, steps: int) -> Training:
    share = min(1.0, examples / len(exp.train))
    epochs = math.ceil(steps / max(1, math.ceil(share * len(exp.train)) // BATCH))
    optimizer = ADAM.having(lr=RATE)
    model = Component("model", "recipe.models.Cnn", {"width": WIDTH})
    return Training(model, optimizer, epochs=epochs, batch_size=BATCH, seed=exp.training.seed, share=share)


@torch.no_grad()
def _points(model: nn.Module, split: Split, flip: View | None, exp: Experiment) -> tuple[Tensor, float]:
    """What each example of `split` gets, (N,), and a constant guess on the average.

    Of classes 1 where it is right; of numbers 1 less the squared error in units of their variance, so that R2 is their
    mean.
    """
    index = torch.arange(len(split), device=split.device)
    outputs = torch.cat([model(split.batch(part, flip)[0]) for part in index.split(BATCH)]).cpu().double()
    targets = split.targets.cpu()
    if exp.task == "classification":
        return (outputs.argmax(1) == targets).double(), (targets.bincount().max() / len(targets)).item()
    variance = targets.double().var(0).clamp_min(1e-12)
    return 1 - ((outputs - targets).square() / variance).mean(1), 0.0


def _changed(lost: Tensor, split: Split, max_cost: float) -> tuple[int, ...]:
    """The classes that surely lose more than `max_cost`, the most first: by normal intervals, over clusters."""
    targets, groups = split.targets.cpu(), split.groups
    if targets.dim() > 1:
        return ()
    classes = [one for one in targets.unique().tolist() if (targets == one).sum() >= FEWEST]
    quantile = torch.special.ndtri(torch.tensor(1 - SURE / max(1, len(classes)), dtype=torch.double)).item()
    found: dict[int, float] = {}
    for one in classes:
        of_class = targets == one
        values = by_cluster(lost[of_class], None if groups is None else groups[of_class])
        if values.mean() - quantile * values.std() / math.sqrt(len(values)) > max_cost:
            found[one] = values.mean().item()
    return tuple(sorted(found, key=lambda one: -found[one]))
