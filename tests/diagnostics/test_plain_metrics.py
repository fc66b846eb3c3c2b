"""The plain versions of the metrics agree with the vectorised ones, and disagree where one of them is wrong."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from recipe.dataset.target_scale import in_own_units
from recipe.diagnostics.plain_metrics import plain_metric
from recipe.statistics.metrics import metrics_of
from recipe.training.objective import Objective, objective_of


def of_classes(name: str) -> Objective:
    return replace(objective_of("classification", 4, None), metrics=metrics_of("classification", (name,)))


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "F1", "AUC"])
def test_of_classes_both_give_the_same(name: str) -> None:
    generator, objective = torch.Generator().manual_seed(0), of_classes(name)
    targets = torch.randint(0, 3, (60,), generator=generator)  # one of the four classes has no example
    outputs = torch.randn(60, 4, generator=generator)
    vectorised = objective.metric.of(objective.scores(outputs, targets).numpy())
    assert vectorised == pytest.approx(plain_metric(objective, outputs, targets), abs=1e-12)
    assert vectorised != pytest.approx(plain_metric(objective, outputs, targets.flip(0)), abs=1e-3)


@pytest.mark.parametrize("name", ["R2", "MAE", "RMSE"])
def test_of_quantities_both_give_the_same_in_the_labels_own_units(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    units = partial(in_own_units, target={"mean": [3.0], "std": [20.0]})
    objective = replace(objective_of("regression", 1, None), metrics=metrics_of("regression", (name,)), own_units=units)
    targets = torch.randn(50, 1, generator=generator)
    outputs = targets + 0.1 * torch.randn(50, 1, generator=generator)
    value = objective.metric.of(objective.scores(outputs, targets).numpy())
    assert value == pytest.approx(plain_metric(objective, outputs, targets), abs=1e-9)
    assert value > 1 if name != "R2" else value < 1
