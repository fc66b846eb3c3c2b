"""Averaging helps, probabilities are made honest, and the test set is read once."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.dataset.test_ledger import LEDGER, readings, record_reading, times_read
from recipe.models import Cnn, Linear, Mlp
from recipe.practices.squeeze.calibration import _drawn, _reliability, calibration
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.final_test import final_test
from recipe.statistics.metrics import metrics_of
from recipe.training.components import Component
from recipe.training.ensemble import average, calibration_error, choose_temperature, error_by_chance, fit_temperature
from recipe.training.experiment import Budget, Experiment, HeldOut, make_experiment
from recipe.training.split import Split

PREDICTORS = ["ensemble of 3", "single net", "student", "linear", "input-independent"]
FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3, "fused": True})


@pytest.fixture
def experiment(digits: tuple[Tensor, Tensor]) -> Experiment:
    """Digits with a test split, and members that learn in a second."""
    images, labels = digits
    made = make_experiment(
        Cnn, (images[:900], labels[:900]), (images[900:1300], labels[900:1300]), optimizer=FAST, epochs=8
    )
    return replace(made, budget=Budget(members=3), test=HeldOut(lambda reader: Split(images[1300:], labels[1300:])))


def test_independent_members_together_are_better_than_one(experiment: Experiment) -> None:
    finding = experiment.examine(ensemble)
    assert finding.verdict == "pass"
    assert finding.interval is not None
    assert finding.interval[1] > 0
    assert "2 of them together gain" in finding.summary
    assert "over one that was left training as long as all 2." in finding.summary


class Pretrained(Linear):
    """Comes with its weights, whatever seed is set, and keeps them but for the last."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        weights = torch.randn(self.head.weight.shape, generator=torch.Generator().manual_seed(1))
        self.head.weight = nn.Parameter(weights / 8, requires_grad=False)


class SometimesDiverges(Cnn):
    """Starts from weights far too large on every third seed."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int) -> None:
        super().__init__(input_shape, n_outputs)
        if torch.initial_seed() % 3 == 1:
            self.head = nn.Sequential(self.head, nn.BatchNorm1d(n_outputs, affine=False, momentum=0.0), Wild())


class Wild(nn.Module):
    """Logits that are sure, and wrong, on half of the examples."""

    def forward(self, inputs: Tensor) -> Tensor:
        return 200 * torch.sin(50 * inputs)


def of(model: Callable[..., nn.Module], experiment: Experiment, **changes: Any) -> Experiment:
    """The same with another model, and with what else a training holds."""
    return experiment.variant(
        model.__name__, training=experiment.training.having(model=Component("model", model), **changes)
    )


@pytest.mark.fault(
    "squeeze/ensemble",
    "warn: members that are one net whatever their seed, a member gone astray that drags the others down",
)
def test_members_that_are_one_net_whatever_their_seed_are_warned_of(experiment: Experiment) -> None:
    finding = of(Pretrained, experiment, batch_size=900).examine(ensemble)
    assert finding.verdict == "warn"
    assert "the same net" in finding.summary


def test_a_member_that_goes_astray_and_drags_the_others_down_is_warned_of(experiment: Experiment) -> None:
    finding = of(SometimesDiverges, replace(experiment, budget=Budget(members=2))).examine(ensemble)
    assert finding.verdict == "warn"
    assert finding.measured is not None and finding.measured < 0


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


def drawn(count: int, sure: float, seed: int) -> tuple[Tensor, Tensor]:
    """Logits of one member (1, N, 5), `sure` times as sure as they should be, and labels from the true ones."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, 5, generator=generator)
    targets = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return sure * logits[None], targets


def test_the_error_of_a_calibrated_net_of_few_examples_is_chance() -> None:
    rounds, beyond, above = 40, 0, 0
    for seed in range(rounds):
        outputs, targets = drawn(85, 1.0, seed)
        joint = average(outputs, "classification")
        error = calibration_error(joint, targets)
        beyond += error > error_by_chance(joint)
        above += error > 0.05
    assert above > 0.9 * rounds  # what the error alone would warn of
    assert beyond <= 0.15 * rounds


def test_the_error_of_an_overconfident_net_is_beyond_chance_and_mended_by_its_temperature() -> None:
    outputs, targets = drawn(2000, 2.0, seed=0)
    joint = average(outputs, "classification")
    assert calibration_error(joint, targets) > max(0.05, error_by_chance(joint))
    temperature = choose_temperature(outputs, targets)
    assert temperature.value == pytest.approx(2.0, rel=0.1)
    assert calibration_error(temperature.joint, targets) < error_by_chance(temperature.joint)


