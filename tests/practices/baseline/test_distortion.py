"""A transform that clamps or wraps values around is named; those that keep their order and ends are left alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recipe.dataset.ingestion import ingest
from recipe.diagnostics.distortion import distortion
from recipe.models import Cnn, Mlp
from recipe.pipeline.loading import load_experiment
from recipe.pipeline.stage import Stage
from recipe.practices.baseline.just_before_net import just_before_net
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.training.experiment import Experiment
from tests.faults import transforms
from tests.practices.baseline.conftest import Make
from tests.workspaces import ROOT

View = Callable[[Tensor], Tensor]
MEAN, STD = 0.3, 0.38  # of the digits in 0..1


def standardised(batch: Tensor) -> Tensor:
    return (batch - MEAN) / STD


def by_its_own_statistics(batch: Tensor) -> Tensor:
    return (batch - batch.mean((1, 2, 3), keepdim=True)) / batch.std((1, 2, 3), keepdim=True)


def shifted_at_random(batch: Tensor) -> Tensor:
    padded = functional.pad(batch, (1, 1, 1, 1))
    places = torch.randint(0, 3, (len(batch), 2)).tolist()
    return torch.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in zip(padded, places, strict=True)])


SOUND: tuple[View, ...] = (
    standardised,
    by_its_own_statistics,
    shifted_at_random,
    lambda batch: batch / 255,
    lambda batch: 1 - batch,
    lambda batch: batch.flip(-1),
    lambda batch: batch + 0.1 * torch.randn_like(batch),
)


def on_raw(make: Make, view: View) -> Experiment:
    """Digits stored in 0..1, which `view` makes into what enters the net."""
    experiment = make(Cnn)
    low, high = experiment.train.inputs.min(), experiment.train.inputs.max()
    splits = {
        name: replace(split, inputs=(split.inputs - low) / (high - low), transform=view)
        for name, split in (("train", experiment.train), ("validation", experiment.validation))
    }
    return experiment.variant("raw", **splits)


@pytest.mark.fault(
    "baseline/just_before_net",
    "fail: a NaN, inputs that are not scaled, splits prepared otherwise, bytes that wrap around; warn: values clamped",
)
@pytest.mark.parametrize("before", [standardised, lambda batch: batch * 16], ids=["standardised", "0..16"])
def test_bytes_that_wrap_around_fail_and_values_that_are_clamped_warn(on_digits: Make, before: View) -> None:
    clamped = on_raw(on_digits, lambda batch: transforms.clamped(before(batch))).examine(just_before_net)
    assert (clamped.verdict, "the transform clamps" in clamped.summary) == ("warn", True), clamped.summary
    wrapped = on_raw(on_digits, lambda batch: standardised(transforms.wrapped(batch))).examine(just_before_net)
    assert wrapped.verdict == "fail"
    assert "as where bytes wrap around" in wrapped.summary


@pytest.mark.parametrize("view", SOUND)
def test_a_sound_transform_distorts_nothing(on_digits: Make, view: View) -> None:
    found = distortion(on_raw(on_digits, view), 1000)
    assert found is not None
    assert found.clamped < 0.05
    assert found.step_back == 0


def test_a_clamped_column_of_a_table_is_seen(on_diabetes: Make) -> None:
    experiment = on_diabetes(Mlp)
    clamped = replace(experiment.train, transform=transforms.clamped)
    found = distortion(experiment.variant("clamped", train=clamped), 300)
    assert found is not None and found.clamped > 0.5


def test_where_only_the_transformed_examples_are_at_hand_nothing_is_said(on_digits: Make) -> None:
    assert distortion(on_digits(Cnn), 100) is None


def test_the_transform_of_the_settings_is_looked_at_though_its_examples_are_stored_transformed(tmp_path: Path) -> None:
    for name in ("conf", "dvc.yaml", "requirements.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    compose_params(tmp_path, ["data=digits", "data.transform._target_=tests.faults.transforms.wrapped"])
    settings = load_settings(tmp_path)
    ingest(tmp_path, settings)
    experiment = load_experiment(Stage("baseline", tmp_path, settings))
    assert experiment.train.ready is not None
    found = distortion(experiment, 500)
    assert found is not None and found.step_back > 0.9
