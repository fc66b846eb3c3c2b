"""Healthy experiments on real data, made as someone's own test would make them."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor, nn

from recipe.training.experiment import Experiment, make_experiment

TRAIN, VALIDATION = 1000, 1300
Make = Callable[..., Experiment]


@pytest.fixture
def on_digits(digits: tuple[Tensor, Tensor]) -> Make:
    """Called with a model class and what else a training holds."""
    images, labels = digits
    train, validation = (images[:TRAIN], labels[:TRAIN]), (images[TRAIN:VALIDATION], labels[TRAIN:VALIDATION])

    def make(model: Callable[..., nn.Module], **more: Any) -> Experiment:
        return make_experiment(model, train, validation, **{"epochs": 3, **more})

    return make


@pytest.fixture
def on_breast_cancer(breast_cancer: tuple[Tensor, Tensor]) -> Make:
    rows, labels = breast_cancer

    def make(model: Callable[..., nn.Module], **more: Any) -> Experiment:
        return make_experiment(model, (rows[:400], labels[:400]), (rows[400:], labels[400:]), **{"epochs": 12, **more})

    return make


@pytest.fixture
def on_diabetes(diabetes: tuple[Tensor, Tensor]) -> Make:
    rows, targets = diabetes

    def make(model: Callable[..., nn.Module], **more: Any) -> Experiment:
        return make_experiment(
            model, (rows[:310], targets[:310]), (rows[310:], targets[310:]), **{"epochs": 12, **more}
        )

    return make
