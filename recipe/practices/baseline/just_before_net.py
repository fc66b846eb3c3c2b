"""baseline/just_before_net: a look at the very tensors that enter the net."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.diagnostics.decoding import label_of, picture
from recipe.diagnostics.distortion import Distortion, distortion
from recipe.diagnostics.probes import everything, some
from recipe.evidence import Finding, at_least, at_most, practice
from recipe.settings.strict import Strict
from recipe.statistics.clusters import effective_count
from recipe.training.experiment import Experiment

CHANCE = 1e-6  # p-value, over all columns, below which two splits are not one distribution; healthy sets stay silent
BINS = 60
CLAMPED, STEP_BACK = 0.1, 0.5  # beyond which it is told; the gate has limits of its own
UNSCALED = 10.0  # pixels in 0..255 have a mean and a standard deviation of 30 to 130


class Settings(Strict):
    examples: int = Field(ge=2)
    shown: int = Field(ge=1)


class Limits(Strict):
    max_not_finite: float = Field(ge=0)
    min_std: float = Field(ge=0)
    max_std: float = Field(gt=0)
    max_mean: float = Field(gt=0)
    max_split_distance: float = Field(ge=0, le=1)
    max_clamped: float = Field(ge=0, le=1)
    max_step_back: float = Field(ge=0, le=1)


@practice("baseline/just_before_net")
def just_before_net(exp: Experiment) -> Finding:
    """What enters the net is finite, of a plausible scale, and prepared alike in training and evaluation.

    Source: the recipe, 2, "visualize just before the net"; LeCun et al. 1998, "Efficient BackProp", 4.3: inputs of
    mean 0 and variance 1. Of a split by time validation may differ in truth, so that is told and closes no gate. Where
    the examples are at hand as they were before the transform, it is looked at whether it clamps values or wraps them
    around.
    """
    settings: Settings = exp.stages.baseline.just_before_net
    parts = {
        "train": some(exp, exp.train, settings.examples),
        "validation": some(exp, exp.validation, settings.examples),
    }
    inputs = {name: everything(part)[0].float().cpu() for name, part in parts.items()}
    both = torch.cat(list(inputs.values()))
    values = both[both.isfinite()].double()
    broken = both.numel() - len(values)
    mean, std = (values.mean().item(), values.std().item()) if len(values) > 1 else (float("nan"), float("nan"))
    columns = _columns(exp, *(_Sample(inputs[name], part.groups) for name, part in parts.items()))
    furthest = max(columns, key=lambda column: column.distance)
    summary = (
        f"{len(both)} examples {tuple(both.shape[1:])} as the net gets them: mean {mean:.3g}, standard deviation "
        f"{std:.3g}, from {values.min().item():.3g} to {values.max().item():.3g}"
        if len(values)
        else f"{len(both)} examples as the net gets them hold no finite number"
    )
    if broken:
        numbers, the_first = ("number is", "") if broken == 1 else ("numbers are", "the first ")
        summary += f"; {broken} {numbers} NaN or infinite, {the_first}in {_first_broken(exp, both)}"
    if max(std, abs(mean)) > UNSCALED:
        summary += "; the inputs are not scaled"
    if furthest.distance:
        summary += f"; {furthest.name} is distributed otherwise in validation than in train"
        summary += ", which is of earlier" if exp.by_time else ""
    distorted = distortion(exp, settings.examples)
    summary += _distorted_in_words(distorted)
    few = parts["train"].head(settings.shown)
    captions = [label_of(exp, target) for target in few.targets.cpu()]
    return Finding(
        summary=f"{summary}.",
        measured=std,
        expected="mean 0, standard deviation 1",
        advice="Where they are out of scale, scale the inputs by the training set's mean and standard deviation "
        "(data.transform), pixels from 0..1 and not 0..255; fill what is missing; prepare every split by the same "
        "code and the same numbers.",
        requirements=(
            at_most(broken, "max_not_finite"),
            at_most(std, "max_std"),
            at_least(std, "min_std"),
            at_most(abs(mean), "max_mean"),
            at_most(furthest.distance, "max_split_distance", otherwise="warn" if exp.by_time else "fail"),
            at_most(distorted.clamped if distorted else 0.0, "max_clamped", otherwise="warn"),
            at_most(distorted.step_back if distorted else 0.0, "max_step_back"),
        ),
        figures={
            "inputs": picture(exp, few, captions, "What enters the net, with its label"),
            "values": _histogram(inputs),
        },
        table=pd.DataFrame([vars(column) for column in columns]),
    )


def _distorted_in_words(distorted: Distortion | None) -> str:
    told = ""
    if distorted and distorted.clamped > CLAMPED:
        told += (
            f"; the transform clamps: it puts {distorted.clamped:.0%} more of the values at the lowest or the highest"
        )
    if distorted and distorted.step_back > STEP_BACK:
        told += (
            f"; the transform breaks the order of the values, by {distorted.step_back:.0%} of their range, as where "
            "bytes wrap around"
        )
    return told


@dataclass(frozen=True)
class Column:
    """One feature, or one statistic of an image's channel, over the training examples.

    `distance` is Kolmogorov and Smirnov's between train and validation where chance does not explain it, else 0. Copies
    and groups tell less than as many examples on their own, and chance makes more of them.
    """

    name: str
    mean: float
    std: float
    low: float
    high: float
    distance: float


@dataclass(frozen=True)
class _Sample:
    """Inputs (N, ...), columns (N, F) or values (N,) of a split, and the clusters (N,) they come in, if any."""

    values: Tensor
    groups: Tensor | None

    def column(self, place: int) -> "_Sample":
        """The values of one column (N,) that are finite numbers."""
        values = self.values[:, place]
        kept = values.isfinite()
        return _Sample(values[kept], None if self.groups is None else self.groups[kept])

    def draws(self) -> float:
        """How many independent examples these tell as much as."""
        return len(self.values) if self.groups is None else effective_count(self.values, self.groups)


def _columns(exp: Experiment, train: _Sample, validation: _Sample) -> list[Column]:
    """Each feature; of images, each channel's mean and spread, since the pixels of one image are not independent."""
    if train.values.dim() > 2:
        channels = range(train.values.shape[1])
        names = [f"channel {i} {statistic}" for statistic in ("mean", "spread") for i in channels]
        train, validation = (replace(sample, values=_per_channel(sample.values)) for sample in (train, validation))
    else:
        names = exp.input_names(train.values.shape[1])
    return [_column(name, train.column(i), validation.column(i), len(names)) for i, name in enumerate(names)]


