"""A training notes how far it is, and is the same for it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recipe.runtime.live import LIVE
from recipe.runtime.workspace import TRAININGS
from recipe.training import live
from recipe.training.experiment import Experiment
from recipe.training.fit import Shelf, fit


def in_workspace(experiment: Experiment, folder: Path) -> Experiment:
    return replace(experiment, folder=str(folder / TRAININGS), fingerprint="digits")


def test_points_are_noted_now_and_then_and_change_no_bit(
    digits_cnn: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live.Live.__init__, "__defaults__", (0.0,))
    experiment = in_workspace(digits_cnn, tmp_path)
    training = experiment.training.having(epochs=2, seed=3)
    alone = fit(experiment, training)
    (tmp_path / LIVE).mkdir()
    shown = fit(experiment, training)
    assert torch.equal(alone.history.train_loss, shown.history.train_loss)
    assert all(torch.equal(alone.state[name], value) for name, value in shown.state.items())
    (path,) = (tmp_path / LIVE).iterdir()
    assert path.stem == Shelf(experiment).key(training)
    head, *points, last = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert head["name"] == "epochs=2 seed=3" and head["params"] == training.parameters() and last == {"ended": True}
    losses = [point["values"]["train_loss"] for point in points if "train_loss" in point["values"]]
    assert losses == pytest.approx(shown.history.train_loss.tolist())
    validation = [point["values"]["validation_loss"] for point in points if "validation_loss" in point["values"]]
    assert validation == pytest.approx(shown.history.validation_loss)


def test_a_short_training_and_one_that_nobody_looks_at_write_nothing(digits_cnn: Experiment, tmp_path: Path) -> None:
    (tmp_path / LIVE).mkdir()
    training = digits_cnn.training.having(epochs=1)
    fit(in_workspace(digits_cnn, tmp_path), training)
    fit(digits_cnn, training)
    assert not list((tmp_path / LIVE).iterdir())


def test_a_full_disk_costs_the_curve_and_not_the_training(
    digits_cnn: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live.Live.__init__, "__defaults__", (0.0,))
    experiment = in_workspace(digits_cnn, tmp_path)
    (tmp_path / LIVE).mkdir()
    (tmp_path / LIVE / f"{Shelf(experiment).key(experiment.training)}.jsonl").mkdir()  # nothing can be written there
    assert fit(experiment, experiment.training).history.epochs == experiment.training.epochs