def test_a_temperature_that_does_no_good_is_not_used() -> None:
    for seed in range(5):
        outputs, targets = drawn(200, 1.0, seed)
        temperature = choose_temperature(outputs, targets)
        assert temperature.kept and temperature.value == 1.0 != temperature.fitted
        assert torch.equal(temperature.joint, average(outputs, "classification"))


def test_the_interval_of_a_calibration_error_holds_the_error_however_few_the_clusters(experiment: Experiment) -> None:
    few = torch.arange(len(experiment.validation)) // 60
    finding = replace(experiment, validation=replace(experiment.validation, groups=few)).examine(calibration)
    assert finding.measured is not None and finding.interval is not None
    assert finding.interval[0] <= finding.measured <= finding.interval[1]


def test_copies_make_the_error_that_chance_explains_as_large_as_that_of_what_was_copied() -> None:
    joint = average(drawn(100, 1.0, seed=0)[0], "classification").repeat_interleave(10, 0)
    groups = torch.arange(100).repeat_interleave(10)
    assert error_by_chance(joint, groups) > 2 * error_by_chance(joint)


class SurerOfSome(Cnn):
    """Three times as sure of the first five classes as of the others."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits * (1 + 2 * (logits.argmax(1, keepdim=True) < 5))


@pytest.mark.fault(
    "squeeze/calibration",
    "warn: probabilities that do not mean what they say, beyond chance, and that no temperature mends",
)
def test_probabilities_that_no_temperature_mends_are_warned_of(experiment: Experiment) -> None:
    given = experiment.validation.targets
    wrong = replace(experiment.validation, targets=torch.where(given < 5, (given + 1) % 5, given))  # where it is surer
    finding = of(SurerOfSome, replace(experiment, validation=wrong), keep_best=False).examine(calibration)
    assert finding.verdict == "warn"
    assert finding.measured is not None and finding.measured > 0.1


@pytest.mark.parametrize(
    ("factor", "names"), [(1.0, ["as it is, at temperature 1", "ideal"]), (8.0, ["before", "after"])]
)
def test_a_kept_temperature_is_one_line_and_another_two(factor: float, names: list[str]) -> None:
    outputs, targets = drawn(400, factor, seed=0)
    figure = _reliability(_drawn(choose_temperature(outputs, targets), outputs[0].log_softmax(1)), targets)
    shown = [line.get_label() for line in figure.axes[0].lines]  # type: ignore[attr-defined]
    assert all(label.startswith(name) for label, name in zip(shown, names, strict=False))


def test_calibration_is_skipped_for_a_regression(diabetes_mlp: Experiment) -> None:
    assert diabetes_mlp.examine(calibration).verdict == "skip"


def test_the_final_figure_stands_beside_every_baseline_on_the_same_examples(experiment: Experiment) -> None:
    finding = experiment.examine(final_test)
    assert list(finding.table["predictor"]) == PREDICTORS
    assert finding.measured == finding.table["figure"][0]
    assert finding.table["figure"][0] > 0.9
    assert (finding.table["low"] <= finding.table["figure"]).all()
    assert finding.table["difference_low"][4] > 0.5
    assert finding.table["p_value"][0] == 1
    assert finding.table["p_value"][4] < 0.001


def test_a_regression_is_told_in_r2_and_in_errors_of_the_target(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(
        Mlp, (rows[:250], targets[:250]), (rows[250:330], targets[250:330]), optimizer=FAST, epochs=10
    )
    finding = replace(made, test=HeldOut(lambda reader: Split(rows[330:], targets[330:]))).examine(final_test)
    table = finding.table.set_index("predictor")
    assert table["metric"].unique().tolist() == ["R2"]
    assert table["rmse"]["ensemble of 2"] < table["rmse"]["input-independent"]
    assert table["figure"]["ensemble of 2"] > 0.2


def test_the_metrics_that_are_asked_for_are_all_told_and_the_first_decides(experiment: Experiment) -> None:
    asked = metrics_of("classification", ("F1", "AUC", "accuracy"))
    finding = replace(experiment, objective=replace(experiment.objective, metrics=asked)).examine(final_test)
    assert finding.summary.startswith("macro F1 0.9")
    ours = finding.table[finding.table["predictor"] == "ensemble of 3"].set_index("metric")
    assert list(ours.index) == ["F1", "AUC", "accuracy"]
    assert finding.measured == ours["figure"]["F1"] and finding.interval == (ours["low"]["F1"], ours["high"]["F1"])
    assert (ours["low"] < ours["figure"]).all() and (ours["figure"] < ours["high"]).all()


def test_an_error_is_the_better_the_smaller_it_is(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(
        Mlp, (rows[:250], targets[:250]), (rows[250:330], targets[250:330]), optimizer=FAST, epochs=10, metrics=["MAE"]
    )
    finding = replace(made, test=HeldOut(lambda reader: Split(rows[330:], targets[330:]))).examine(final_test)
    table = finding.table.set_index("predictor")
    assert table["figure"]["linear"] < table["figure"]["input-independent"]
    assert finding.expected == f"below {table['figure']['linear']:.4f}, beyond chance"
    assert table["difference"]["input-independent"] > 0  # by how much the ensemble is better
    assert finding.interval is not None and finding.interval[0] < table["figure"]["ensemble of 2"] < finding.interval[1]


def test_a_model_below_every_guess_of_the_mean_is_warned_of_though_it_beats_the_baselines(
    diabetes: tuple[Tensor, Tensor],
) -> None:
    """As where the test lies after what was trained on: all that was learnt is the level of before."""
    rows, targets = diabetes
    made = make_experiment(
        Mlp, (rows[:250], targets[:250]), (rows[250:330], targets[250:330]), optimizer=FAST, epochs=10
    )
    later = 0.2 * targets[330:] + 3 + 2 * rows[330:, 2:3].clamp(-0.5, 0.5)
    finding = replace(made, test=HeldOut(lambda reader: Split(rows[330:], later))).examine(final_test)
    assert finding.measured is not None and finding.measured < 0
    assert finding.verdict == "warn" and "worse than the mean of these examples" in finding.summary


def test_a_model_with_the_larger_error_is_warned_of(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    untrained = Component("optimizer", "torch.optim.SGD", {"lr": 0.0})
    made = make_experiment(
        Mlp, (rows[:250], targets[:250]), (rows[250:330], targets[250:330]), optimizer=untrained, epochs=1,
        metrics=["RMSE"],
    )  # fmt: skip
    finding = replace(made, test=HeldOut(lambda reader: Split(rows[330:], targets[330:]))).examine(final_test)
    assert finding.verdict == "warn" and "the linear model is better beyond chance, so use it" in finding.summary


def test_a_model_no_better_than_a_baseline_is_named_with_it(digits: tuple[Tensor, Tensor]) -> None:
    images, labels = digits
    untrained = Component("optimizer", "torch.optim.SGD", {"lr": 0.0})
    made = make_experiment(
        Mlp, (images[:900], labels[:900]), (images[900:1300], labels[900:1300]), optimizer=untrained, epochs=1
    )
    finding = replace(made, test=HeldOut(lambda reader: Split(images[1300:], labels[1300:]))).examine(final_test)
    assert finding.verdict == "warn"
    assert "linear" in finding.summary


def test_the_table_says_of_a_baseline_what_the_summary_says(experiment: Experiment) -> None:
    images, labels = experiment.test.open("").inputs, experiment.test.open("").targets  # type: ignore[union-attr]
    fives = torch.arange(len(labels)) // 5
    grouped = replace(experiment, test=HeldOut(lambda reader: Split(images, labels, groups=fives)))
    finding = grouped.examine(final_test)
    [p_value] = re.findall(r"p = ([\d.e-]+)", finding.summary)
    table = finding.table.set_index("predictor")
    assert float(p_value) == pytest.approx(table["p_value"][["linear", "input-independent"]].max(), rel=0.05)
    for _, row in table[table["difference"] > 0].iterrows():
        assert (row["p_value"] <= 0.025) == (row["difference_low"] > 0)


def test_three_groups_of_copies_are_told_to_be_too_few_and_not_a_tie(experiment: Experiment) -> None:
    images, labels = experiment.test.open("").inputs, experiment.test.open("").targets  # type: ignore[union-attr]
    three = torch.arange(len(labels)) % 3
    grouped = replace(experiment, test=HeldOut(lambda reader: Split(images, labels, groups=three)))
    finding = grouped.examine(final_test)
    assert finding.verdict == "warn"
    assert "chance may explain the lead" in finding.summary and "with 3 independent examples" in finding.summary
    assert "use it" not in finding.summary


def on_rows(inputs: Tensor, targets: Tensor, **training: Any) -> Experiment:
    """1,500 rows, the last 500 as the test split."""
    made = make_experiment(Mlp, (inputs[:700], targets[:700]), (inputs[700:1000], targets[700:1000]), **training)
    return replace(made, test=HeldOut(lambda reader: Split(inputs[1000:], targets[1000:])))


def test_boosting_that_is_better_than_the_ensemble_beyond_chance_is_named_and_advised() -> None:
    inputs = torch.rand(1500, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    colours = (inputs[:, :2] * 2).floor().long().sum(1) % 2
    finding = on_rows(inputs, colours, epochs=2).examine(final_test)
    assert finding.verdict == "warn"
    assert "the strongest baseline, boosting, has 0.9" in finding.summary
    assert "gradient boosting is better beyond chance, so use it" in finding.summary
    table = finding.table.set_index("predictor")
    assert list(table.index) == ["ensemble of 2", "single net", "student", "linear", "boosting", "input-independent"]
    assert table["difference_high"]["boosting"] < 0 and table["p_value"]["boosting"] > 0.99
    assert finding.requirements[1].value == table["p_value"].iloc[3:].max()


def test_an_ensemble_that_is_better_than_boosting_passes() -> None:
    inputs = torch.randn(1500, 12, generator=torch.Generator().manual_seed(0))
    angles = inputs @ torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    finding = on_rows(inputs, angles.abs().argmax(1), epochs=60, optimizer=FAST).examine(final_test)
    assert finding.verdict == "pass", finding.summary
    table = finding.table.set_index("predictor")
    assert table["difference_low"]["boosting"] > 0 and table["p_value"]["boosting"] < 0.05


@pytest.mark.fault("squeeze/final_test", "warn: a tie with a baseline, or the test labels read too often")
def test_a_tie_with_the_linear_model_is_warned_of_and_the_linear_model_advised(experiment: Experiment) -> None:
    same = Component("model", Linear)
    longer = replace(experiment, training=experiment.training.having(model=same, epochs=30), budget=Budget(members=1))
    finding = longer.variant("linear").examine(final_test)
    assert finding.verdict == "warn"
    assert "the linear model is no worse, so use it" in finding.summary
    assert "use it" in finding.summary


def test_a_lead_that_chance_explains_is_told_as_that(experiment: Experiment) -> None:
    assert experiment.test is not None
    few = experiment.test.open("").head(60)
    finding = replace(experiment, test=HeldOut(lambda reader: few)).examine(final_test)
    assert finding.table["difference"][3] >= 0
    assert finding.verdict == "warn"
    assert "chance may explain the lead over the linear model" in finding.summary


def test_every_reading_is_in_the_ledger_and_too_many_are_warned_of(experiment: Experiment, tmp_path: Path) -> None:
    def note(reader: str, examples: int, figure: float) -> int:
        record_reading(tmp_path, reader, "v1", examples, figure)
        return len(readings(tmp_path, "v1"))

    limited = experiment.thresholds.squeeze.final_test.max_readings
    assert experiment.test is not None
    noted = replace(experiment, test=replace(experiment.test, note=note))
    assert noted.examine(final_test).verdict == "pass"
    for _ in range(limited):
        record_reading(tmp_path, "someone", "v1", 10, 0.5)
    assert noted.examine(final_test).verdict == "warn"


def test_a_model_that_is_read_again_on_the_same_data_tells_nothing_new(tmp_path: Path) -> None:
    for data, model in (("v1", "a"), ("v1", "a"), ("v1", "b"), ("v2", "a"), ("v1", ""), ("v1", "")):
        record_reading(tmp_path, "squeeze/final_test", data, 10, 0.5, "digits", model)
    assert times_read(readings(tmp_path, "digits")) == 5


def test_a_torn_last_line_of_the_ledger_loses_no_other(tmp_path: Path) -> None:
    record_reading(tmp_path, "a", "v1", 10, 0.5)
    with open(tmp_path / LEDGER, "a") as ledger:
        ledger.write('{"when": "2026')
    assert [reading.reader for reading in readings(tmp_path, "v1")] == ["a"]