def _per_channel(images: Tensor) -> Tensor:
    places = images.flatten(2)
    return torch.cat([places.mean(2), places.std(2)], 1)


def _column(name: str, train: _Sample, validation: _Sample, tried: int) -> Column:
    from scipy.stats import ks_2samp, kstwo

    one, other = train.values.numpy(), validation.values.numpy()
    if not len(one) or not len(other):
        return Column(name, math.nan, math.nan, math.nan, math.nan, float(len(one) != len(other)))
    distance = float(ks_2samp(one, other, method="asymp").statistic)
    sizes = train.draws(), validation.draws()
    p_value = float(kstwo.sf(distance, max(1, round(sizes[0] * sizes[1] / sum(sizes)))))
    seen = distance if p_value * tried < CHANCE else 0.0
    return Column(name, float(one.mean()), float(one.std()), float(one.min()), float(one.max()), seen)


def _first_broken(exp: Experiment, inputs: Tensor) -> str:
    place = (~inputs.isfinite()).nonzero()[0, 1:].tolist()
    return exp.input_names(inputs.shape[1])[place[0]] if inputs.dim() == 2 else f"input {tuple(place)}"


def _histogram(inputs: dict[str, Tensor]) -> object:
    figure, chart = drawing.new_figure()
    finite = {name: tensor[tensor.isfinite()].numpy() for name, tensor in inputs.items()}
    if any(len(values) for values in finite.values()):
        edges = np.histogram_bin_edges(np.concatenate(list(finite.values())), BINS)
        for name, values in finite.items():
            chart.hist(values, edges.tolist(), histtype="step", density=True, label=name, linewidth=1.4)
        drawing.scale_by_ratio(chart, "y")
        chart.legend(frameon=False, fontsize=8)
    drawing.label(chart, "value that enters the net", "density", "Inputs of the two splits")
    return figure
