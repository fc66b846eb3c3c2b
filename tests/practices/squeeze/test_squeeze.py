"""Averaging helps, probabilities are made honest, and the test set is read once."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recipe.ensemble import average, calibration_error, fit_temperature
from recipe.experiment import Experiment, make_experiment
from recipe.models import Cnn, Mlp
from recipe.practices.squeeze.calibration import calibration
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.final_test import final_test
from recipe.test_set import LEDGER, readings, record_reading
from recipe.training.split import Split
from recipe.training.targets import Component

FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3, "fused": True})


@pytest.fixture
def experiment(digits: tuple[Tensor, Tensor]) -> Experiment:
    """Digits with a test split, and members that learn in a second."""
    images, labels = digits
    made = make_experiment(
        Cnn, (images[:900], labels[:900]), (images[900:1300], labels[900:1300]), optimizer=FAST, epochs=6
    )
    return replace(made, members=3, open_test=lambda reader: Split(images[1300:], labels[1300:]))


def test_independent_members_together_are_better_than_one(experiment: Experiment) -> None:
    finding = experiment.examine(ensemble)
    assert finding.verdict == "pass"
    assert finding.interval is not None
    assert finding.interval[0] > 0


def test_equal_members_together_are_as_one() -> None:
    member = torch.randn(50, 10)
    same = average(torch.stack([member, member]), "classification")
    assert torch.allclose(same, member.log_softmax(1), atol=1e-6)


def test_probabilities_that_are_too_sure_get_the_temperature_that_made_them_so() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(1, 4000, 5, generator=generator)
    targets = torch.distributions.Categorical(logits=logits[0]).sample()
    overconfident = 3 * logits
    temperature = fit_temperature(overconfident, targets)
    assert temperature == pytest.approx(3.0, rel=0.15)
    before = calibration_error(average(overconfident, "classification"), targets)
    after = calibration_error(average(overconfident, "classification", temperature), targets)
    assert after < 0.05 < before


def test_members_that_are_never_wrong_together_do_not_make_certainties() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(3, (137,), generator=generator)
    right = functional.one_hot(targets, 3) * 4.0
    one = right + torch.randn(137, 3, generator=generator)
    other = right + torch.randn(137, 3, generator=generator)
    other[0] = other[0].roll(1)  # the one member makes up for the other's mistake
    outputs = torch.stack([one, other])
    temperature = fit_temperature(outputs, targets)
    assert 0.3 < temperature < 2
    assert average(outputs, "classification", temperature).exp().max() < 1 - 1e-5


def test_a_trained_net_is_calibrated_without_its_test_labels(experiment: Experiment) -> None:
    finding = experiment.examine(calibration)
    assert finding.verdict == "pass"
    assert finding.interval is not None and finding.measured is not None
    assert finding.interval[0] <= finding.measured


def test_calibration_is_skipped_for_a_regression(diabetes_mlp: Experiment) -> None:
    assert diabetes_mlp.examine(calibration).verdict == "skip"


def test_the_final_figure_stands_beside_every_baseline_on_the_same_examples(experiment: Experiment) -> None:
    finding = experiment.examine(final_test)
    assert list(finding.table["predictor"]) == ["ensemble of 3", "single net", "linear", "input-independent"]
    assert finding.measured == finding.table["figure"][0]
    assert finding.table["figure"][0] > 0.9
    assert (finding.table["low"] <= finding.table["figure"]).all()
    assert finding.table["difference_low"][3] > 0.5
    assert finding.table["p_value"][0] == 1
    assert finding.table["p_value"][3] < 0.001


def test_a_regression_is_told_in_r2_and_in_errors_of_the_target(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(
        Mlp, (rows[:250], targets[:250]), (rows[250:330], targets[250:330]), optimizer=FAST, epochs=10
    )
    finding = replace(made, open_test=lambda reader: Split(rows[330:], targets[330:])).examine(final_test)
    table = finding.table.set_index("predictor")
    assert table["metric"].unique().tolist() == ["R2"]
    assert table["rmse"]["ensemble of 2"] < table["rmse"]["input-independent"]
    assert table["figure"]["ensemble of 2"] > 0.2


def test_a_model_no_better_than_a_baseline_is_named_with_it(digits: tuple[Tensor, Tensor]) -> None:
    images, labels = digits
    untrained = Component("optimizer", "torch.optim.SGD", {"lr": 0.0})
    made = make_experiment(
        Mlp, (images[:900], labels[:900]), (images[900:1300], labels[900:1300]), optimizer=untrained, epochs=1
    )
    finding = replace(made, open_test=lambda reader: Split(images[1300:], labels[1300:])).examine(final_test)
    assert finding.verdict == "warn"
    assert "linear" in finding.summary


def test_every_reading_is_in_the_ledger_and_too_many_are_warned_of(experiment: Experiment, tmp_path: Path) -> None:
    def note(reader: str, examples: int, figure: float) -> int:
        record_reading(tmp_path, reader, "v1", examples, figure)
        return len(readings(tmp_path, "v1"))

    limited = experiment.thresholds.squeeze.final_test.max_readings
    noted = replace(experiment, note_reading=note)
    assert noted.examine(final_test).verdict == "pass"
    for _ in range(limited):
        record_reading(tmp_path, "someone", "v1", 10, 0.5)
    assert noted.examine(final_test).verdict == "warn"


def test_a_torn_last_line_of_the_ledger_loses_no_other(tmp_path: Path) -> None:
    record_reading(tmp_path, "a", "v1", 10, 0.5)
    with open(tmp_path / LEDGER, "a") as ledger:
        ledger.write('{"when": "2026')
    assert [reading.reader for reading in readings(tmp_path, "v1")] == ["a"]
